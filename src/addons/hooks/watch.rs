//! Which images are patched, from the beginning of a watch to its end.
//!
//! Knows: every image that was looked at, what was stored into it, or why it was refused.
//! Out of scope: what hooks count.
//! Limitations: images that are mapped without the loader; pointers that an addon keeps on a heap (hooks pass on what
//! reaches them after the end of the watch).
//!
//! Order of locks: this file's, then the loader's list of images (inside `each_mapped`). The loader's big lock, which
//! `dlopen` holds while constructors run, is never waited for with this file's held.

#![forbid(unsafe_code)]

use std::ffi::CString;
use std::time::Duration;

use once_cell::sync::Lazy;
use parking_lot::Mutex;

use super::functions::Function;
use super::plan::{self, Import, Place, Uses, Write};
use super::slots::{store_all, Protections, Store};
use super::{calls, environments, loader, moment, originals};
use crate::base::elf::images::{self, Mapped};
use crate::base::elf::reader::{Image, Refusal};
use crate::base::error::{Code, Failure};

/// By this symbol another copy of the package is recognized.
pub const MARKER: &str = "offheap_interposition";

/// What an addon is written against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// Node-API.
    NodeApi,
    /// V8's C++ API: nothing of it goes through functions that could be hooked.
    V8,
}

#[derive(Debug)]
enum State {
    /// Neither an addon nor part of one.
    Ignored,
    /// An addon that does not use Node-API.
    V8,
    /// All of its slots are patched.
    Patched {
        writes: Vec<Write>,
        /// Pointers that it had looked up before it was patched.
        pointers: Vec<Write>,
    },
    /// Left alone.
    Refused(String),
}

#[derive(Debug)]
struct Known {
    name: Vec<u8>,
    base: usize,
    dynamic: usize,
    uses: Uses,
    state: State,
    /// It was there before the watch began.
    late: bool,
}

#[derive(Debug)]
struct Watch {
    users: u32,
    images: Vec<Known>,
    /// When the images were last looked at.
    generation: (u64, u64),
    /// What images import, of those that were looked at while no watch was on.
    uses: Vec<(Vec<u8>, usize, Uses)>,
    unwatched_generation: (u64, u64),
}

/// Takes the lock of this file within `limit`.
pub fn hold_lock(limit: std::time::Duration) -> Option<Box<dyn crate::base::fork_lock::Held>> {
    crate::base::fork_lock::hold(&WATCH, limit)
}

static WATCH: Mutex<Watch> = Mutex::new(Watch {
    users: 0,
    images: Vec::new(),
    generation: (0, 0),
    uses: Vec::new(),
    unwatched_generation: (0, 0),
});

/// An image that is an addon, or part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddonImage {
    /// The name it was loaded under.
    pub path: Vec<u8>,
    /// What it is written against.
    pub api: Api,
    /// It uses V8's C++ API besides Node-API.
    pub also_v8: bool,
    /// When it was loaded under this watch, in milliseconds of the calendar.
    pub loaded_at: Option<u64>,
    /// It was there before the watch began.
    pub late: bool,
    /// Why it was not patched.
    pub refused: Option<String>,
    /// It looks functions up by itself, did so before the watch began, and where it keeps them was not found.
    pub pointers_missing: bool,
}

/// The executable, and the address of its slot for `dlopen`; looked for once.
static EXECUTABLE: Lazy<Result<(Image, usize), String>> = Lazy::new(find_executable);

fn find_executable() -> Result<(Image, usize), String> {
    let executable = images::executable().ok_or("the executable's image was not found")?;
    if !images::executable_is_node(&executable) {
        return Err(
            "Node-API is not in the executable itself (a Node that is linked to libnode.so?)"
                .into(),
        );
    }
    let mut slot = None;
    let mut walked = Ok(());
    images::each_mapped(|mapped| {
        if mapped.is_executable {
            walked = mapped.each_import(|name, addr| {
                if name == b"dlopen" {
                    slot = Some(addr?);
                }
                Ok(())
            });
        }
    });
    walked
        .map_err(|refusal| format!("the executable's import tables were refused ({refusal:?})"))?;
    let slot =
        slot.ok_or("the executable does not import dlopen through a slot (a static build?)")?;
    Ok((executable, slot))
}

/// Why there can be no watch in such a process, or nothing.
pub fn unsupported_reason() -> Option<String> {
    EXECUTABLE.as_ref().err().cloned()
}

/// Who has redirected node's `dlopen` before us, if anybody has.
pub fn refused_reason() -> Option<String> {
    let Ok((_, slot)) = EXECUTABLE.as_ref() else {
        return None;
    };
    if moment::is_on() {
        return None;
    }
    let mut current = None;
    images::each_mapped(|mapped| {
        if mapped.is_executable {
            current = mapped.word(*slot);
        }
    });
    let current = current?;
    let mut reason = None;
    images::each_mapped(|mapped| {
        if !mapped.image.contains(current, 1)
            || mapped.is_executable
            || is_c_library(&mapped.name)
            || is_ours(mapped)
        {
            return;
        }
        let name = String::from_utf8_lossy(&mapped.name).into_owned();
        reason = Some(if mapped.exports_any(&[MARKER]) == Ok(true) {
            format!("another copy of offheap is watching already: {name}")
        } else {
            format!("another tool has redirected dlopen: {name}")
        });
    });
    reason
}

/// Begins a watch, or joins the one that is on.
pub fn start() -> Result<(), Failure> {
    let refused = |reason: String| {
        Failure::new(
            Code::WatchRefused,
            format!("Addons cannot be watched: {reason}"),
        )
    };
    {
        let mut watch = WATCH.lock();
        if watch.users > 0 {
            watch.users += 1;
            return Ok(());
        }
    }
    // Not under the lock: these ask the loader.
    let (executable, _) = EXECUTABLE
        .as_ref()
        .map_err(|reason| Failure::new(Code::UnsupportedPlatform, reason.clone()))?;
    if let Some(reason) = refused_reason() {
        return Err(refused(reason));
    }
    find_originals(executable).map_err(refused)?;
    loader::when_opened(opened);
    {
        let mut watch = WATCH.lock();
        if watch.users > 0 {
            watch.users += 1;
            return Ok(());
        }
        watch.images.clear();
        patch_executable(&mut watch).map_err(refused)?;
        watch.users = 1;
        loader::forget_all_opened();
        moment::begin_watch();
    }
    scan(None);
    Ok(())
}

/// Finds where the functions really are; or why that is not possible. Nothing is patched yet, or no longer.
fn find_originals(executable: &Image) -> Result<(), String> {
    let (dlopen, dlsym) = loader::find_originals(|address| !executable.contains(address, 1))
        .ok_or("the C library's dlopen and dlsym were not found")?;
    for function in Function::ALL {
        let found = match function {
            Function::Dlopen => dlopen,
            Function::Dlsym => dlsym,
            _ => {
                let name = CString::new(function.name()).unwrap_or_default();
                let found = loader::global_symbol(&name);
                // Defined by something else than Node: another tool, by LD_PRELOAD.
                if found != 0 && !executable.contains(found, 1) {
                    return Err(format!(
                        "{} is not the node executable's own: another tool has redirected it",
                        function.name()
                    ));
                }
                found
            }
        };
        originals::set(*function, found, hook_of(*function));
    }
    Ok(())
}

fn hook_of(function: Function) -> usize {
    match function {
        Function::Dlopen => loader::dlopen_hook(),
        Function::Dlsym => loader::dlsym_hook(),
        _ => calls::address(function),
    }
}

/// Leaves the watch; the last one to leave ends it, and every slot that still holds our hook gets back what it held.
pub fn stop() {
    let mut watch = WATCH.lock();
    if watch.users == 0 {
        return;
    }
    watch.users -= 1;
    if watch.users > 0 {
        return;
    }
    environments::end_watch();
    let Ok(protections) = Protections::read() else {
        // What is still called passes everything on.
        return;
    };
    let known = std::mem::take(&mut watch.images);
    images::each_mapped(|mapped| {
        let Some(known) = known.iter().find(|known| known.is(mapped)) else {
            return;
        };
        let State::Patched { writes, pointers } = &known.state else {
            return;
        };
        let mut stores: Vec<Store> = writes
            .iter()
            .chain(pointers)
            .map(|write| Store {
                addr: write.addr,
                expected: write.after,
                value: write.before,
            })
            .collect();
        if known.uses.is_node_api() {
            stores.extend(
                find_pointers(mapped, |function| originals::known(function).hook)
                    .into_iter()
                    .filter(|(addr, _)| pointers.iter().all(|write| write.addr != *addr))
                    .map(|(addr, function)| {
                        let known = originals::known(function);
                        Store {
                            addr,
                            expected: known.hook,
                            value: known.original,
                        }
                    }),
            );
        }
        // What holds something else by now is somebody else's. What cannot be made writable passes everything on.
        let _ = store_all(mapped, &stores, &protections);
    });
}

/// Whether a watch is on.
pub fn is_on() -> bool {
    WATCH.lock().users > 0
}

/// A file was opened through our hook: patches what came with it, before anybody can call it.
fn opened(path: &[u8]) {
    scan(Some(path));
}

/// All addons among the images of this process.
pub fn addons() -> Vec<AddonImage> {
    if !is_on() {
        return unwatched_addons();
    }
    // Images that came through something else than our hook (a name without `/`, `dlmopen`), or went. Not while a thread is
    // opening one: a reading does not wait for somebody's constructors.
    if WATCH.lock().generation != images::generation() && !loader::is_opening() {
        scan(None);
    }
    let watch = WATCH.lock();
    let mut addons = Vec::new();
    for known in &watch.images {
        let Some(mut addon) = describe(&known.name, known.uses) else {
            continue;
        };
        addon.loaded_at = loader::first_opened(&known.name);
        addon.late = known.late;
        match &known.state {
            State::Refused(reason) => addon.refused = Some(reason.clone()),
            State::Patched { pointers, .. } => {
                addon.pointers_missing = known.late && known.uses.looks_up() && pointers.is_empty();
            }
            State::Ignored | State::V8 => {}
        }
        addons.push(addon);
    }
    addons
}

fn unwatched_addons() -> Vec<AddonImage> {
    let mut watch = WATCH.lock();
    let generation = images::generation();
    if watch.unwatched_generation != generation {
        watch.unwatched_generation = generation;
        let known = std::mem::take(&mut watch.uses);
        images::each_mapped(|mapped| {
            let base = mapped.image.load_bias;
            let uses = known
                .iter()
                .find(|(name, at, _)| *at == base && *name == mapped.name)
                .map_or_else(|| uses_of(mapped).unwrap_or_default(), |known| known.2);
            watch.uses.push((mapped.name.clone(), base, uses));
        });
    }
    watch
        .uses
        .iter()
        .filter_map(|(name, _, uses)| describe(name, *uses))
        .collect()
}

fn describe(name: &[u8], uses: Uses) -> Option<AddonImage> {
    let api = if uses.is_node_api() {
        Api::NodeApi
    } else if uses.is_v8_only() {
        Api::V8
    } else {
        return None;
    };
    Some(AddonImage {
        path: name.to_vec(),
        api,
        also_v8: api == Api::NodeApi && uses.v8,
        loaded_at: None,
        late: false,
        refused: None,
        pointers_missing: false,
    })
}

impl Known {
    fn is(&self, mapped: &Mapped) -> bool {
        self.base == mapped.image.load_bias
            && self.dynamic == mapped.image.dynamic.0
            && self.name == mapped.name
    }
}

fn patch_executable(watch: &mut Watch) -> Result<(), String> {
    let protections = Protections::read()?;
    let mut outcome = Err("the executable's image was not found".to_owned());
    images::each_mapped(|mapped| {
        if mapped.is_executable {
            // Node calls its own functions directly; of what it imports only `dlopen` leads to addons.
            outcome = patch(mapped, &protections, |function| {
                function == Function::Dlopen
            })
            .map(|writes| {
                watch.images.push(Known {
                    name: mapped.name.clone(),
                    base: mapped.image.load_bias,
                    dynamic: mapped.image.dynamic.0,
                    uses: Uses::default(),
                    state: State::Patched {
                        writes,
                        pointers: Vec::new(),
                    },
                    late: true,
                });
            });
        }
    });
    outcome
}

/// Patches every addon that is not, `opened` among them.
fn scan(opened: Option<&[u8]>) {
    // Only images that were listed before the wait: others may be half relocated, by a thread whose own `dlopen` will
    // look at them.
    let generation = images::generation();
    let mut listed = Vec::new();
    images::each_mapped(|mapped| listed.push((mapped.image.load_bias, mapped.name.clone())));
    loader::wait_for_others();

    // A probe's child may have been forked while another thread held the lock. It goes without.
    let Some(mut watch) = WATCH.try_lock_for(Duration::from_secs(5)) else {
        return;
    };
    if watch.users == 0 {
        return;
    }
    watch.generation = generation;
    let mut protections = None;
    let late = opened.is_none();
    let mut present = Vec::new();
    images::each_mapped(|mapped| {
        present.push((mapped.image.load_bias, mapped.name.clone()));
        let is_listed = listed
            .iter()
            .any(|(base, name)| *base == mapped.image.load_bias && *name == mapped.name);
        if is_listed && !mapped.is_executable {
            look_at(&mut watch, mapped, &mut protections, late);
        }
    });
    // Workers unload addons, and load them elsewhere.
    watch.images.retain(|known| {
        present
            .iter()
            .any(|(base, name)| *base == known.base && *name == known.name)
    });
    let patched = opened.is_some_and(|path| {
        watch
            .images
            .iter()
            .any(|known| known.name == path && matches!(known.state, State::Patched { .. }))
    });
    drop(watch);
    if let (Some(path), true) = (opened, patched) {
        loader::note_opened(path);
    }
}

fn look_at(watch: &mut Watch, mapped: &Mapped, protections: &mut Option<Protections>, late: bool) {
    let place = watch.images.iter().position(|known| known.is(mapped));
    if let Some(known) = place.and_then(|place| watch.images.get(place)) {
        let settled = match &known.state {
            State::Ignored | State::V8 => true,
            State::Refused(_) => false,
            // Unloaded and loaded again at the same place, its slots are new.
            State::Patched { writes, .. } => writes
                .iter()
                .all(|write| mapped.word(write.addr) == Some(write.after)),
        };
        if settled {
            return;
        }
    }
    let mut known = Known {
        name: mapped.name.clone(),
        base: mapped.image.load_bias,
        dynamic: mapped.image.dynamic.0,
        uses: Uses::default(),
        state: State::Ignored,
        late: place
            .and_then(|place| watch.images.get(place))
            .map_or(late, |known| known.late),
    };
    if !is_system(mapped) {
        (known.uses, known.state) = judge(mapped, protections, late);
    }
    match place.and_then(|place| watch.images.get_mut(place)) {
        Some(old) => {
            // A second look finds some slots hooked already: what they held stays known.
            if let (State::Patched { writes: old, .. }, State::Patched { writes, .. }) =
                (&old.state, &mut known.state)
            {
                let again: Vec<Write> = old
                    .iter()
                    .filter(|old| writes.iter().all(|write| write.addr != old.addr))
                    .filter(|old| mapped.word(old.addr) == Some(old.after))
                    .copied()
                    .collect();
                writes.extend(again);
            }
            *old = known;
        }
        None => watch.images.push(known),
    }
}

fn judge(mapped: &Mapped, protections: &mut Option<Protections>, late: bool) -> (Uses, State) {
    let uses = match uses_of(mapped) {
        Ok(uses) => uses,
        // Tables that are not understood, of an image that is most likely no addon.
        Err(_) => return (Uses::default(), State::Ignored),
    };
    if uses.is_v8_only() {
        return (uses, State::V8);
    }
    if !uses.is_node_api() {
        return (uses, State::Ignored);
    }
    if protections.is_none() {
        match Protections::read() {
            Ok(read) => *protections = Some(read),
            Err(reason) => return (uses, State::Refused(reason)),
        }
    }
    let Some(protections) = protections else {
        return (uses, State::Ignored);
    };
    let writes = match patch(mapped, protections, |_| true) {
        Ok(writes) => writes,
        Err(reason) => return (uses, State::Refused(reason)),
    };
    let mut pointers = Vec::new();
    if late {
        let stores: Vec<Store> = find_pointers(mapped, originals::address)
            .into_iter()
            .filter(|(addr, _)| writes.iter().all(|write| write.addr != *addr))
            .map(|(addr, function)| {
                let known = originals::known(function);
                Store {
                    addr,
                    expected: known.original,
                    value: known.hook,
                }
            })
            .collect();
        if store_all(mapped, &stores, protections).is_ok() {
            pointers.extend(stores.iter().map(|store| Write {
                addr: store.addr,
                before: store.expected,
                after: store.value,
            }));
        }
    }
    (uses, State::Patched { writes, pointers })
}

fn uses_of(mapped: &Mapped) -> Result<Uses, Refusal> {
    let mut uses = Uses::default();
    if mapped.is_executable || is_system(mapped) {
        return Ok(uses);
    }
    mapped.each_import(|name, _| {
        uses.import(name);
        Ok(())
    })?;
    uses.registers_node_api =
        mapped.exports_any(&["napi_register_module_v1", "napi_register_module_v0"])?;
    Ok(uses)
}

fn patch(
    mapped: &Mapped,
    protections: &Protections,
    wanted: impl Fn(Function) -> bool,
) -> Result<Vec<Write>, String> {
    let mut imports = Vec::new();
    let walked = mapped.each_import(|name, addr| {
        if let Some(function) = Function::named(name).filter(|function| wanted(*function)) {
            let addr = addr?;
            let current = mapped.word(addr).ok_or(Refusal::OutOfBounds)?;
            imports.push(Import {
                function,
                addr,
                current,
            });
        }
        Ok(())
    });
    walked.map_err(|refusal| format!("its import tables were refused ({refusal:?})"))?;
    let writes = plan::plan(&imports, originals::known, |addr| place_of(mapped, addr))?;
    let stores: Vec<Store> = writes
        .iter()
        .map(|write| Store {
            addr: write.addr,
            expected: write.before,
            value: write.after,
        })
        .collect();
    store_all(mapped, &stores, protections)?;
    Ok(writes)
}

fn place_of(mapped: &Mapped, addr: usize) -> Place {
    if mapped.image.contains(addr, 1) {
        return if mapped.is_executable {
            Place::Node
        } else {
            Place::OwnImage
        };
    }
    let mut place = Place::Elsewhere;
    images::each_mapped(|other| {
        if other.image.contains(addr, 1) {
            if other.is_executable {
                place = Place::Node;
            } else if is_c_library(&other.name) {
                place = Place::CLibrary;
            }
        }
    });
    place
}

/// Aligned words of the writable segments that hold one of the addresses that `address_of` gives.
fn find_pointers(
    mapped: &Mapped,
    address_of: impl Fn(Function) -> usize,
) -> Vec<(usize, Function)> {
    let mut wanted: Vec<(usize, Function)> = Function::ALL
        .iter()
        .filter(|function| function.is_node_api())
        .map(|function| (address_of(*function), *function))
        .filter(|(address, _)| *address != 0)
        .collect();
    wanted.sort_unstable_by_key(|(address, _)| *address);
    let (Some(lowest), Some(highest)) = (wanted.first(), wanted.last()) else {
        return Vec::new();
    };
    let range = lowest.0..=highest.0;
    let mut found = Vec::new();
    for (start, end) in &mapped.writable {
        let mut addr = start.next_multiple_of(8);
        while addr + 8 <= *end {
            if let Some(word) = mapped.word(addr).filter(|word| range.contains(word)) {
                if let Ok(place) = wanted.binary_search_by_key(&word, |(address, _)| *address) {
                    if let Some((_, function)) = wanted.get(place) {
                        found.push((addr, *function));
                    }
                }
            }
            addr += 8;
        }
    }
    found
}

fn file_name(name: &[u8]) -> &[u8] {
    name.rsplit(|&byte| byte == b'/').next().unwrap_or(name)
}

fn is_c_library(name: &[u8]) -> bool {
    let name = file_name(name);
    [&b"libc.so"[..], b"libdl.so", b"ld-linux"]
        .iter()
        .any(|start| name.starts_with(start))
}

/// The C library, the loader, the vdso, and ourselves.
fn is_system(mapped: &Mapped) -> bool {
    let name = file_name(&mapped.name);
    is_c_library(name)
        || name.is_empty()
        || name.starts_with(b"linux-vdso")
        || [
            &b"libpthread.so"[..],
            b"libm.so",
            b"librt.so",
            b"libgcc_s.so",
            b"libstdc++.so",
        ]
        .iter()
        .any(|start| name.starts_with(start))
        || is_ours(mapped)
}

fn is_ours(mapped: &Mapped) -> bool {
    mapped.image.contains(scan as *const () as usize, 1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_function_has_a_hook_of_its_own() {
        let hooks: HashSet<usize> = Function::ALL.iter().map(|one| hook_of(*one)).collect();
        assert_eq!(hooks.len(), Function::ALL.len());
        assert!(!hooks.contains(&0));
    }

    #[test]
    fn the_c_library_is_known_by_its_file_wherever_it_lies() {
        for name in [
            "/usr/lib/x86_64-linux-gnu/libc.so.6",
            "libdl.so.2",
            "/lib64/ld-linux-x86-64.so.2",
        ] {
            assert!(is_c_library(name.as_bytes()), "{name}");
        }
        for name in ["/opt/libc.so.d/addon.node", "libcairo.so.2", "", "/"] {
            assert!(!is_c_library(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn an_image_is_an_addon_by_what_it_uses() {
        let described = |uses: Uses| {
            describe(b"/a.node", uses).map(|image| (image.api == Api::NodeApi, image.also_v8))
        };
        assert_eq!(described(Uses::default()), None);
        let both = Uses {
            node_api: true,
            registers_node_api: true,
            v8: true,
            ..Uses::default()
        };
        assert_eq!(described(both), Some((true, true)));
        let v8 = Uses {
            v8: true,
            registers_v8: true,
            ..Uses::default()
        };
        assert_eq!(described(v8), Some((false, false)));
    }

    #[test]
    fn of_the_images_of_this_process_the_systems_and_our_own_are_left_alone() {
        let mut seen = 0;
        images::each_mapped(|mapped| {
            if mapped.is_executable || is_system(mapped) {
                seen += 1;
                let uses = uses_of(mapped).expect("it is not looked into");
                assert!(!uses.is_node_api() && !uses.is_v8_only());
            }
        });
        assert!(
            seen >= 3,
            "the executable, the C library, the loader: {seen}"
        );
    }

    #[test]
    fn without_node_in_the_executable_there_is_nothing_to_watch() {
        let reason = unsupported_reason().expect("this executable is no Node");
        assert!(!reason.is_empty());
        assert!(!is_on());
    }
}
