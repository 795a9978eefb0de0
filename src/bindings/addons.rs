//! Watching addons: what lib/addons/addons.js needs.

use std::cell::Cell;

use napi::bindgen_prelude::{Float64Array, Uint8Array};
use napi::Env;
use napi_derive::napi;
use once_cell::sync::Lazy;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::Result;
use crate::addons::figures::{Figures, Shown};
use crate::addons::hooks::environments;
use crate::addons::hooks::image_kind::Api;
use crate::addons::hooks::moment;
use crate::addons::hooks::readings;
use crate::addons::hooks::stack;
use crate::addons::hooks::watch;
use crate::base::error::{Code, Failure};

thread_local! {
    /// Watches that this thread has begun and not ended.
    static WATCHES: Cell<u32> = const { Cell::new(0) };
    static ENDS_WITH_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// Takes the lock of this file within `limit`.
pub(super) fn hold_lock(
    limit: std::time::Duration,
) -> Option<Box<dyn crate::base::fork_lock::Held>> {
    crate::base::fork_lock::hold(&THREADS, limit)
}

/// The numbers that `worker_threads` gives to threads that offheap is loaded on, by the system's.
static THREADS: Lazy<Mutex<FxHashMap<i32, f64>>> = Lazy::new(Mutex::default);

/// Why addons cannot be watched in such a process, or nothing.
#[napi(catch_unwind)]
pub fn watch_unsupported_reason() -> Option<String> {
    watch::unsupported_reason()
}

/// Who is in the way of a watch, or nothing.
#[napi(catch_unwind)]
pub fn watch_refused_reason() -> Option<String> {
    watch::refused_reason()
}

/// Tells which thread this is, in the words of `worker_threads`.
#[napi(catch_unwind)]
pub fn note_thread(env: &Env, thread_id: f64) -> Result<()> {
    THREADS.lock().insert(moment::current_thread(), thread_id);
    end_with_thread(env)
}

/// Whether this is the first thread of the process. Node runs workers on others.
#[napi(catch_unwind)]
pub fn is_process_thread() -> bool {
    moment::current_thread() == std::process::id() as i32
}

/// What a worker leaves behind when it is terminated: another may get its number, and its watches are over.
fn end_with_thread(env: &Env) -> Result<()> {
    if !ENDS_WITH_THREAD.get() {
        env.add_env_cleanup_hook((), |()| {
            let thread = moment::current_thread();
            THREADS.lock().remove(&thread);
            // At the end of the process there is nothing to go back to.
            if thread != std::process::id() as i32 {
                for _ in 0..WATCHES.replace(0) {
                    watch::stop();
                }
            }
            ENDS_WITH_THREAD.set(false);
        })
        .map_err(|error| Failure::new(Code::Internal, error.reason.clone()))?;
        ENDS_WITH_THREAD.set(true);
    }
    Ok(())
}

/// Begins a watch. `buffers`: looks for the end of Buffers that Node allocates. `every_nth`: says where every nth thing was
/// made; 0 for none.
#[napi(catch_unwind)]
pub fn watch_start(env: &Env, buffers: bool, every_nth: u32) -> Result<()> {
    end_with_thread(env)?;
    watch::start()?;
    if buffers {
        moment::look_for_buffer_ends();
    }
    if every_nth > 0 {
        stack::prepare();
        moment::sample_every(every_nth);
    }
    WATCHES.set(WATCHES.get() + 1);
    Ok(())
}

/// Ends a watch that this thread has begun.
#[napi(catch_unwind)]
pub fn watch_stop() {
    if WATCHES.get() > 0 {
        WATCHES.set(WATCHES.get() - 1);
        watch::stop();
    }
}

/// Whether a watch is on.
#[napi(catch_unwind)]
pub fn watch_is_on() -> bool {
    moment::is_on()
}

/// A reading, in few and flat values: an object for each row would cost more than all the rest.
#[napi(object, object_from_js = false)]
pub struct AddonsReading {
    /// Whether a watch is on.
    pub on: bool,
    /// The number of the watch, which no other has; 0 while none is on.
    pub watch: u32,
    /// Whether the end of Buffers that Node allocates is looked for.
    pub buffers: bool,
    /// One thing in how many is sampled; 0 for none.
    pub every_nth: u32,
    /// What the system calls this thread.
    pub os_thread_id: i32,
    /// The names that the images were loaded under which are addons.
    pub images: Vec<String>,
    /// Why each was not patched, or empty.
    pub refusals: Vec<String>,
    /// Five numbers of each image: 1 if it is written against V8's C++ API; 1 if it uses that besides Node-API; when it was loaded
    /// under this watch, in milliseconds of the calendar, or NaN; 1 if it was there before; 1 if it had looked its functions
    /// up already and where it keeps them was not found.
    pub image_numbers: Float64Array,
    /// The file of each environment that has not ended: a URL, a path, or empty.
    pub files: Vec<String>,
    /// Five numbers of each: its own; what `worker_threads` calls its thread, or NaN; what the system
    /// calls it; when it was first seen; 1 if every call since its beginning was seen. Then its figures, in the order of
    /// `addon_figures`.
    pub numbers: Float64Array,
}

/// A figure of an addon.
#[napi(object, object_from_js = false)]
pub struct AddonFigure {
    /// Its name in what `addons()` returns. A dot leads into an object.
    pub name: &'static str,
    /// What JavaScript makes of the number: `number`, `flag` (a boolean), `on-request` (`null` where the end of Buffers is not looked for).
    pub shown: &'static str,
}

/// All figures of an addon, in the order of their numbers in an [`AddonsReading`].
#[napi(catch_unwind)]
pub fn addon_figures() -> Vec<AddonFigure> {
    Figures::names()
        .map(|(name, shown)| AddonFigure {
            name,
            shown: match shown {
                Shown::Number => "number",
                Shown::Flag => "flag",
                Shown::OnRequest => "on-request",
            },
        })
        .collect()
}

/// What every addon holds.
#[napi(catch_unwind)]
pub fn read_addons() -> AddonsReading {
    let mut reading = AddonsReading {
        on: watch::is_on(),
        watch: moment::epoch(),
        buffers: moment::looks_for_buffer_ends(),
        every_nth: moment::sampled_every(),
        os_thread_id: moment::current_thread(),
        images: Vec::new(),
        refusals: Vec::new(),
        image_numbers: Float64Array::new(Vec::new()),
        files: Vec::new(),
        numbers: Float64Array::new(Vec::new()),
    };
    let flag = |flag: bool| f64::from(u8::from(flag));
    let mut image_numbers = Vec::new();
    for image in watch::addons() {
        reading
            .images
            .push(String::from_utf8_lossy(&image.path).into_owned());
        reading.refusals.push(image.refused.unwrap_or_default());
        image_numbers.extend([
            flag(image.api == Api::V8),
            flag(image.also_v8),
            image.loaded_at.map_or(f64::NAN, |at| at as f64),
            flag(image.late),
            flag(image.pointers_missing),
        ]);
    }
    // SAFETY: JavaScript is calling.
    let living = unsafe { readings::read_all() };
    let mut numbers = Vec::new();
    let threads = THREADS.lock();
    for environment in living {
        numbers.extend([
            f64::from(environment.id),
            threads
                .get(&environment.thread)
                .copied()
                .unwrap_or(f64::NAN),
            f64::from(environment.thread),
            environment.seen_at_ms,
            flag(environment.full),
        ]);
        numbers.extend(environment.numbers);
        reading.files.push(environment.file);
    }
    drop(threads);
    reading.image_numbers = Float64Array::new(image_numbers);
    reading.numbers = Float64Array::new(numbers);
    reading
}

/// Whether each address is where an external Buffer or ArrayBuffer of a watched addon begins.
#[napi(catch_unwind)]
pub fn are_of_addons(addresses: &[f64]) -> Uint8Array {
    let places = readings::external_places();
    Uint8Array::new(
        addresses
            .iter()
            .map(|&address| u8::from(places.contains(&(address as usize))))
            .collect(),
    )
}

/// A place where sampled things were made.
#[napi(object, object_from_js = false)]
pub struct SiteReading {
    /// As `Kind` numbers them; 255 for references.
    pub kind: u32,
    /// Sampled things that are live.
    pub live: u32,
    /// Sampled things ever.
    pub total: u32,
    /// The file of each function, innermost first; empty when unknown.
    pub files: Vec<String>,
    /// Its name; empty when the file does not export it.
    pub symbols: Vec<String>,
    /// How far into the function; without a name, into the file.
    pub offsets: Vec<f64>,
}

/// Where sampled things of an environment of this thread were made: up to `limit` places, those with most live ones first.
#[napi(catch_unwind)]
pub fn read_sites(id: u32, limit: u32) -> Vec<SiteReading> {
    let mut sites = readings::sites_of(id);
    sites.sort_by_key(|site| std::cmp::Reverse((site.live, site.total)));
    sites.truncate(limit as usize);
    sites
        .into_iter()
        .map(|site| {
            let mut reading = SiteReading {
                kind: u32::from(site.kind),
                live: site.live,
                total: site.total,
                files: Vec::new(),
                symbols: Vec::new(),
                offsets: Vec::new(),
            };
            for address in site.frames {
                let frame = stack::name(address);
                reading.files.push(frame.file);
                reading.symbols.push(frame.symbol);
                reading.offsets.push(frame.offset as f64);
            }
            reading
        })
        .collect()
}

/// For tests: environments that still take memory.
#[napi(catch_unwind)]
pub fn watched_environment_count() -> u32 {
    u32::try_from(environments::environment_count()).unwrap_or(u32::MAX)
}
