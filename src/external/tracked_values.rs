//! The tracked values of one thread: a record, a weak reference and an entry in two ledgers for each. `[unsafe]`
//!
//! Knows: how a value is found again, what it is counted as, and when that ends.
//! Duties:
//! - A record's handle belongs to the Node-API environment that the record names, and is deleted when the record leaves the registry.
//! - No `RefCell` is borrowed across a call that can run JavaScript or a finalizer.
//!
//! Out of scope: how a collection is noticed (`sentinels`), and how values get here (`pending_batch`, `native_block`).
//! Limitations: one thread; a value without an address of its own is found by the engine's identity hash, or by its ticket (lib/external/identity.js).
//!
//! The *sweep* looks which weak references have become empty, and stops counting their values.

use std::cell::RefCell;
use std::ptr;
use std::rc::Rc;

use once_cell::sync::OnceCell;

use super::process::{self, label_name, route_name};
use super::raw::{self, Env, HandleScope, Value};
use super::references::References;
use super::registry::{Ends, Record, RecordId, Registry};
use crate::base::ledger::{Entry, Key, Ledger, Run, NONE};

/// After how many records a sweep opens a new handle scope: each live value takes a handle, and a million of them 8 MB.
const RECORDS_PER_SCOPE: usize = 1_024;

/// Called when an observed value is collected, on its own thread, with the registry borrowed: it must not call this room.
static OBSERVER: OnceCell<fn(u64)> = OnceCell::new();

/// Sets what is called at the deaths of observed values, once for the process.
pub fn set_observer(observer: fn(u64)) {
    let _ = OBSERVER.set(observer);
}

fn tell_observer(number: u64) {
    if let Some(observer) = OBSERVER.get() {
        observer(number);
    }
}

/// What one JavaScript thread has tracked.
#[derive(Debug)]
pub struct TrackedValues {
    registry: RefCell<Registry>,
    ledger: RefCell<Ledger>,
    references: Rc<References>,
    /// The Node-API environments that loaded the addon on this thread, null for one that has ended; a record names its own by place.
    owners: RefCell<Vec<Env>>,
}

impl TrackedValues {
    pub(super) fn new(references: Rc<References>) -> Self {
        TrackedValues {
            registry: RefCell::new(Registry::new()),
            ledger: RefCell::new(Ledger::new()),
            references,
            owners: RefCell::new(Vec::new()),
        }
    }

    /// Reads this thread's ledger. The closure must not call into Node.
    pub fn with_ledger<T>(&self, read: impl FnOnce(&Ledger) -> T) -> T {
        read(&self.ledger.borrow())
    }

    /// Whether memory of `allocExternal` begins at this address.
    pub fn is_external(&self, address: usize) -> bool {
        let registry = self.registry.borrow();
        let mut records = registry.at_address(address);
        address != 0 && records.any(|(_, record)| record.ends == Ends::WithItsMemory)
    }

    /// The label and the route of the newest record at this address.
    pub fn names_at(&self, address: usize) -> Option<(String, String)> {
        let registry = self.registry.borrow();
        let (_, record) = registry.at_address(address).next()?;
        (address != 0).then(|| {
            (
                label_name(record.entry.label),
                route_name(record.entry.route),
            )
        })
    }

    /// The label and the route of a record, if it is still there.
    pub fn names_of(&self, id: RecordId) -> Option<(String, String)> {
        let entry = self.registry.borrow().get(id)?.entry;
        Some((label_name(entry.label), route_name(entry.route)))
    }

    /// Bytes of our own that the records take, besides a weak reference of Node's for each.
    pub fn record_bytes(&self) -> usize {
        self.registry.borrow().capacity_bytes() + self.references.capacity_bytes()
    }

    /// Whether there is no record, and no memory for any: two major collections after the last one.
    pub(super) fn is_without_memory(&self) -> bool {
        self.record_bytes() == 0
    }

    /// How many places of the table are still to be looked at.
    pub fn pending_places(&self) -> usize {
        self.registry.borrow().pending()
    }

    /// Whether there is no record.
    pub(super) fn is_empty(&self) -> bool {
        self.registry.borrow().is_empty()
    }

    /// Whether there are records that minor sweeps do not look at.
    pub(super) fn has_old(&self) -> bool {
        self.registry.borrow().has_old()
    }

    /// Whether anything is indexed under this address.
    #[inline]
    pub(super) fn knows_address(&self, address: usize) -> bool {
        self.registry.borrow().knows_address(address)
    }

    /// Brings what [`TrackedValues::knows_address`] looks at into the cache.
    #[inline]
    pub(super) fn touch(&self, addresses: &[usize]) {
        self.registry.borrow().touch(addresses);
    }

    /// Counts a record as something else from now on; parts that are `None` stay. Whether the record was still there.
    pub fn change(
        &self,
        id: RecordId,
        bytes: Option<u64>,
        label: Option<Key>,
        route: Option<Key>,
    ) -> bool {
        let mut registry = self.registry.borrow_mut();
        let Some(from) = registry.get(id).map(|record| record.entry) else {
            return false;
        };
        let to = Entry {
            bytes: bytes.unwrap_or(from.bytes),
            label: label.unwrap_or(from.label),
            route: route.unwrap_or(from.route),
        };
        if to != from {
            registry.change(id, to);
            self.ledger.borrow_mut().change(from, to);
            process::change(from, to);
        }
        true
    }

    /// Stops counting a record. Whether it was still there.
    pub fn release(&self, id: RecordId) -> bool {
        let removed = self.registry.borrow_mut().remove(id);
        match removed {
            Some(record) => {
                if record.ends == Ends::Observed {
                    tell_observer(record.entry.bytes);
                } else {
                    self.uncount(Run::of(record.entry));
                }
                self.delete_handle(&record);
                true
            }
            None => false,
        }
    }

    /// Counts `value` from now on. `None` when Node gave no reference (no memory, environment ending): then the value is
    /// not counted, and nothing else happens.
    pub(super) fn add(
        &self,
        env: Env,
        value: Value,
        address: usize,
        entry: Entry,
        ends: Ends,
    ) -> Option<RecordId> {
        let owner = self.owner_place(env)?;
        let id = self.insert(env, value, |handle| Record {
            entry,
            handle,
            address,
            owner,
            ends,
        })?;
        self.count(Run::of(entry));
        Some(id)
    }

    /// Has the observer called with this number when `value` has been collected. It is in no ledger.
    pub(super) fn observe(&self, env: Env, value: Value, number: u64) -> Option<RecordId> {
        let owner = self.owner_place(env)?;
        let entry = Entry {
            bytes: number,
            label: NONE,
            route: NONE,
        };
        self.insert(env, value, |handle| Record {
            entry,
            handle,
            address: 0,
            owner,
            ends: Ends::Observed,
        })
    }

    /// Gives `value` a weak handle and a record, and counts nothing yet.
    #[inline]
    pub(super) fn insert(
        &self,
        env: Env,
        value: Value,
        record: impl FnOnce(usize) -> Record,
    ) -> Option<RecordId> {
        let handle = self.references.create_weak(env, value)?;
        let record = record(handle);
        let id = self.registry.borrow_mut().insert(record);
        if id.is_none() {
            self.delete_handle(&record);
        }
        id
    }

    /// Counts new entries.
    pub(super) fn count(&self, run: Run) {
        if run.count > 0 {
            self.ledger.borrow_mut().add_run(run);
            process::add_run(run);
        }
    }

    /// Stops counting entries.
    pub(super) fn uncount(&self, run: Run) {
        if run.count > 0 {
            self.ledger.borrow_mut().remove_run(run);
            process::remove_run(run);
        }
    }

    /// The record of this very value among those at `address`, and how many there are.
    pub(super) fn find(&self, env: Env, value: Value, address: usize) -> (Option<RecordId>, usize) {
        let registry = self.registry.borrow();
        let mut count = 0;
        for (id, record) in registry.at_address(address) {
            count += 1;
            if self.is_value_of(env, value, &record) {
                return (Some(id), count);
            }
        }
        (None, count)
    }

    /// The record that counts this view by its address.
    pub fn find_view(&self, env: Env, view: Value) -> Option<RecordId> {
        let address = raw::address_of(env, view).filter(|address| *address != 0)?;
        self.find(env, view, address).0
    }

    /// The record that counts this object by the identity that the engine gives it.
    pub fn find_object(&self, env: Env, object: Value) -> Option<RecordId> {
        let address = self.identity_address(env, object)?;
        self.find(env, object, address).0
    }

    /// Where the record of an object is indexed that the engine identifies. `None` where the engine is not a known one.
    #[inline]
    pub(super) fn identity_address(&self, env: Env, object: Value) -> Option<usize> {
        let hash = self.references.identity_hash(env, object)?;
        Some(identity_address(hash))
    }

    /// The record of the value with this ticket.
    pub fn find_ticket(&self, ticket: u64) -> Option<RecordId> {
        let registry = self.registry.borrow();
        let found = registry.at_address(ticket_address(ticket)).next();
        found.map(|(id, _)| id)
    }

    /// The record that counts this view, whose address was lost when its ArrayBuffer was detached. Looks at every record.
    pub fn find_detached(&self, env: Env, view: Value) -> Option<RecordId> {
        self.registry
            .borrow()
            .records()
            .filter(|(_, record)| record.address != 0)
            .find(|(_, record)| {
                let _scope = HandleScope::open(env);
                self.is_value_of(env, view, record)
            })
            .map(|(id, _)| id)
    }

    fn is_value_of(&self, env: Env, value: Value, record: &Record) -> bool {
        let owner = self.owner(record.owner);
        // SAFETY: `insert` took the handle from `create_weak` for this owner, which has not ended (`owner` gives null for one that
        // has); the record is in the registry, so its handle has not been deleted.
        !owner.is_null() && unsafe { References::is_of(env, record.handle, value) }
    }

    /// Whether the value of a record that is in the registry was collected. Opens no handle scope.
    #[inline]
    fn is_dead(&self, record: &Record) -> bool {
        let owner = self.owner(record.owner);
        // SAFETY: as in `is_value_of`.
        owner.is_null() || unsafe { References::is_dead(owner, record.handle) }
    }

    /// Deletes the handle of a record that has just left the registry.
    fn delete_handle(&self, record: &Record) {
        let env = self.owner(record.owner);
        if env.is_null() {
            return;
        }
        // SAFETY: as in `is_value_of`; the record has just left the registry, so that nobody finds its handle any more.
        unsafe { self.references.delete_weak(env, record.handle) };
    }

    fn owner(&self, place: u32) -> Env {
        self.owners
            .borrow()
            .get(place as usize)
            .copied()
            .unwrap_or(ptr::null_mut())
    }

    /// By what number the records of a Node-API environment name it.
    pub(super) fn owner_place(&self, env: Env) -> Option<u32> {
        let place = self
            .owners
            .borrow()
            .iter()
            .position(|known| *known == env)?;
        u32::try_from(place).ok()
    }

    /// A Node-API environment of this thread begins.
    pub(super) fn add_owner(&self, env: Env) {
        let mut owners = self.owners.borrow_mut();
        match owners.iter().position(|known| known.is_null()) {
            Some(place) => owners[place] = env,
            None => owners.push(env),
        }
    }

    /// Releases all records of a Node-API environment that is about to end: its values die with it.
    pub(super) fn release_all_of(&self, owner: u32) {
        let ended: Vec<RecordId> = {
            let registry = self.registry.borrow();
            registry
                .records()
                .filter(|(_, record)| record.owner == owner)
                .map(|(id, _)| id)
                .collect()
        };
        for id in ended {
            self.release(id);
        }
    }

    /// A Node-API environment that has no records any more is about to end.
    pub(super) fn remove_owner(&self, owner: u32) {
        if let Some(known) = self.owners.borrow_mut().get_mut(owner as usize) {
            *known = ptr::null_mut();
        }
    }

    /// Sweeps as much as one turn of the event loop should take.
    pub(super) fn sweep(&self, env: Env, after_major: bool) {
        self.sweeping(env, |registry, is_dead, removed| {
            registry.sweep(after_major, is_dead, removed);
        });
    }

    /// Goes on with a sweep, for at most this many places of the table.
    pub(super) fn sweep_on(&self, env: Env, places: usize) {
        self.sweeping(env, |registry, is_dead, removed| {
            registry.sweep_on(places, is_dead, removed);
        });
    }

    /// Lends a sweep what asks whether a value is dead, and what ends its record.
    fn sweeping(
        &self,
        env: Env,
        sweep: impl FnOnce(&mut Registry, &mut dyn FnMut(&Record) -> bool, &mut dyn FnMut(Record)),
    ) {
        let mut scope = HandleScope::open(env);
        let mut asked = 0usize;
        let mut run = Run::default();
        sweep(
            &mut self.registry.borrow_mut(),
            &mut |record| {
                asked += 1;
                if asked.is_multiple_of(RECORDS_PER_SCOPE) {
                    scope = HandleScope::reopen(scope.take(), env);
                }
                self.is_dead(record)
            },
            &mut |record| {
                self.delete_handle(&record);
                if record.ends == Ends::Observed {
                    tell_observer(record.entry.bytes);
                } else if !run.extend(record.entry) {
                    self.uncount(run.take());
                    run.extend(record.entry);
                }
            },
        );
        drop(scope);
        self.uncount(run);
        if self.registry.borrow().capacity_bytes() == 0 {
            self.references.give_back();
        }
    }
}

/// Where the record of a ticket is indexed: no address of a process is that high.
pub(super) fn ticket_address(ticket: u64) -> usize {
    (1 << 63) | (ticket << 6) as usize
}

/// Where the records of all objects with this identity hash are indexed: tickets are below 2^53, so no ticket has such an address.
fn identity_address(hash: u32) -> usize {
    (3 << 62) | (hash as usize) << 6
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::process::label_key;
    use super::*;

    /// No environment of Node's: a record of this owner has a handle that nobody deletes.
    const NOBODY: u32 = u32::MAX;

    pub(in super::super) fn entry(bytes: u64, label: &str) -> Entry {
        Entry {
            bytes,
            label: label_key(label),
            route: NONE,
        }
    }

    /// Counts a record as `add` does, without a value of Node's.
    pub(in super::super) fn count(
        values: &TrackedValues,
        entry: Entry,
        address: usize,
        ends: Ends,
    ) -> RecordId {
        let record = Record {
            entry,
            handle: 0,
            address,
            owner: NOBODY,
            ends,
        };
        let id = values.registry.borrow_mut().insert(record);
        values.count(Run::of(entry));
        id.expect("there is room")
    }

    pub(in super::super) fn live(values: &TrackedValues) -> (u64, u64) {
        values.with_ledger(|ledger| {
            let tally = ledger.overall();
            (tally.live_bytes, tally.live_count)
        })
    }

    #[test]
    fn a_record_is_counted_until_it_is_released_and_released_once() {
        let values = TrackedValues::new(Rc::default());
        let id = count(
            &values,
            entry(1_009, "released once"),
            0,
            Ends::WithItsValue,
        );
        assert_eq!(live(&values), (1_009, 1));
        assert!(values.change(id, Some(2_003), None, None));
        assert_eq!(live(&values), (2_003, 1));
        assert!(values.release(id));
        assert!(!values.release(id));
        assert!(!values.change(id, Some(1), None, None));
        assert_eq!(live(&values), (0, 0));
    }

    #[test]
    fn only_memory_of_ours_is_external() {
        let values = TrackedValues::new(Rc::default());
        count(&values, entry(10, "a value"), 0x1000, Ends::WithItsValue);
        count(&values, entry(10, "a block"), 0x2000, Ends::WithItsMemory);
        assert!(!values.is_external(0x1000));
        assert!(values.is_external(0x2000));
        assert!(!values.is_external(0));
        let names = values.names_at(0x2000).expect("it is counted");
        assert_eq!(names.0, "a block");
    }

    #[test]
    fn the_address_of_a_ticket_is_none_of_a_process() {
        // Addresses of a process are below 2^47, or 2^56 with five levels of pages.
        for ticket in [0, 1, (1 << 53) - 1] {
            assert!(ticket_address(ticket) >= 1 << 63);
        }
        assert_ne!(ticket_address(1), ticket_address(2));
        for hash in [0, 1, u32::MAX] {
            assert!(identity_address(hash) > ticket_address((1 << 53) - 1));
        }
        assert_ne!(identity_address(1), identity_address(2));
    }
}
