//! The values that lib/external/pending-batch.js holds until they are counted. `[unsafe]`
//!
//! Knows: where the figures of the batch are (three typed arrays that JavaScript writes), and how the batch is taken over.
//! Duties: the arrays are read only as long as the object that holds them is held, and on JavaScript's thread alone.
//! Out of scope: when a batch is taken over; JavaScript decides.
//! Limitations: [`CAPACITY`] values.

use std::cell::Cell;

use super::raw::{self, Env, Value};
use super::references::{References, StrongReference};
use super::registry::{Ends, Record, ADDRESS_CHAIN_LIMIT};
use super::tracked_values::{ticket_address, TrackedValues};
use crate::base::ledger::{Entry, Key, Run, NONE};

/// How many values a batch has room for.
pub(crate) const CAPACITY: usize = 64;

/// Stands in the place of a ticket: the engine identifies the object.
pub(crate) const BY_ENGINE: f64 = -2.0;

/// Written in the place of a ticket: its address cannot tell this view from others.
const REFUSED: f64 = -1.0;

/// What identifies a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Identity {
    /// The address of the view's first byte.
    Address,
    /// The engine: the number that a WeakMap uses as well.
    Engine,
    /// A number that JavaScript gave it.
    Ticket(u64),
}

impl Identity {
    #[inline]
    fn of(ticket: f64) -> Self {
        if ticket == 0.0 {
            Identity::Address
        } else if ticket == BY_ENGINE {
            Identity::Engine
        } else {
            Identity::Ticket(ticket as u64)
        }
    }
}

/// The batch of one thread.
#[derive(Debug)]
pub(super) struct PendingBatch {
    /// Holds the arrays that `figures` points into.
    object: StrongReference,
    figures: Figures,
}

impl PendingBatch {
    /// The batch that this object has: what lib/external/main-realm.js evaluates to.
    pub(super) fn of(env: Env, object: Value, references: &References) -> Option<Self> {
        let bytes = data(env, object, "bytes", CAPACITY + 1)?.cast();
        let keys = data(env, object, "keys", CAPACITY)?.cast();
        let tickets = data(env, object, "tickets", CAPACITY)?.cast();
        let object = references.hold(env, object)?;
        // SAFETY: `data` has checked the lengths. The object holds the arrays, `PendingBatch` holds the object as long as it has
        // the figures, and nobody can transfer ArrayBuffers that only lib/external/ can reach. Only native functions of this
        // thread use them.
        let figures = unsafe { Figures::new(bytes, keys, tickets) };
        Some(PendingBatch { object, figures })
    }

    /// The object that it belongs to.
    pub(super) fn object(&self) -> &StrongReference {
        &self.object
    }

    /// Gives up the figures, and the object with them.
    pub(super) fn into_object(self) -> StrongReference {
        self.object
    }

    /// Counts the values of the batch, with the figures beside them. A value that is known already takes the new label and
    /// byteLength. Whether there were views that their address cannot tell from others; their tickets are set to −1.
    pub(super) fn take_over(&self, env: Env, values: &[Value], tracked: &TrackedValues) -> bool {
        let Some(owner) = tracked.owner_place(env) else {
            return false;
        };
        let figures = self.figures;
        let count = figures.count();
        let mut addresses = [0; CAPACITY];
        for ((place, value), address) in values
            .iter()
            .enumerate()
            .take(count)
            .zip(addresses.iter_mut())
        {
            let found = match figures.read(place) {
                Some((_, Identity::Ticket(ticket))) => Some(ticket_address(ticket)),
                Some((_, Identity::Engine)) => tracked.identity_address(env, *value),
                Some((_, Identity::Address)) => raw::address_of(env, *value),
                None => None,
            };
            *address = found.unwrap_or(0);
        }
        // All look-ups at once: each misses the cache, and the processor waits for all of them together.
        tracked.touch(addresses.get(..count).unwrap_or_default());
        let mut run = Run::default();
        let mut undecided = false;
        for ((place, value), address) in values.iter().enumerate().take(count).zip(addresses) {
            let Some((entry, identity)) = figures.read(place) else {
                break;
            };
            if address == 0 {
                figures.refuse(place);
                undecided = true;
                continue;
            }
            if tracked.knows_address(address) {
                match tracked.find(env, *value, address) {
                    (Some(id), _) => {
                        tracked.count(run.take());
                        let label = (entry.label != NONE).then_some(entry.label);
                        tracked.change(id, Some(entry.bytes), label, None);
                        continue;
                    }
                    (None, neighbours)
                        if identity == Identity::Address && neighbours >= ADDRESS_CHAIN_LIMIT =>
                    {
                        figures.refuse(place);
                        undecided = true;
                        continue;
                    }
                    _ => {}
                }
            }
            let record = |handle| Record {
                entry,
                handle,
                address,
                owner,
                ends: Ends::WithItsValue,
            };
            if tracked.insert(env, *value, record).is_some() && !run.extend(entry) {
                tracked.count(run.take());
                run.extend(entry);
            }
        }
        tracked.count(run.take());
        undecided
    }

    /// Counts what a worker that was terminated in the middle of a job has left here: tracked, and gone.
    pub(super) fn count_lost(&self, tracked: &TrackedValues) {
        self.figures.count_lost(tracked);
    }
}

/// Where the numbers of `object[name]`, a typed array of `length`, are.
fn data(env: Env, object: Value, name: &str, length: usize) -> Option<*mut std::ffi::c_void> {
    let array = raw::property(env, object, name)?;
    let (found, data) = raw::typed_array(env, array)?;
    (found == length && !data.is_null()).then_some(data)
}

/// The bytes of the three arrays, which JavaScript changes between our calls, hence the cells.
#[derive(Debug, Clone, Copy)]
struct Figures {
    bytes: *const [Cell<f64>; CAPACITY + 1],
    keys: *const [Cell<u32>; CAPACITY],
    tickets: *const [Cell<f64>; CAPACITY],
}

impl Figures {
    /// # Safety
    ///
    /// - The three arrays stay where they are as long as a copy of this is used.
    /// - It is used on JavaScript's thread alone, so that nobody writes meanwhile.
    unsafe fn new(
        bytes: *const [Cell<f64>; CAPACITY + 1],
        keys: *const [Cell<u32>; CAPACITY],
        tickets: *const [Cell<f64>; CAPACITY],
    ) -> Self {
        Figures {
            bytes,
            keys,
            tickets,
        }
    }

    /// How many values there are: the last of `bytes`.
    fn count(self) -> usize {
        // SAFETY: the promise of whoever called `new`.
        let bytes = unsafe { &*self.bytes };
        bytes
            .last()
            .map_or(0, |count| count.get() as usize)
            .min(CAPACITY)
    }

    /// What a value is to be counted as, and what identifies it.
    #[inline]
    fn read(self, place: usize) -> Option<(Entry, Identity)> {
        // SAFETY: as in `count`.
        let bytes = unsafe { &*self.bytes };
        // SAFETY: as in `count`.
        let keys = unsafe { &*self.keys };
        // SAFETY: as in `count`.
        let tickets = unsafe { &*self.tickets };
        let packed = keys.get(place)?.get();
        let entry = Entry {
            bytes: bytes.get(place)?.get() as u64,
            label: Key::from_u32(packed & 0xFFFF),
            route: Key::from_u32(packed >> 16),
        };
        Some((entry, Identity::of(tickets.get(place)?.get())))
    }

    /// Marks a value that could not be counted by its address.
    fn refuse(self, place: usize) {
        // SAFETY: as in `count`.
        let tickets = unsafe { &*self.tickets };
        if let Some(ticket) = tickets.get(place) {
            ticket.set(REFUSED);
        }
    }

    fn count_lost(self, tracked: &TrackedValues) {
        for place in 0..self.count() {
            if let Some((entry, _)) = self.read(place) {
                tracked.count(Run::of(entry));
                tracked.uncount(Run::of(entry));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::process::label_key;
    use super::*;
    use crate::base::ledger::Ledger;

    #[test]
    fn what_a_terminated_worker_left_in_its_batch_was_counted_and_is_gone() {
        let bytes: [Cell<f64>; CAPACITY + 1] = std::array::from_fn(|_| Cell::new(0.0));
        let keys: [Cell<u32>; CAPACITY] = std::array::from_fn(|_| Cell::new(0));
        let tickets: [Cell<f64>; CAPACITY] = std::array::from_fn(|_| Cell::new(0.0));
        let label = label_key("lost");
        for (place, length) in [100.0, 2_000.0].into_iter().enumerate() {
            bytes[place].set(length);
            keys[place].set(label.as_u32());
        }
        bytes[CAPACITY].set(2.0);
        let tracked = TrackedValues::new(Default::default());
        // SAFETY: the arrays outlive the use of them, on this thread alone.
        let figures = unsafe { Figures::new(&bytes, &keys, &tickets) };
        figures.count_lost(&tracked);
        let tally = tracked.with_ledger(Ledger::overall);
        assert_eq!(
            (tally.live_bytes, tally.total_bytes, tally.total_count),
            (0, 2_100, 2)
        );

        // More than there is room for is what a broken count says.
        bytes[CAPACITY].set(1e9);
        assert_eq!(figures.count(), CAPACITY);
        figures.refuse(1);
        figures.refuse(CAPACITY);
        assert_eq!((tickets[0].get(), tickets[1].get()), (0.0, -1.0));
        assert_eq!(figures.read(CAPACITY), None);
    }
}
