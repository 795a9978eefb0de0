//! Temporary files that must not outlive their environment: see `crate::heap::snapshot_file::partial_files`.

use std::path::PathBuf;

use napi::Env;
use napi_derive::napi;

use super::Result;
use crate::base::error::Code;
use crate::heap::snapshot_file::partial_files::{process_token, UNFINISHED};

/// Notes a file that is being written; the number is for `forgetUnfinished`.
/// When the environment ends first (a terminated worker), the file is removed.
#[napi(catch_unwind)]
pub fn note_unfinished(env: &Env, path: String) -> Result<u32> {
    let environment = env.raw() as usize;
    let mut unfinished = UNFINISHED.lock();
    if unfinished.is_new(environment) {
        let listened = env.add_env_cleanup_hook(environment, |environment| {
            let left = UNFINISHED.lock().abandon(environment);
            for path in left {
                // It may be gone already, and nobody is left to tell.
                let _ = std::fs::remove_file(path);
            }
        });
        if let Err(error) = listened {
            unfinished.abandon(environment);
            return Err(napi::Error::new(Code::Internal, error.reason.to_string()));
        }
    }
    Ok(unfinished.note(environment, PathBuf::from(path)))
}

/// The file is finished, or gone.
#[napi(catch_unwind)]
pub fn forget_unfinished(number: u32) {
    UNFINISHED.lock().forget(number);
}

/// Eight hexadecimal digits that no other process with this number has.
#[napi(catch_unwind, js_name = "processToken")]
pub fn process_token_text() -> &'static str {
    process_token()
}
