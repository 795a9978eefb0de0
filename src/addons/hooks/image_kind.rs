//! What an image is: an addon that uses Node-API, one that uses V8's C++ API, or neither.
//!
//! Knows: what an image imports and exports, and which images are the system's or our own.
//! Out of scope: what is stored into it.
//! Limitations: an addon is known by what it uses. One that looks up all of its functions, and exports none that registers it, is none.

#![forbid(unsafe_code)]

use crate::base::elf::images::Mapped;
use crate::base::elf::reader::ReadError;

/// What an image imports from Node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Uses {
    /// Node-API functions, hooked ones or others.
    pub node_api: bool,
    /// V8's or Node's own C++ functions.
    pub v8: bool,
    /// It exports the function that Node calls to register a Node-API addon.
    pub registers_node_api: bool,
    /// It exports, or calls, the one for an addon that uses V8's C++ API.
    pub registers_v8: bool,
}

impl Uses {
    /// Notes an imported name.
    pub fn import(&mut self, name: &[u8]) {
        if name.starts_with(b"napi_") || name.starts_with(b"node_api_") {
            self.node_api = true;
        } else if name.starts_with(b"_ZN2v8")
            || name.starts_with(b"_ZNK2v8")
            || name.starts_with(b"_ZN4node")
        {
            self.v8 = true;
        } else if name == b"node_module_register" {
            self.registers_v8 = true;
        }
    }

    /// Whether it calls Node-API functions, through slots or by `dlsym`.
    pub fn is_node_api(self) -> bool {
        self.node_api || self.registers_node_api
    }

    /// Whether it is an addon that has nothing to do with Node-API.
    pub fn is_v8_only(self) -> bool {
        !self.is_node_api() && (self.v8 || self.registers_v8)
    }

    /// Whether it looks its Node-API functions up itself.
    pub fn looks_up(self) -> bool {
        self.registers_node_api && !self.node_api
    }
}

/// What an addon is written against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// Node-API.
    NodeApi,
    /// V8's C++ API: nothing of it goes through functions that could be hooked.
    V8,
}

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

pub(super) fn describe(name: &[u8], uses: Uses) -> Option<AddonImage> {
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

pub(super) fn uses_of(mapped: &Mapped) -> Result<Uses, ReadError> {
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

fn file_name(name: &[u8]) -> &[u8] {
    name.rsplit(|&byte| byte == b'/').next().unwrap_or(name)
}

pub(super) fn is_c_library(name: &[u8]) -> bool {
    let name = file_name(name);
    [&b"libc.so"[..], b"libdl.so", b"ld-linux"]
        .iter()
        .any(|start| name.starts_with(start))
}

/// The C library, the loader, the vdso, and ourselves.
pub(super) fn is_system(mapped: &Mapped) -> bool {
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

pub(super) fn is_ours(mapped: &Mapped) -> bool {
    mapped.image.contains(is_ours as *const () as usize, 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::elf::images;

    #[test]
    fn addons_are_told_apart_by_what_they_import() {
        let mut c = Uses::default();
        c.import(b"napi_get_cb_info");
        let mut mixed = c;
        mixed.import(b"_ZN2v87Isolate10GetCurrentEv");
        let mut v8 = Uses::default();
        v8.import(b"_ZNK2v85Value6IsTrueEv");
        let rust = Uses {
            registers_node_api: true,
            ..Uses::default()
        };
        let mut library = Uses::default();
        library.import(b"malloc");

        assert!(c.is_node_api() && !c.looks_up() && !c.is_v8_only());
        assert!(mixed.is_node_api() && mixed.v8 && !mixed.is_v8_only());
        assert!(v8.is_v8_only() && !v8.is_node_api());
        assert!(rust.is_node_api() && rust.looks_up());
        assert!(!library.is_node_api() && !library.is_v8_only());
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
}
