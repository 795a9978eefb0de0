//! Temporary files that must not outlive their environment: see `crate::heap::snapshot_file::partial_files`.

use std::path::PathBuf;

use napi::Env;
use napi_derive::napi;

use super::Result;
use crate::base::error::Code;
use crate::heap::snapshot_file::partial_files::{process_token, PARTIAL_FILES};

/// Notes a file that is being written; the number is for `forgetPartialFile`.
/// When the environment ends first (a terminated worker), the file is removed.
#[napi(catch_unwind)]
pub fn note_partial_file(env: &Env, path: String) -> Result<u32> {
    let environment = env.raw() as usize;
    let mut partial_files = PARTIAL_FILES.lock();
    if partial_files.is_new(environment) {
        let listened = env.add_env_cleanup_hook(environment, |environment| {
            let left = PARTIAL_FILES.lock().abandon(environment);
            for path in left {
                // It may have been removed already; there is nobody to report an error to.
                let _ = std::fs::remove_file(path);
            }
        });
        if let Err(error) = listened {
            partial_files.abandon(environment);
            return Err(napi::Error::new(Code::Internal, error.reason.to_string()));
        }
    }
    Ok(partial_files.note(environment, PathBuf::from(path)))
}

/// The file is complete, or removed.
#[napi(catch_unwind)]
pub fn forget_partial_file(number: u32) {
    PARTIAL_FILES.lock().forget(number);
}

/// Eight hexadecimal digits that no other process with this number has.
#[napi(catch_unwind, js_name = "processToken")]
pub fn process_token_text() -> &'static str {
    process_token()
}
