//! The functions that are hooked.
//!
//! Knows: one table of the functions of Node's, in one order that the other files of this room share. A new one is a row here, and its hook
//! in `calls.rs`.
//! Out of scope: where the functions lie.
//! Limitations: what an addon does through V8's C++ API.

#![forbid(unsafe_code)]

/// The functions of Node's: the variant of [`Function`], the name that addons import, the hook in `calls.rs`. The signature of a function
/// is that of its hook. `$apply` is a macro that takes the rows.
macro_rules! node_api_functions {
    ($apply:ident) => {
        $apply! {
            CreateReference "napi_create_reference" create_reference,
            DeleteReference "napi_delete_reference" delete_reference,
            ReferenceRef "napi_reference_ref" reference_ref,
            ReferenceUnref "napi_reference_unref" reference_unref,
            Wrap "napi_wrap" wrap,
            RemoveWrap "napi_remove_wrap" remove_wrap,
            AddFinalizer "napi_add_finalizer" add_finalizer,
            CreateExternal "napi_create_external" create_external,
            CreateExternalArrayBuffer "napi_create_external_arraybuffer" create_external_array_buffer,
            CreateExternalBuffer "napi_create_external_buffer" create_external_buffer,
            CreateExternalSharedArrayBuffer "node_api_create_external_sharedarraybuffer" create_external_shared_array_buffer,
            CreateExternalStringLatin1 "node_api_create_external_string_latin1" create_external_string_latin1,
            CreateExternalStringUtf16 "node_api_create_external_string_utf16" create_external_string_utf16,
            CreateBuffer "napi_create_buffer" create_buffer,
            CreateBufferCopy "napi_create_buffer_copy" create_buffer_copy,
            CreateArrayBuffer "napi_create_arraybuffer" create_array_buffer,
            AdjustExternalMemory "napi_adjust_external_memory" adjust_external_memory,
            CreateThreadsafeFunction "napi_create_threadsafe_function" create_threadsafe_function,
            AcquireThreadsafeFunction "napi_acquire_threadsafe_function" acquire_threadsafe_function,
            ReleaseThreadsafeFunction "napi_release_threadsafe_function" release_threadsafe_function,
            CreatePromise "napi_create_promise" create_promise,
            ResolveDeferred "napi_resolve_deferred" resolve_deferred,
            RejectDeferred "napi_reject_deferred" reject_deferred,
            CreateAsyncWork "napi_create_async_work" create_async_work,
            DeleteAsyncWork "napi_delete_async_work" delete_async_work,
            AddAsyncCleanupHook "napi_add_async_cleanup_hook" add_async_cleanup_hook,
            RemoveAsyncCleanupHook "napi_remove_async_cleanup_hook" remove_async_cleanup_hook,
            SetInstanceData "napi_set_instance_data" set_instance_data,
            CreateFunction "napi_create_function" create_function,
            DefineClass "napi_define_class" define_class,
            DefineProperties "napi_define_properties" define_properties,
        }
    };
}
pub(super) use node_api_functions;

macro_rules! functions {
    ($($function:ident $name:literal $hook:ident,)*) => {
        /// A function that is hooked.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each is the function that its name says")]
        pub enum Function {
            Dlopen,
            Dlsym,
            $($function,)*
        }

        impl Function {
            /// All of them; the place of each is its number.
            pub const ALL: &'static [Function] =
                &[Function::Dlopen, Function::Dlsym, $(Function::$function,)*];

            /// The name under which it is imported.
            pub fn name(self) -> &'static str {
                match self {
                    Function::Dlopen => "dlopen",
                    Function::Dlsym => "dlsym",
                    $(Function::$function => $name,)*
                }
            }
        }
    };
}

node_api_functions!(functions);

/// How many there are.
pub const COUNT: usize = Function::ALL.len();

impl Function {
    /// The function of this name.
    pub fn named(name: &[u8]) -> Option<Function> {
        // Most names begin with none of these: looked at before all are compared.
        let may_be_one = [&b"napi_"[..], b"node_", b"dl"]
            .iter()
            .any(|start| name.starts_with(start));
        if !may_be_one {
            return None;
        }
        Function::ALL
            .iter()
            .copied()
            .find(|function| function.name().as_bytes() == name)
    }

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
