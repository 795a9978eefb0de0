//! The figures of one addon in one environment.
//!
//! Knows: how many of each thing there are and ever were. Written by the environment's own thread, except where a
//! method says so, and read by any.
//! Out of scope: which things they are; the holdings of [`super::holdings`] do.
//! Limits: a reading in another thread may see one thing counted and its neighbour not yet.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

/// A number that one thread writes and any may read: no more than a plain store.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// The number.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds; only on the writing thread.
    #[inline]
    pub fn add(&self, more: u64) {
        self.0
            .store(self.get().wrapping_add(more), Ordering::Relaxed);
    }

    /// Takes away, never below 0; only on the writing thread.
    #[inline]
    pub fn take(&self, less: u64) {
        self.0
            .store(self.get().saturating_sub(less), Ordering::Relaxed);
    }

    /// Raises it to `value` if it is lower; only on the writing thread.
    #[inline]
    pub fn raise(&self, value: u64) {
        if value > self.get() {
            self.0.store(value, Ordering::Relaxed);
        }
    }

    /// Adds, on any thread.
    pub fn add_shared(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// Takes away, never below 0, on any thread.
    pub fn take_shared(&self, less: u64) {
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |value| {
                Some(value.saturating_sub(less))
            });
    }

    fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// Things of one kind: now, and ever.
#[derive(Debug, Default)]
pub struct Things {
    /// How many there are.
    pub live: Count,
    /// How many there ever were.
    pub total: Count,
    /// Their bytes now.
    pub live_bytes: Count,
    /// Their bytes ever.
    pub total_bytes: Count,
}

impl Things {
    /// One more.
    #[inline]
    pub fn begin(&self, bytes: u64) {
        self.live.add(1);
        self.total.add(1);
        self.live_bytes.add(bytes);
        self.total_bytes.add(bytes);
    }

    /// One that is gone already.
    pub fn pass(&self, bytes: u64) {
        self.total.add(1);
        self.total_bytes.add(bytes);
    }

    /// One less.
    #[inline]
    pub fn end(&self, bytes: u64) {
        self.live.take(1);
        self.live_bytes.take(bytes);
    }

    /// One more, on any thread.
    pub fn begin_shared(&self, bytes: u64) {
        self.live.add_shared(1);
        self.live_bytes.add_shared(bytes);
        self.pass_shared(bytes);
    }

    /// One that is gone already, on any thread.
    pub fn pass_shared(&self, bytes: u64) {
        self.total.add_shared(1);
        self.total_bytes.add_shared(bytes);
    }

    /// One less, on any thread.
    pub fn end_shared(&self, bytes: u64) {
        self.live.take_shared(1);
        self.live_bytes.take_shared(bytes);
    }

    fn clear(&self) {
        self.live.clear();
        self.total.clear();
        self.live_bytes.clear();
        self.total_bytes.clear();
    }
}

macro_rules! kinds {
    ($($name:ident => $field:ident,)*) => {
        /// The kinds of things that come with a finalizer.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub enum Kind {
            $(#[doc = concat!("Counted in `", stringify!($field), "`.")] $name,)*
            /// `napi_add_finalizer`: nothing of its own; the finalizer counts, and the reference if there is one.
            #[default]
            Finalizer,
        }

        impl Figures {
            /// Where things of a kind are counted.
            #[inline]
            pub fn of(&self, kind: Kind) -> &Things {
                match kind {
                    $(Kind::$name => &self.$field,)*
                    Kind::Finalizer => &self.finalizers,
                }
            }
        }
    };
}

/// The kinds of things whose finalizers may run on any thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedKind {
    /// Counted in `external_strings`.
    ExternalString,
    /// Counted in `external_shared_array_buffers`.
    ExternalSharedArrayBuffer,
}

impl Figures {
    /// Where things of a kind are counted; by methods that any thread may call.
    pub fn of_shared(&self, kind: SharedKind) -> &Things {
        match kind {
            SharedKind::ExternalString => &self.external_strings,
            SharedKind::ExternalSharedArrayBuffer => &self.external_shared_array_buffers,
        }
    }
}

kinds! {
    Wrap => wraps,
    External => externals,
    ExternalArrayBuffer => external_array_buffers,
    ExternalBuffer => external_buffers,
    Buffer => buffers,
    ArrayBuffer => array_buffers,
}

/// All figures.
#[derive(Debug, Default)]
pub struct Figures {
    /// References with a count above 0.
    pub strong: Count,
    /// References with a count of 0.
    pub weak: Count,
    /// Of the weak ones, those whose object was collected.
    pub outlived: Count,
    /// References ever created.
    pub references: Count,
    /// References ever deleted.
    pub deleted: Count,
    /// The sum of the counts of all references.
    pub count_sum: Count,
    /// The highest count that a single reference ever had.
    pub highest: Count,
    /// `napi_wrap`.
    pub wraps: Things,
    /// `napi_create_external`.
    pub externals: Things,
    /// `napi_create_external_arraybuffer`.
    pub external_array_buffers: Things,
    /// `napi_create_external_buffer`.
    pub external_buffers: Things,
    /// `node_api_create_external_string_*`; written by any thread: Node 26 frees strings on another one.
    pub external_strings: Things,
    /// `node_api_create_external_sharedarraybuffer`; written by any thread.
    pub external_shared_array_buffers: Things,
    /// `napi_add_finalizer`.
    pub finalizers: Things,
    /// `napi_create_buffer` and `_copy`; their end is seen on request only.
    pub buffers: Things,
    /// `napi_create_arraybuffer`; their end is seen on request only.
    pub array_buffers: Things,
    /// The addon's own finalizers that have yet to run.
    pub finalizers_pending: Count,
    /// Those of external strings and SharedArrayBuffers; written by any thread.
    pub shared_finalizers_pending: Count,
    /// `napi_create_promise`; settled ones have ended.
    pub deferreds: Things,
    /// `napi_create_async_work`.
    pub async_works: Things,
    /// Thread-safe functions; written by any thread.
    pub threadsafe_functions: Things,
    /// Asynchronous cleanup hooks; written by any thread.
    pub async_cleanup_hooks: Things,
    /// The net of `napi_adjust_external_memory`.
    pub adjusted: AtomicI64,
    /// The lowest that it ever was.
    pub lowest_adjusted: AtomicI64,
    /// Whether the addon has set instance data.
    pub instance_data: AtomicBool,
}

impl Figures {
    /// Notes a successful `napi_adjust_external_memory`.
    pub fn adjust(&self, change: i64) {
        let adjusted = self.adjusted.load(Ordering::Relaxed).wrapping_add(change);
        self.adjusted.store(adjusted, Ordering::Relaxed);
        if adjusted < self.lowest_adjusted.load(Ordering::Relaxed) {
            self.lowest_adjusted.store(adjusted, Ordering::Relaxed);
        }
    }

    /// Starts anew.
    pub fn clear(&self) {
        for count in [
            &self.strong,
            &self.weak,
            &self.outlived,
            &self.references,
            &self.deleted,
            &self.count_sum,
            &self.highest,
            &self.finalizers_pending,
            &self.shared_finalizers_pending,
        ] {
            count.clear();
        }
        for things in [
            &self.wraps,
            &self.externals,
            &self.external_array_buffers,
            &self.external_buffers,
            &self.external_strings,
            &self.external_shared_array_buffers,
            &self.finalizers,
            &self.buffers,
            &self.array_buffers,
            &self.deferreds,
            &self.async_works,
            &self.threadsafe_functions,
            &self.async_cleanup_hooks,
        ] {
            things.clear();
        }
        self.adjusted.store(0, Ordering::Relaxed);
        self.lowest_adjusted.store(0, Ordering::Relaxed);
        self.instance_data.store(false, Ordering::Relaxed);
    }

    /// All figures, in the order that `lib/addons/addons.js` reads them in.
    pub fn numbers(&self) -> [f64; NUMBERS] {
        let two = |things: &Things| [things.live.get(), things.total.get()];
        let four = |things: &Things| {
            [
                things.live.get(),
                things.live_bytes.get(),
                things.total.get(),
                things.total_bytes.get(),
            ]
        };
        let mut numbers = [0.0; NUMBERS];
        let (strong, weak) = (self.strong.get(), self.weak.get());
        let values = [
            strong + weak,
            strong,
            weak,
            self.outlived.get(),
            self.references.get(),
            self.deleted.get(),
            self.count_sum.get(),
            self.highest.get(),
        ]
        .into_iter()
        .chain(two(&self.wraps))
        .chain(two(&self.externals))
        .chain(four(&self.external_array_buffers))
        .chain(four(&self.external_buffers))
        .chain(four(&self.external_strings))
        .chain(four(&self.buffers))
        .chain(four(&self.array_buffers))
        .chain([self.finalizers_pending.get() + self.shared_finalizers_pending.get()])
        .chain(two(&self.threadsafe_functions))
        .chain(two(&self.deferreds))
        .chain(two(&self.async_works))
        .chain(two(&self.async_cleanup_hooks))
        .chain(four(&self.external_shared_array_buffers))
        .chain([u64::from(self.instance_data.load(Ordering::Relaxed))]);
        for (number, value) in numbers.iter_mut().zip(values) {
            *number = value as f64;
        }
        let [.., adjusted, lowest] = &mut numbers;
        *adjusted = self.adjusted.load(Ordering::Relaxed) as f64;
        *lowest = self.lowest_adjusted.load(Ordering::Relaxed) as f64;
        numbers
    }
}

/// How many figures there are.
pub const NUMBERS: usize = 8 + 2 + 2 + 4 + 4 + 4 + 4 + 4 + 1 + 2 + 2 + 2 + 2 + 4 + 1 + 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_come_in_order_and_fill_their_places() {
        let figures = Figures::default();
        figures.strong.add(3);
        figures.weak.add(4);
        figures.external_buffers.begin(1_234_567);
        figures.external_buffers.pass(11);
        figures.instance_data.store(true, Ordering::Relaxed);
        figures.adjust(500);
        figures.adjust(-1_777);
        figures.adjust(77);
        let numbers = figures.numbers();

        assert_eq!(numbers[..4], [7.0, 3.0, 4.0, 0.0]);
        assert_eq!(numbers[16..20], [1.0, 1_234_567.0, 2.0, 1_234_578.0]);
        assert_eq!(numbers[NUMBERS - 3..], [1.0, -1_200.0, -1_277.0]);

        figures.clear();
        assert_eq!(figures.numbers(), [0.0; NUMBERS]);
    }
}
