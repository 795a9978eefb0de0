//! The functions that are hooked.
//!
//! Knows: their names, in one order that the other files of this room share.
//! Out of scope: where they lie.

#![forbid(unsafe_code)]

macro_rules! functions {
    ($($name:ident => $text:literal,)*) => {
        /// A function that is hooked.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each is the function that its name says")]
        pub enum Function {
            $($name,)*
        }

        impl Function {
            /// All of them; the place of each is its number.
            pub const ALL: &'static [Function] = &[$(Function::$name,)*];

            /// The name under which it is imported.
            pub fn name(self) -> &'static str {
                match self {
                    $(Function::$name => $text,)*
                }
            }

            /// The function of this name.
            pub fn named(name: &[u8]) -> Option<Function> {
                // Most names are neither: looked at before all are compared.
                match name {
                    [b'n', b'a', b'p', b'i', b'_', ..]
                    | [b'n', b'o', b'd', b'e', b'_', ..]
                    | [b'd', b'l', ..] => {}
                    _ => return None,
                }
                $(if name == $text.as_bytes() {
                    return Some(Function::$name);
                })*
                None
            }
        }
    };
}

functions! {
    Dlopen => "dlopen",
    Dlsym => "dlsym",
    CreateReference => "napi_create_reference",
    DeleteReference => "napi_delete_reference",
    ReferenceRef => "napi_reference_ref",
    ReferenceUnref => "napi_reference_unref",
    Wrap => "napi_wrap",
    RemoveWrap => "napi_remove_wrap",
    AddFinalizer => "napi_add_finalizer",
    CreateExternal => "napi_create_external",
    CreateExternalArrayBuffer => "napi_create_external_arraybuffer",
    CreateExternalBuffer => "napi_create_external_buffer",
    CreateExternalSharedArrayBuffer => "node_api_create_external_sharedarraybuffer",
    CreateExternalStringLatin1 => "node_api_create_external_string_latin1",
    CreateExternalStringUtf16 => "node_api_create_external_string_utf16",
    CreateBuffer => "napi_create_buffer",
    CreateBufferCopy => "napi_create_buffer_copy",
    CreateArrayBuffer => "napi_create_arraybuffer",
    AdjustExternalMemory => "napi_adjust_external_memory",
    CreateThreadsafeFunction => "napi_create_threadsafe_function",
    AcquireThreadsafeFunction => "napi_acquire_threadsafe_function",
    ReleaseThreadsafeFunction => "napi_release_threadsafe_function",
    CreatePromise => "napi_create_promise",
    ResolveDeferred => "napi_resolve_deferred",
    RejectDeferred => "napi_reject_deferred",
    CreateAsyncWork => "napi_create_async_work",
    DeleteAsyncWork => "napi_delete_async_work",
    AddAsyncCleanupHook => "napi_add_async_cleanup_hook",
    RemoveAsyncCleanupHook => "napi_remove_async_cleanup_hook",
    SetInstanceData => "napi_set_instance_data",
    CreateFunction => "napi_create_function",
    DefineClass => "napi_define_class",
    DefineProperties => "napi_define_properties",
}

/// How many there are.
pub const COUNT: usize = Function::ALL.len();

impl Function {
    /// Whether it is Node's, rather than the loader's.
    pub fn is_node_api(self) -> bool {
        !matches!(self, Function::Dlopen | Function::Dlsym)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_found_by_its_name_and_stands_at_its_number() {
        for (place, function) in Function::ALL.iter().enumerate() {
            assert_eq!(Function::named(function.name().as_bytes()), Some(*function));
            assert_eq!(*function as usize, place);
        }
        assert_eq!(Function::named(b"napi_get_value_double"), None);
        assert_eq!(Function::named(b"dlclose"), None);
        assert_eq!(Function::named(b""), None);
    }
}
