//! The one watch that `watchAddons()` begins: which images are patched, until it ends.
//!
//! Knows: every image that was looked at, what was stored into it, or why it was refused.
//! Out of scope: what hooks count; how an image is judged (`image_kind.rs`) and patched (`patching.rs`).
//! Limitations: images that are mapped without the loader; pointers that an addon keeps on a heap (hooks pass on what
//! reaches them after the end of the watch).
//!
//! Order of locks: this file's, then the loader's list of images (inside `each_mapped`). The loader's big lock, which
//! `dlopen` holds while constructors run, is never waited for with this file's held.

#![forbid(unsafe_code)]

use std::time::Duration;

use once_cell::sync::Lazy;
use parking_lot::Mutex;

use super::functions::Function;
use super::image_kind::{self, AddonImage, Uses};
use super::plan::Write;
use super::slots::Protections;
use super::{environments, loader, moment, patching};
use crate::base::elf::images::{self, Mapped};
use crate::base::elf::reader::Image;
use crate::base::error::{Code, Failure};

/// By this symbol another copy of the package is recognized.
pub const MARKER: &str = "offheap_interposition";

/// What became of an image.
#[derive(Debug)]
enum Verdict {
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

/// An image that was looked at under this watch.
#[derive(Debug)]
struct SeenImage {
    name: Vec<u8>,
    base: usize,
    dynamic: usize,
    uses: Uses,
    verdict: Verdict,
    /// It was there before the watch began.
    late: bool,
}

#[derive(Debug)]
struct Watch {
    users: u32,
    images: Vec<SeenImage>,
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
    walked.map_err(|error| format!("the executable's import tables were refused: {error}"))?;
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
            || image_kind::is_c_library(&mapped.name)
            || image_kind::is_ours(mapped)
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
    patching::find_originals(executable).map_err(refused)?;
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
    let seen = std::mem::take(&mut watch.images);
    images::each_mapped(|mapped| {
        let Some(image) = seen.iter().find(|image| image.is(mapped)) else {
            return;
        };
        if let Verdict::Patched { writes, pointers } = &image.verdict {
            let uses_node_api = image.uses.is_node_api();
            patching::restore(mapped, writes, pointers, uses_node_api, &protections);
        }
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
    // Images that were loaded by something else than our hook (a name without `/`, `dlmopen`), or unloaded. Not while a thread is
    // opening one: a reading does not wait for somebody's constructors.
    if WATCH.lock().generation != images::generation() && !loader::is_opening() {
        scan(None);
    }
    let watch = WATCH.lock();
    let mut addons = Vec::new();
    for image in &watch.images {
        let Some(mut addon) = image_kind::describe(&image.name, image.uses) else {
            continue;
        };
        addon.loaded_at = loader::first_opened(&image.name);
        addon.late = image.late;
        match &image.verdict {
            Verdict::Refused(reason) => addon.refused = Some(reason.clone()),
            Verdict::Patched { pointers, .. } => {
                addon.pointers_missing = image.late && image.uses.looks_up() && pointers.is_empty();
            }
            Verdict::Ignored | Verdict::V8 => {}
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
        let earlier = std::mem::take(&mut watch.uses);
        images::each_mapped(|mapped| {
            let base = mapped.image.load_bias;
            let uses = earlier
                .iter()
                .find(|(name, at, _)| *at == base && *name == mapped.name)
                .map_or_else(
                    || image_kind::uses_of(mapped).unwrap_or_default(),
                    |earlier| earlier.2,
                );
            watch.uses.push((mapped.name.clone(), base, uses));
        });
    }
    watch
        .uses
        .iter()
        .filter_map(|(name, _, uses)| image_kind::describe(name, *uses))
        .collect()
}

impl SeenImage {
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
            outcome = patching::patch(mapped, &protections, |function| {
                function == Function::Dlopen
            })
            .map(|writes| {
                watch.images.push(SeenImage {
                    name: mapped.name.clone(),
                    base: mapped.image.load_bias,
                    dynamic: mapped.image.dynamic.0,
                    uses: Uses::default(),
                    verdict: Verdict::Patched {
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

/// Patches every addon that is not patched yet, `opened` among them.
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
    watch.images.retain(|image| {
        present
            .iter()
            .any(|(base, name)| *base == image.base && *name == image.name)
    });
    let patched = opened.is_some_and(|path| {
        watch
            .images
            .iter()
            .any(|image| image.name == path && matches!(image.verdict, Verdict::Patched { .. }))
    });
    drop(watch);
    if let (Some(path), true) = (opened, patched) {
        loader::note_opened(path);
    }
}

fn look_at(watch: &mut Watch, mapped: &Mapped, protections: &mut Option<Protections>, late: bool) {
    let place = watch.images.iter().position(|image| image.is(mapped));
    if let Some(image) = place.and_then(|place| watch.images.get(place)) {
        let settled = match &image.verdict {
            Verdict::Ignored | Verdict::V8 => true,
            Verdict::Refused(_) => false,
            // Unloaded and loaded again at the same place, its slots are new.
            Verdict::Patched { writes, .. } => writes
                .iter()
                .all(|write| mapped.word(write.addr) == Some(write.after)),
        };
        if settled {
            return;
        }
    }
    let mut image = SeenImage {
        name: mapped.name.clone(),
        base: mapped.image.load_bias,
        dynamic: mapped.image.dynamic.0,
        uses: Uses::default(),
        verdict: Verdict::Ignored,
        late: place
            .and_then(|place| watch.images.get(place))
            .map_or(late, |image| image.late),
    };
    if !image_kind::is_system(mapped) {
        (image.uses, image.verdict) = settle(mapped, protections, late);
    }
    match place.and_then(|place| watch.images.get_mut(place)) {
        Some(old) => {
            // A second look finds some slots hooked already: what they held stays known.
            if let (Verdict::Patched { writes: old, .. }, Verdict::Patched { writes, .. }) =
                (&old.verdict, &mut image.verdict)
            {
                let again: Vec<Write> = old
                    .iter()
                    .filter(|old| writes.iter().all(|write| write.addr != old.addr))
                    .filter(|old| mapped.word(old.addr) == Some(old.after))
                    .copied()
                    .collect();
                writes.extend(again);
            }
            *old = image;
        }
        None => watch.images.push(image),
    }
}

fn settle(mapped: &Mapped, protections: &mut Option<Protections>, late: bool) -> (Uses, Verdict) {
    let uses = match image_kind::uses_of(mapped) {
        Ok(uses) => uses,
        // Tables that are not understood, of an image that is most likely no addon.
        Err(_) => return (Uses::default(), Verdict::Ignored),
    };
    if uses.is_v8_only() {
        return (uses, Verdict::V8);
    }
    if !uses.is_node_api() {
        return (uses, Verdict::Ignored);
    }
    if protections.is_none() {
        match Protections::read() {
            Ok(read) => *protections = Some(read),
            Err(reason) => return (uses, Verdict::Refused(reason)),
        }
    }
    let Some(protections) = protections else {
        return (uses, Verdict::Ignored);
    };
    let writes = match patching::patch(mapped, protections, |_| true) {
        Ok(writes) => writes,
        Err(reason) => return (uses, Verdict::Refused(reason)),
    };
    let pointers = if late {
        patching::patch_pointers(mapped, &writes, protections)
    } else {
        Vec::new()
    };
    (uses, Verdict::Patched { writes, pointers })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_node_in_the_executable_there_is_nothing_to_watch() {
        let reason = unsupported_reason().expect("this executable is no Node");
        assert!(!reason.is_empty());
        assert!(!is_on());
    }
}
