//! The figures of one addon in one environment.
//!
//! Knows: how many of each thing there are and ever were, and the names of the figures in what `addons()` returns. The environment's own
//! thread writes, except where a method says so. Any thread reads.
//! Out of scope: which things they are; [`super::holdings`] knows that.
//! Limitations: a reading in another thread may see one thing counted and its neighbour not yet.
//!
//! A new figure is one line of `figures!`. `lib/addons/figures.js` has the names from there.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::Arc;

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
    pub fn add_on_any_thread(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// Takes away, never below 0, on any thread.
    pub fn take_on_any_thread(&self, less: u64) {
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

/// Things of one kind: now, and ever. In one cache line.
#[derive(Debug, Default)]
#[repr(align(32))]
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
    pub fn begin_on_any_thread(&self, bytes: u64) {
        self.live.add_on_any_thread(1);
        self.live_bytes.add_on_any_thread(bytes);
        self.pass_on_any_thread(bytes);
    }

    /// One that is gone already, on any thread.
    pub fn pass_on_any_thread(&self, bytes: u64) {
        self.total.add_on_any_thread(1);
        self.total_bytes.add_on_any_thread(bytes);
    }

    /// One less, on any thread.
    pub fn end_on_any_thread(&self, bytes: u64) {
        self.live.take_on_any_thread(1);
        self.live_bytes.take_on_any_thread(bytes);
    }

    fn clear(&self) {
        self.live.clear();
        self.total.clear();
        self.live_bytes.clear();
        self.total_bytes.clear();
    }
}

/// A number that may be negative.
#[derive(Debug, Default)]
pub struct Signed(AtomicI64);

impl Signed {
    /// The number.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn clear(&self) {
        self.set(0);
    }
}

/// Something that has happened, or not.
#[derive(Debug, Default)]
pub struct Flag(AtomicBool);

impl Flag {
    /// Whether it has.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// It has.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// A number that is made of others, and takes no memory.
#[derive(Debug, Default)]
pub struct Derived;

impl Derived {
    fn clear(&self) {}
}

/// What JavaScript makes of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The number.
    Number,
    /// A boolean.
    Flag,
    /// The number where the end of Buffers that Node allocates is looked for, else `null`.
    OnRequest,
}

/// The names of one line of `figures!`, and what JavaScript makes of each.
macro_rules! names {
    (hidden) => {
        [] as [(&str, Shown); 0]
    };
    (flag $name:literal) => {
        [($name, Shown::Flag)]
    };
    (things $name:literal) => {
        [
            (concat!($name, ".liveCount"), Shown::Number),
            (concat!($name, ".totalCount"), Shown::Number),
        ]
    };
    (unsettled $name:literal) => {
        [
            (concat!($name, ".unsettledCount"), Shown::Number),
            (concat!($name, ".totalCount"), Shown::Number),
        ]
    };
    (sized $name:literal) => {
        names!(sized $name, Shown::Number)
    };
    (sized_on_request $name:literal) => {
        names!(sized $name, Shown::OnRequest)
    };
    (sized $name:literal, $live:expr) => {
        [
            (concat!($name, ".liveCount"), $live),
            (concat!($name, ".liveBytes"), $live),
            (concat!($name, ".totalCount"), Shown::Number),
            (concat!($name, ".totalBytes"), Shown::Number),
        ]
    };
    ($number:ident $name:literal) => {
        [($name, Shown::Number)]
    };
}

/// The numbers of one line of `figures!`, in the order of its names.
macro_rules! numbers {
    (hidden $figures:ident $field:ident) => {
        [] as [f64; 0]
    };
    (number $figures:ident $field:ident) => {
        [$figures.$field.get() as f64]
    };
    (flag $figures:ident $field:ident) => {
        [f64::from(u8::from($figures.$field.get()))]
    };
    (sum $figures:ident $field:ident $($part:ident)+) => {
        [0 $(+ $figures.$part.get())+].map(|sum| sum as f64)
    };
    (things $figures:ident $field:ident) => {
        [$figures.$field.live.get(), $figures.$field.total.get()].map(|count| count as f64)
    };
    (unsettled $figures:ident $field:ident) => {
        numbers!(things $figures $field)
    };
    ($sized:ident $figures:ident $field:ident) => {
        [
            $figures.$field.live.get(),
            $figures.$field.live_bytes.get(),
            $figures.$field.total.get(),
            $figures.$field.total_bytes.get(),
        ]
        .map(|count| count as f64)
    };
}

/// Declares the figures: where each is counted, how it is read, and its name in what `addons()` returns.
macro_rules! figures {
    ($($(#[$doc:meta])* $field:ident: $type:ty, $shape:ident $(($($part:ident),+))? $(=> $name:literal)?;)+) => {
        /// All figures.
        #[derive(Debug, Default)]
        pub struct Figures {
            $($(#[$doc])* pub $field: $type,)+
            /// How often they were started anew.
            restarts: AtomicU32,
        }

        /// How many numbers there are.
        pub const NUMBERS: usize = 0 $(+ names!($shape $($name)?).len())+;

        impl Figures {
            /// The names of the numbers, in their order. A dot leads into an object.
            pub fn names() -> impl Iterator<Item = (&'static str, Shown)> {
                std::iter::empty()$(.chain(names!($shape $($name)?)))+
            }

            /// All numbers.
            pub fn numbers(&self) -> [f64; NUMBERS] {
                let mut numbers = [0.0; NUMBERS];
                let mut places = numbers.iter_mut();
                $(for (number, place) in numbers!($shape self $field $($($part)+)?).into_iter().zip(&mut places) {
                    *place = number;
                })+
                numbers
            }

            /// Starts anew: what was counted before is void, and so are the shares of it.
            pub fn clear(&self) {
                self.restarts.fetch_add(1, Ordering::Release);
                $(self.$field.clear();)+
            }
        }
    };
}

figures! {
    /// References that were created and not deleted.
    live: Derived, sum(strong, weak) => "references.liveCount";
    /// References with a count above 0.
    strong: Count, number => "references.strongCount";
    /// References with a count of 0.
    weak: Count, number => "references.weakCount";
    /// Of the weak ones, those whose object was collected.
    outlived: Count, number => "references.outlivedCount";
    /// References ever created.
    references: Count, number => "references.totalCount";
    /// References ever deleted.
    deleted: Count, number => "references.deletedCount";
    /// The sum of the counts of all references.
    count_sum: Count, number => "references.countSum";
    /// The highest count that a single reference ever had.
    highest: Count, number => "references.highestCount";
    /// `napi_wrap`.
    wraps: Things, things => "wraps";
    /// `napi_create_external`.
    externals: Things, things => "externals";
    /// `napi_create_external_arraybuffer`.
    external_array_buffers: Things, sized => "externalArrayBuffers";
    /// `napi_create_external_buffer`.
    external_buffers: Things, sized => "externalBuffers";
    /// `node_api_create_external_string_*`; any thread writes: Node 26 frees strings on another one.
    external_strings: Things, sized => "externalStrings";
    /// `node_api_create_external_sharedarraybuffer`; any thread writes.
    external_shared_array_buffers: Things, sized => "externalSharedArrayBuffers";
    /// `napi_create_buffer` and `_copy`; their end is seen on request only.
    buffers: Things, sized_on_request => "buffers";
    /// `napi_create_arraybuffer`; their end is seen on request only.
    array_buffers: Things, sized_on_request => "arrayBuffers";
    /// `napi_add_finalizer`: no figure of its own, as the finalizer and the reference count.
    finalizers: Things, hidden;
    /// The addon's own finalizers that have yet to run.
    finalizers_pending: Count, hidden;
    /// Those of external strings and SharedArrayBuffers; any thread writes.
    any_thread_finalizers_pending: Count, hidden;
    /// All of the addon's own finalizers that have yet to run.
    all_finalizers_pending: Derived, sum(finalizers_pending, any_thread_finalizers_pending) => "finalizers.pendingCount";
    /// Thread-safe functions; any thread writes.
    threadsafe_functions: Things, things => "threadsafeFunctions";
    /// `napi_create_promise`; settled ones have ended.
    deferreds: Things, unsettled => "deferreds";
    /// `napi_create_async_work`.
    async_works: Things, things => "asyncWorks";
    /// Asynchronous cleanup hooks; any thread writes.
    async_cleanup_hooks: Things, things => "asyncCleanupHooks";
    /// Whether the addon has set instance data.
    instance_data: Flag, flag => "instanceData";
    /// The net of `napi_adjust_external_memory`.
    adjusted: Signed, number => "adjustedExternalBytes";
    /// The lowest that it ever was.
    lowest_adjusted: Signed, number => "lowestAdjustedExternalBytes";
}

impl Figures {
    /// Notes a successful `napi_adjust_external_memory`.
    pub fn adjust(&self, change: i64) {
        let adjusted = self.adjusted.get().wrapping_add(change);
        self.adjusted.set(adjusted);
        if adjusted < self.lowest_adjusted.get() {
            self.lowest_adjusted.set(adjusted);
        }
    }
}

/// Figures for one thing that is counted in them and may end on any thread, or after its environment.
#[derive(Debug, Clone)]
pub struct FiguresShare {
    figures: Arc<Figures>,
    restarts: u32,
}

impl FiguresShare {
    /// For a thing that begins now.
    pub fn of(figures: &Arc<Figures>) -> Self {
        FiguresShare {
            figures: Arc::clone(figures),
            restarts: figures.restarts.load(Ordering::Acquire),
        }
    }

    /// The figures, unless they were started anew since: then the thing is counted no more.
    pub fn live(&self) -> Option<&Figures> {
        (self.figures.restarts.load(Ordering::Acquire) == self.restarts).then_some(&*self.figures)
    }

    /// Whether the thing is counted in these figures.
    pub fn is_of(&self, figures: &Arc<Figures>) -> bool {
        Arc::ptr_eq(&self.figures, figures)
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

kinds! {
    Wrap => wraps,
    External => externals,
    ExternalArrayBuffer => external_array_buffers,
    ExternalBuffer => external_buffers,
    Buffer => buffers,
    ArrayBuffer => array_buffers,
}

/// The kinds of things whose finalizers may run on any thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnyThreadKind {
    /// Counted in `external_strings`.
    ExternalString,
    /// Counted in `external_shared_array_buffers`.
    ExternalSharedArrayBuffer,
}

impl Figures {
    /// Where things of a kind are counted; by methods that any thread may call.
    pub fn of_any_thread(&self, kind: AnyThreadKind) -> &Things {
        match kind {
            AnyThreadKind::ExternalString => &self.external_strings,
            AnyThreadKind::ExternalSharedArrayBuffer => &self.external_shared_array_buffers,
        }
    }
}

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
        figures.instance_data.set();
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

    #[test]
    fn every_number_has_a_name_and_no_two_have_the_same() {
        let names: Vec<&str> = Figures::names().map(|(name, _)| name).collect();
        assert_eq!(names.len(), NUMBERS);
        let distinct: std::collections::HashSet<&str> = names.iter().copied().collect();
        assert_eq!(distinct.len(), NUMBERS);

        let figures = Figures::default();
        figures.weak.add(2);
        figures.any_thread_finalizers_pending.add(3);
        figures.finalizers_pending.add(4);
        figures.buffers.begin(5);
        figures.instance_data.set();
        let shown: Vec<(&str, f64)> = names
            .into_iter()
            .zip(figures.numbers())
            .filter(|(_, number)| *number != 0.0)
            .collect();
        assert_eq!(
            shown,
            [
                ("references.liveCount", 2.0),
                ("references.weakCount", 2.0),
                ("buffers.liveCount", 1.0),
                ("buffers.liveBytes", 5.0),
                ("buffers.totalCount", 1.0),
                ("buffers.totalBytes", 5.0),
                ("finalizers.pendingCount", 7.0),
                ("instanceData", 1.0),
            ]
        );
    }

    #[test]
    fn a_share_is_void_when_the_figures_start_anew() {
        let figures = Arc::new(Figures::default());
        let share = FiguresShare::of(&figures);
        share.live().expect("they are the same").strong.add(1);
        assert_eq!(figures.strong.get(), 1);
        figures.clear();
        assert!(share.live().is_none());
        assert!(FiguresShare::of(&figures).live().is_some());
        assert!(share.is_of(&figures) && !share.is_of(&Arc::new(Figures::default())));
    }
}
