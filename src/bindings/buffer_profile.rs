//! Node's pool and the sampled profile of Buffers: see `crate::buffers::profile`.
//!
//! The profile of a JS thread lives in that thread and ends with it.

use std::cell::RefCell;

use napi::bindgen_prelude::{Buffer, Float64Array, Unknown};
use napi::Env;
use napi_derive::napi;

use super::Result;
use crate::base::error::{Code, Failure};
use crate::base::ledger::{Key, NONE};
use crate::base::profile_format::pprof::{self, Document, Row, ValueType};
use crate::base::profile_format::{folded, Frame, Stacks};
use crate::buffers::profile::estimate::Estimate;
use crate::buffers::profile::pace::{Look, Pace};
use crate::buffers::profile::pool_slabs::PoolSlabs;
use crate::buffers::profile::samples::{Estimates, Profile, SampleId};

use crate::external::{environment, process};

/// What all copies of lib/buffers/pool.js on a thread have together. Made in the main realm: one of jest's realms would be kept alive by it.
/// The name is what stands in the stack traces of errors that a wrapped function throws.
const MAIN_REALM_SCRIPT: &str = concat!(
    include_str!("../../lib/buffers/main-realm.js"),
    "//# sourceURL=offheap:buffers\n"
);

thread_local! {
    static PROFILE: RefCell<Profile> = RefCell::default();
    static PACE: RefCell<Option<Pace>> = const { RefCell::new(None) };
    static SLABS: RefCell<PoolSlabs> = RefCell::default();
}

/// Observed values have numbers: those of samples, and those of slabs from here on.
const FIRST_SLAB: u64 = 1 << 52;

/// The observer of `external`: a value with this number has been collected. Nothing here calls into Node.
pub(super) fn on_death(number: u64) {
    // An environment may end after the thread has destroyed its profile; then there is nothing to do.
    let _ = match number.checked_sub(FIRST_SLAB) {
        Some(slab) => SLABS.try_with(|slabs| slabs.borrow_mut().remove(slab)),
        None => PROFILE.try_with(|profile| {
            profile
                .borrow_mut()
                .release(SampleId::from_number(number as f64))
        }),
    };
}

/// Finishes the sweep, so that nothing is counted that the last collection has freed.
fn settle(env: &Env) {
    if let Some(environment) = environment::current() {
        environment.finish_sweep(env.raw());
    }
}

/// Adds a slab that stands for `stands_for` of them; the number to observe it by.
#[napi(catch_unwind)]
pub fn add_slab(byte_length: f64, stands_for: u32) -> f64 {
    SLABS.with_borrow_mut(|slabs| (FIRST_SLAB + slabs.add(byte_length, stands_for)) as f64)
}

/// Slabs that are alive, their bytes, and the standard error of their number.
#[napi(catch_unwind)]
pub fn read_slabs(env: &Env) -> Vec<f64> {
    settle(env);
    SLABS.with_borrow(PoolSlabs::read).to_vec()
}

/// Evaluates `lib/buffers/main-realm.js` in the main realm; a function.
#[napi(catch_unwind, ts_return_type = "Function")]
pub fn buffer_script(env: &Env) -> napi::Result<Unknown<'_>> {
    env.run_script(MAIN_REALM_SCRIPT)
}

/// Removes all samples. The seed determines the gaps that follow; samples are to take at most this share of the thread's time.
#[napi(catch_unwind)]
pub fn reset_samples(seed: f64, interval_bytes: f64, max_share: f64, now_ms: f64) {
    PROFILE.with_borrow_mut(|profile| profile.reset(seed.to_bits()));
    PACE.set(Some(Pace::new(interval_bytes, max_share, now_ms)));
}

/// Sets the interval that the caller has asked for.
#[napi(catch_unwind)]
pub fn set_sample_interval(interval_bytes: f64) {
    PACE.with_borrow_mut(|pace| {
        if let Some(pace) = pace {
            pace.set_base(interval_bytes);
        }
    });
}

/// Adds what samples took since the last look, and how many bytes were charged. Returns the interval from now on.
#[napi(catch_unwind)]
pub fn look_at_samples(
    env: &Env,
    now_ms: f64,
    spent_ms: f64,
    samples: u32,
    passed_bytes: f64,
) -> napi::Result<f64> {
    let external_bytes = env.adjust_external_memory(0)? as f64;
    PACE.with_borrow_mut(|pace| {
        let look = Look {
            now_ms,
            spent_ms,
            samples,
            passed_bytes,
            external_bytes,
        };
        // Nobody samples before `reset_samples`.
        Ok(pace.as_mut().map_or(f64::INFINITY, |pace| pace.look(look)))
    })
}

/// Bytes until the next sample, `interval_bytes` on average.
#[napi(catch_unwind)]
pub fn next_sample_gap(interval_bytes: f64) -> f64 {
    PROFILE.with_borrow_mut(|profile| profile.next_gap(interval_bytes))
}

/// Adds a sample and returns its number.
#[napi(catch_unwind)]
pub fn add_sample(site: u32, bytes: f64, charged_bytes: f64, interval_bytes: f64) -> f64 {
    PROFILE.with_borrow_mut(|profile| {
        profile
            .add(site, bytes, charged_bytes, interval_bytes)
            .to_number()
    })
}

/// Counts a sample under another route. Whether it was still there.
#[napi(catch_unwind)]
pub fn change_sample_route(id: f64, route: u32) -> bool {
    PROFILE.with_borrow_mut(|profile| {
        profile.change_route(SampleId::from_number(id), Key::from_u32(route))
    })
}

/// Sums of the samples by call site and route: three arrays of the same order, ten numbers for each.
#[napi(object, object_from_js = false)]
pub struct SamplesReading {
    /// The call sites.
    pub sites: Vec<u32>,
    /// The names of the routes.
    pub routes: Vec<String>,
    /// Of what is alive: bytes and their variance, count and its variance, samples; the same of all there ever was.
    pub numbers: Float64Array,
    /// What may have gone unsampled: to be added to the variance of any sum of live bytes, and of any sum of all bytes.
    pub unseen_variance: Vec<f64>,
}

/// Reads the samples.
#[napi(catch_unwind)]
pub fn read_samples(env: &Env) -> napi::Result<SamplesReading> {
    settle(env);
    observe_external_bytes(env)?;
    let (live, total) = PACE.with_borrow(|pace| {
        pace.as_ref()
            .map_or((0.0, 0.0), |pace| pace.unseen_variance())
    });
    let cells = PROFILE.with_borrow(Profile::cells);
    Ok(SamplesReading {
        unseen_variance: vec![live, total],
        sites: cells.iter().map(|(cell, _)| cell.site).collect(),
        routes: cells
            .iter()
            .map(|(cell, _)| process::route_name(cell.route))
            .collect(),
        numbers: Float64Array::new(
            cells
                .iter()
                .flat_map(|(_, estimates)| ten(estimates))
                .collect(),
        ),
    })
}

/// Tells the pace that no more than what V8 counts as external is alive of anything.
fn observe_external_bytes(env: &Env) -> napi::Result<()> {
    let external_bytes = env.adjust_external_memory(0)? as f64;
    PACE.with_borrow_mut(|pace| {
        if let Some(pace) = pace {
            pace.observe(external_bytes);
        }
    });
    Ok(())
}

fn ten(Estimates { live, total }: &Estimates) -> impl Iterator<Item = f64> {
    let five = |estimate: &Estimate| {
        [
            estimate.bytes,
            estimate.bytes_variance,
            estimate.count,
            estimate.count_variance,
            estimate.samples as f64,
        ]
    };
    five(live).into_iter().chain(five(total))
}

/// What a format needs besides the samples. Frames are in four arrays of the same order.
#[napi(object, object_to_js = false)]
pub struct ProfileInput {
    /// Function names.
    pub names: Vec<String>,
    /// Files or URLs.
    pub files: Vec<String>,
    /// Lines from 1.
    pub lines: Vec<u32>,
    /// Columns from 1.
    pub columns: Vec<u32>,
    /// The frames of each call site, innermost first.
    pub stacks: Vec<Vec<u32>>,
    /// When sampling began.
    pub started_at_ms: f64,
    /// How long it has gone on.
    pub duration_ms: f64,
    /// Bytes from sample to sample.
    pub interval_bytes: f64,
}

impl ProfileInput {
    fn frames(&self) -> Vec<Frame<'_>> {
        self.names
            .iter()
            .zip(&self.files)
            .zip(self.lines.iter().zip(&self.columns))
            .map(|((function, file), (line, column))| Frame {
                function,
                file,
                line: *line,
                column: *column,
            })
            .collect()
    }
}

/// Names and units as Go's heap profiles have them.
const VALUE_TYPES: [ValueType<'static>; 4] = [
    ("alloc_objects", "count"),
    ("alloc_space", "bytes"),
    ("inuse_objects", "count"),
    ("inuse_space", "bytes"),
];

/// The samples as a gzip'd pprof protobuf.
#[napi(catch_unwind)]
pub fn write_pprof(env: &Env, input: ProfileInput) -> Result<Buffer> {
    settle(env);
    let cells = PROFILE.with_borrow(Profile::cells);
    let routes: Vec<Option<String>> = cells
        .iter()
        .map(|(cell, _)| (cell.route != NONE).then(|| process::route_name(cell.route)))
        .collect();
    let labels: Vec<Vec<(&str, &str)>> = routes
        .iter()
        .map(|route| route.iter().map(|name| ("route", name.as_str())).collect())
        .collect();
    let rows: Vec<Row<'_, 4>> = cells
        .iter()
        .zip(&labels)
        .map(|((cell, Estimates { live, total }), labels)| Row {
            stack: cell.site,
            labels,
            values: [total.count, total.bytes, live.count, live.bytes],
        })
        .collect();
    let written = pprof::write(&Document {
        value_types: VALUE_TYPES,
        stacks: Stacks {
            frames: &input.frames(),
            stacks: &input.stacks,
        },
        rows: &rows,
        started_at_ms: input.started_at_ms,
        duration_ms: input.duration_ms,
        period_type: ("space", "bytes"),
        period: input.interval_bytes,
    });
    written
        .map(Buffer::from)
        .map_err(|error| Failure::new(Code::Internal, error.to_string()).into())
}

/// The live bytes of the samples as folded stacks, the largest first.
#[napi(catch_unwind)]
pub fn write_folded(env: &Env, input: ProfileInput) -> napi::Result<String> {
    settle(env);
    observe_external_bytes(env)?;
    let stacks = Stacks {
        frames: &input.frames(),
        stacks: &input.stacks,
    };
    Ok(folded::write(
        stacks,
        PROFILE.with_borrow(Profile::live_bytes_by_site),
    ))
}
