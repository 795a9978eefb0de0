//! What is to be done about one image: nothing, all of its slots, or a refusal with a reason. Never half of it.
//!
//! Knows: the names that an image imports, and what its slots hold.
//! Out of scope: how slots are read or written.
//! Limitations: calls that do not go through a slot (`dlsym`ed pointers on a heap).

#![forbid(unsafe_code)]

use super::functions::Function;
use super::originals::Replacement;

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
    replacement_of: impl Fn(Function) -> Replacement,
    place_of: impl Fn(usize) -> Place,
) -> Result<Vec<Write>, String> {
    let mut writes = Vec::with_capacity(imports.len());
    for import in imports {
        let Replacement { original, hook } = replacement_of(import.function);
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

    fn replacement_of(_: Function) -> Replacement {
        Replacement {
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
        let writes = plan(&imports, replacement_of, place_of).expect("a plan");
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
            let reason = plan(&imports, replacement_of, place_of).expect_err("a refusal");
            assert!(reason.contains("napi_delete_reference"), "{reason}");
        }
    }

    #[test]
    fn a_function_that_this_node_lacks_is_left_alone() {
        let lacking = |_| Replacement {
            original: 0,
            hook: HOOK,
        };
        assert_eq!(
            plan(&[import(Function::Wrap, 8, 0)], lacking, place_of),
            Ok(vec![])
        );
    }
}
