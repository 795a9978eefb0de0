#![forbid(unsafe_code)]
//! Replaces `linux` on platforms without `/proc`: nothing can be measured, and each function reports that.

use super::breakdown::{Engine, Table};
use super::{Available, ProcessMemory, Trimmed};
use crate::base::error::{Code, Failure};

const REASON: &str = "needs Linux";

/// Nothing.
pub fn memory() -> ProcessMemory {
    ProcessMemory::default()
}

/// Nothing, and why.
pub fn available() -> Available {
    let reason = Some(REASON.to_string());
    Available {
        cgroup: reason.clone(),
        breakdown: reason.clone(),
        trim: reason,
        cgroup_version: None,
    }
}

/// The thread that requests a breakdown; not used here.
#[derive(Debug, Clone, Copy)]
pub struct JsThread;

impl JsThread {
    /// The calling thread.
    pub fn current() -> Self {
        JsThread
    }
}

/// Refuses.
pub fn breakdown(_: Engine, _: JsThread, _: bool) -> Result<Table, Failure> {
    Err(Failure::new(
        Code::UnsupportedPlatform,
        format!("residentBreakdown() {REASON}"),
    ))
}

/// Nothing.
pub fn trim() -> Option<Trimmed> {
    None
}
