//! Whose a block of native memory is after Node was asked to take it.
//!
//! Knows: the status that Node returned, and whether its finalizer has run already.
//! Out of scope: the block itself.
//! Limitations: a status that was never seen is answered with a leak, see [`Owner::Unknown`].
//!
//! The documentation of `napi_create_external_buffer` says that with any status other than `napi_ok` the finalizer is not called.
//! On Node 20, 22, 24 and 26 the finalizer is called although the status is 9 (`napi_generic_failure`), if `node::Buffer::New` fails.
//! A caller that frees the block then frees it twice.
#![forbid(unsafe_code)]

use napi::sys::{self, Status};

/// Who frees the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// Node has it, and calls the finalizer once it is collected.
    Node,
    /// It was freed by the finalizer, within the call.
    Nobody,
    /// It is still ours.
    Us,
    /// Node may have it and may call the finalizer later, so it is not freed. A leaked block at a failure that was never
    /// seen is better than a block that is freed twice.
    Unknown,
}

/// Decides by what really happened.
pub(super) fn owner_after(status: sys::napi_status, finalized: bool) -> Owner {
    match status {
        _ if finalized => Owner::Nobody,
        Status::napi_ok => Owner::Node,
        // Refused before anything was made: by the checks of the arguments, or because no JavaScript may run.
        Status::napi_no_external_buffers_allowed
        | Status::napi_invalid_arg
        | Status::napi_pending_exception
        | Status::napi_cannot_run_js => Owner::Us,
        _ => Owner::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_freed_by_one_alone() {
        let cases = [
            (Status::napi_ok, false, Owner::Node),
            (Status::napi_no_external_buffers_allowed, false, Owner::Us),
            (Status::napi_invalid_arg, false, Owner::Us),
            (Status::napi_pending_exception, false, Owner::Us),
            (Status::napi_cannot_run_js, false, Owner::Us),
            // What Node 20, 22, 24 and 26 do.
            (Status::napi_generic_failure, true, Owner::Nobody),
            (Status::napi_pending_exception, true, Owner::Nobody),
            (Status::napi_generic_failure, false, Owner::Unknown),
        ];
        for (status, finalized, owner) in cases {
            assert_eq!(
                owner_after(status, finalized),
                owner,
                "{status} {finalized}"
            );
        }
    }
}
