//! What is to be done about one image: nothing, all of its slots, or a refusal with a reason. Never half of it.
//!
//! Knows: the names that an image imports, and what its slots hold.
//! Out of scope: how slots are read or written.
//! Limitations: calls that do not go through a slot (`dlsym`ed pointers on a heap).

#![forbid(unsafe_code)]

use super::functions::Function;

/// One import slot of a function that is hooked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Import {
    /// What is called through it.
    pub function: Function,
    /// Where it is.
    pub addr: usize,
    /// What it holds.
    pub current: usize,
}

/// One store, and how to undo it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Write {
    /// The slot; pointer-aligned and inside a segment.
    pub addr: usize,
    /// What it held.
    pub before: usize,
    /// The hook.
    pub after: usize,
}

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

/// What is known of one function.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Known {
    /// Where it really is; 0 when this Node does not have it.
    pub original: usize,
    /// What is to be called instead.
    pub hook: usize,
}

/// Where an address lies, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the image whose slot it is: the stub that looks the function up at the first call.
    OwnImage,
    /// In the node executable: its own function, or its stub for one of the C library.
    Node,
    /// In the C library or the loader's.
    CLibrary,
    /// Anywhere else.
    Elsewhere,
}

/// The stores that hook all of `imports`, or why the image is left alone.
///
/// Slots that hold our hook already are left out.
pub fn plan(
    imports: &[Import],
    known: impl Fn(Function) -> Known,
    place_of: impl Fn(usize) -> Place,
) -> Result<Vec<Write>, String> {
    let mut writes = Vec::with_capacity(imports.len());
    for import in imports {
        let Known { original, hook } = known(import.function);
        if import.current == hook || original == 0 {
            continue;
        }
        let understood = import.current == original
            || match place_of(import.current) {
                Place::OwnImage => true,
                // The loader's functions have several versions, and node a stub of its own for each.
                Place::Node | Place::CLibrary => !import.function.is_node_api(),
                Place::Elsewhere => false,
            };
        if !understood {
            return Err(format!(
                "its slot for {} holds something that is not Node's function: another tool has redirected it",
                import.function.name()
            ));
        }
        writes.push(Write {
            addr: import.addr,
            before: import.current,
            after: hook,
        });
    }
    Ok(writes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGINAL: usize = 0x40_0000;
    const HOOK: usize = 0x7000_0000;
    const OWN_STUB: usize = 0x5000;
    const STRANGER: usize = 0x6666_0000;

    fn known(_: Function) -> Known {
        Known {
            original: ORIGINAL,
            hook: HOOK,
        }
    }

    fn place_of(addr: usize) -> Place {
        match addr {
            OWN_STUB => Place::OwnImage,
            0x1000 => Place::CLibrary,
            0x2000 => Place::Node,
            _ => Place::Elsewhere,
        }
    }

    fn import(function: Function, addr: usize, current: usize) -> Import {
        Import {
            function,
            addr,
            current,
        }
    }

    #[test]
    fn bound_and_unbound_slots_are_written_and_hooked_ones_left() {
        let imports = [
            import(Function::Wrap, 8, ORIGINAL),
            import(Function::CreateReference, 16, OWN_STUB),
            import(Function::DeleteReference, 24, HOOK),
            import(Function::Dlsym, 32, 0x1000),
            import(Function::Dlopen, 40, 0x2000),
        ];
        let writes = plan(&imports, known, place_of).expect("a plan");
        assert_eq!(
            writes
                .iter()
                .map(|write| (write.addr, write.before, write.after))
                .collect::<Vec<_>>(),
            vec![
                (8, ORIGINAL, HOOK),
                (16, OWN_STUB, HOOK),
                (32, 0x1000, HOOK),
                (40, 0x2000, HOOK)
            ]
        );
    }

    #[test]
    fn one_slot_that_is_not_understood_refuses_the_whole_image() {
        for current in [STRANGER, 0x1000, 0x2000, 0] {
            let imports = [
                import(Function::CreateReference, 8, ORIGINAL),
                import(Function::DeleteReference, 16, current),
            ];
            let reason = plan(&imports, known, place_of).expect_err("a refusal");
            assert!(reason.contains("napi_delete_reference"), "{reason}");
        }
    }

    #[test]
    fn a_function_that_this_node_lacks_is_left_alone() {
        let lacking = |_| Known {
            original: 0,
            hook: HOOK,
        };
        assert_eq!(
            plan(&[import(Function::Wrap, 8, 0)], lacking, place_of),
            Ok(vec![])
        );
    }

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
}
