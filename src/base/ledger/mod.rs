//! Live, total and peak tallies by key.
//!
//! Knows: how many bytes and how many things are counted under each key, now, ever, and at most.
//! Out of scope: napi, threads, or what a thing is. One [`Ledger`] belongs to one environment, another to the process.
//! Limitations: counts saturate instead of wrapping; keys are small integers that an [`Interner`] gave out.
//! Next: `external` writes here; `bindings::external` reads.

#![forbid(unsafe_code)]

mod interner;
mod tally;

pub use interner::{Interner, Key, FOLDED, NONE};
pub use tally::Tally;

/// What one entry is counted under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Bytes that the entry stands for.
    pub bytes: u64,
    /// Its label.
    pub label: Key,
    /// The route that was being served when it was counted.
    pub route: Key,
}

/// Entries in a row with the same keys, to be counted in one go.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Bytes of all of them.
    pub bytes: u64,
    /// How many there are.
    pub count: u64,
    label: Key,
    route: Key,
}

impl Default for Run {
    fn default() -> Self {
        Run {
            bytes: 0,
            count: 0,
            label: NONE,
            route: NONE,
        }
    }
}

impl Run {
    /// A run of one.
    pub fn of(entry: Entry) -> Self {
        Run {
            bytes: entry.bytes,
            count: 1,
            label: entry.label,
            route: entry.route,
        }
    }

    /// Adds an entry if it has the keys of the others (or is the first). Whether it did.
    #[inline]
    pub fn extend(&mut self, entry: Entry) -> bool {
        if self.count == 0 {
            *self = Run::of(entry);
            return true;
        }
        let same = self.label == entry.label && self.route == entry.route;
        if same {
            self.bytes = self.bytes.saturating_add(entry.bytes);
            self.count += 1;
        }
        same
    }

    /// The run so far; an empty one stays.
    pub fn take(&mut self) -> Run {
        std::mem::take(self)
    }
}

/// Tallies overall, by label and by route. Each entry is in exactly one label and one route, so that the labels
/// add up to the whole, and the routes too.
#[derive(Debug, Default)]
pub struct Ledger {
    overall: Tally,
    labels: Vec<Tally>,
    routes: Vec<Tally>,
}

impl Ledger {
    /// An empty ledger.
    pub const fn new() -> Self {
        Ledger {
            overall: Tally::new(),
            labels: Vec::new(),
            routes: Vec::new(),
        }
    }

    /// Counts new entries.
    pub fn add_run(&mut self, run: Run) {
        self.overall.add(run.bytes, run.count);
        slot(&mut self.labels, run.label).add(run.bytes, run.count);
        slot(&mut self.routes, run.route).add(run.bytes, run.count);
    }

    /// Takes live entries out: they were released, or are no longer to be counted. Totals and peaks stay.
    pub fn remove_run(&mut self, run: Run) {
        self.overall.remove(run.bytes, run.count);
        slot(&mut self.labels, run.label).remove(run.bytes, run.count);
        slot(&mut self.routes, run.route).remove(run.bytes, run.count);
    }

    /// Counts a live entry as `to` from now on. Totals move with it, so that labels still add up to the whole;
    /// the peaks of the keys it leaves stay, because it was live there.
    pub fn change(&mut self, from: Entry, to: Entry) {
        self.overall.retract(from.bytes, 1);
        self.overall.add(to.bytes, 1);
        slot(&mut self.labels, from.label).retract(from.bytes, 1);
        slot(&mut self.labels, to.label).add(to.bytes, 1);
        slot(&mut self.routes, from.route).retract(from.bytes, 1);
        slot(&mut self.routes, to.route).add(to.bytes, 1);
    }

    /// The tally of everything.
    pub fn overall(&self) -> Tally {
        self.overall
    }

    /// The tally of each label that ever counted anything, by key.
    pub fn labels(&self) -> impl Iterator<Item = (Key, Tally)> + '_ {
        used(&self.labels)
    }

    /// The tally of each route that ever counted anything, by key.
    pub fn routes(&self) -> impl Iterator<Item = (Key, Tally)> + '_ {
        used(&self.routes)
    }
}

fn slot(tallies: &mut Vec<Tally>, key: Key) -> &mut Tally {
    let index = key.index();
    if index >= tallies.len() {
        tallies.resize(index + 1, Tally::new());
    }
    &mut tallies[index]
}

fn used(tallies: &[Tally]) -> impl Iterator<Item = (Key, Tally)> + '_ {
    tallies
        .iter()
        .enumerate()
        .filter(|(_, tally)| tally.total_count > 0 || tally.peak_count > 0)
        .map(|(index, tally)| (Key::from_index(index), *tally))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(bytes: u64, label: usize, route: usize) -> Entry {
        Entry {
            bytes,
            label: Key::from_index(label),
            route: Key::from_index(route),
        }
    }

    fn sums(ledger: &Ledger) -> [(u64, u64, u64, u64); 3] {
        let sum = |tallies: Vec<(Key, Tally)>| {
            tallies.iter().fold((0, 0, 0, 0), |sum, (_, tally)| {
                (
                    sum.0 + tally.live_bytes,
                    sum.1 + tally.live_count,
                    sum.2 + tally.total_bytes,
                    sum.3 + tally.total_count,
                )
            })
        };
        let whole = ledger.overall();
        [
            (
                whole.live_bytes,
                whole.live_count,
                whole.total_bytes,
                whole.total_count,
            ),
            sum(ledger.labels().collect()),
            sum(ledger.routes().collect()),
        ]
    }

    #[test]
    fn labels_and_routes_each_add_up_to_the_whole() {
        let mut ledger = Ledger::new();
        ledger.add_run(Run::of(entry(1_234, 1, 0)));
        ledger.add_run(Run::of(entry(567, 2, 1)));
        ledger.add_run(Run::of(entry(89, 1, 1)));
        ledger.remove_run(Run::of(entry(567, 2, 1)));
        ledger.change(entry(89, 1, 1), entry(100, 3, 1));

        assert_eq!(sums(&ledger), [(1_334, 2, 1_901, 3); 3]);
    }

    #[test]
    fn an_entry_that_changes_its_label_takes_its_totals_along_and_leaves_the_peak() {
        let mut ledger = Ledger::new();
        ledger.add_run(Run::of(entry(1_000, 1, 0)));
        ledger.change(entry(1_000, 1, 0), entry(1_000, 2, 0));

        let labels: Vec<_> = ledger.labels().map(|(_, tally)| tally).collect();
        assert_eq!(
            (
                labels[0].live_bytes,
                labels[0].total_bytes,
                labels[0].peak_bytes
            ),
            (0, 0, 1_000)
        );
        assert_eq!(
            (
                labels[1].live_bytes,
                labels[1].total_bytes,
                labels[1].peak_bytes
            ),
            (1_000, 1_000, 1_000)
        );
        assert_eq!(ledger.overall().peak_bytes, 1_000);
        assert_eq!(ledger.overall().total_count, 1);
    }

    #[test]
    fn a_run_counts_as_its_entries_one_by_one() {
        let entries = [(10, 1, 0), (20, 1, 0), (30, 1, 2), (40, 1, 2), (50, 3, 2)];
        let (mut one_by_one, mut in_runs) = (Ledger::new(), Ledger::new());
        let mut run = Run::default();
        for (bytes, label, route) in entries {
            one_by_one.add_run(Run::of(entry(bytes, label, route)));
            if !run.extend(entry(bytes, label, route)) {
                in_runs.add_run(run.take());
                run.extend(entry(bytes, label, route));
            }
        }
        in_runs.add_run(run.take());

        assert_eq!(run.count, 0);
        assert_eq!(in_runs.overall(), one_by_one.overall());
        assert!(in_runs.labels().eq(one_by_one.labels()));
        assert!(in_runs.routes().eq(one_by_one.routes()));
    }

    #[test]
    fn a_key_that_never_counted_anything_is_not_listed() {
        let mut ledger = Ledger::new();
        ledger.add_run(Run::of(entry(7, 5, 0)));

        let keys: Vec<usize> = ledger.labels().map(|(key, _)| key.index()).collect();
        assert_eq!(keys, [5]);
    }
}
