//! Watching addons: what lib/addons.js needs.

use std::cell::Cell;

use napi::bindgen_prelude::Float64Array;
use napi::Env;
use napi_derive::napi;
use once_cell::sync::Lazy;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::Result;
use crate::error::{Code, Failure};
use crate::interpose::environments;
use crate::interpose::watch::{self, Api};

thread_local! {
    /// Watches that this thread has begun and not ended.
    static WATCHES: Cell<u32> = const { Cell::new(0) };
    static ENDS_WITH_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// The numbers that `worker_threads` gives to threads that offheap is loaded on, by the system's.
static THREADS: Lazy<Mutex<FxHashMap<i32, f64>>> = Lazy::new(Mutex::default);

/// Why addons cannot be watched in this process, or nothing.
#[napi(catch_unwind)]
pub fn watch_unsupported_reason() -> Option<String> {
    watch::unsupported_reason()
}

/// Tells which thread this is, in the words of `worker_threads`.
#[napi(catch_unwind)]
pub fn note_thread(env: &Env, thread_id: f64) -> Result<()> {
    THREADS
        .lock()
        .insert(environments::current_thread(), thread_id);
    end_with_thread(env)
}

/// What a worker leaves behind when it is terminated: its number may come again, and its watches are over.
fn end_with_thread(env: &Env) -> Result<()> {
    if !ENDS_WITH_THREAD.get() {
        env.add_env_cleanup_hook((), |()| {
            let thread = environments::current_thread();
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

/// Begins a watch.
#[napi(catch_unwind)]
pub fn watch_start(env: &Env) -> Result<()> {
    end_with_thread(env)?;
    watch::start()?;
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
    environments::is_on()
}

/// An image that is an addon, or part of one.
#[napi(object, object_from_js = false)]
pub struct AddonImageReading {
    /// The name it was loaded under.
    pub path: String,
    /// Whether it is written against V8's C++ API.
    pub v8: bool,
    /// Whether it uses V8's C++ API besides Node-API.
    pub also_v8: bool,
    /// When it was loaded under this watch, in milliseconds of the calendar.
    pub loaded_at_ms: Option<f64>,
    /// Whether it was there before the watch began.
    pub late: bool,
    /// Why it was not patched.
    pub refused: Option<String>,
    /// Whether it had looked its functions up already, and where it keeps them was not found.
    pub pointers_missing: bool,
}

/// One addon on one thread; or what the ended ones of one file ever had.
#[napi(object, object_from_js = false)]
pub struct EnvironmentReading {
    /// Its number; 0 for ended ones.
    pub id: u32,
    /// A URL, or empty.
    pub file: String,
    /// What `worker_threads` calls the thread, if that is known.
    pub thread_id: Option<f64>,
    /// What the system calls it; nothing for ended ones.
    pub os_thread_id: Option<i32>,
    /// When it was first seen, in milliseconds of the calendar.
    pub seen_at_ms: f64,
    /// Whether every call since its beginning was seen.
    pub full: bool,
    /// How many have ended; 0 for one that lives.
    pub ended_count: u32,
}

/// A reading.
#[napi(object, object_from_js = false)]
pub struct AddonsReading {
    /// Whether a watch is on.
    pub on: bool,
    /// All addons among the images.
    pub images: Vec<AddonImageReading>,
    /// All environments that live, then the ended ones by file.
    pub environments: Vec<EnvironmentReading>,
    /// The figures of each, in the order of `Tallies::numbers`.
    pub numbers: Float64Array,
    /// What the system calls this thread.
    pub os_thread_id: i32,
}

/// What every addon holds.
#[napi(catch_unwind)]
pub fn read_addons() -> AddonsReading {
    let images = watch::addons()
        .into_iter()
        .map(|image| AddonImageReading {
            path: String::from_utf8_lossy(&image.path).into_owned(),
            v8: image.api == Api::V8,
            also_v8: image.also_v8,
            loaded_at_ms: image.loaded_at.map(|at| at as f64),
            late: image.late,
            refused: image.refused,
            pointers_missing: image.pointers_missing,
        })
        .collect();
    // SAFETY: JavaScript is calling.
    let (living, ended) = unsafe { environments::read_all() };
    let mut numbers = Vec::new();
    let mut rows = Vec::with_capacity(living.len() + ended.len());
    let threads = THREADS.lock();
    for reading in living {
        numbers.extend(reading.numbers);
        rows.push(EnvironmentReading {
            id: reading.id,
            thread_id: threads.get(&reading.thread).copied(),
            os_thread_id: Some(reading.thread),
            file: reading.file,
            seen_at_ms: reading.seen_at_ms,
            full: reading.full,
            ended_count: 0,
        });
    }
    drop(threads);
    for reading in ended {
        numbers.extend(reading.numbers);
        rows.push(EnvironmentReading {
            id: 0,
            thread_id: None,
            os_thread_id: None,
            file: reading.file,
            seen_at_ms: 0.0,
            full: false,
            ended_count: reading.count,
        });
    }
    AddonsReading {
        on: watch::is_on(),
        images,
        environments: rows,
        numbers: Float64Array::new(numbers),
        os_thread_id: environments::current_thread(),
    }
}

/// For tests: environments that still take memory.
#[napi(catch_unwind)]
pub fn watched_environment_count() -> u32 {
    u32::try_from(environments::environment_count()).unwrap_or(u32::MAX)
}
