//! Any bytes: the scanner and everything behind it must answer with a result or a code, never with a panic.

#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use offheap::heap::{compare, read, report, Control, Input, ReportOptions, Rules};

fuzz_target!(|bytes: &[u8]| {
    let input = || Input::stream(Box::new(Cursor::new(bytes.to_vec())), "fuzz");
    let control = Control::new();
    let options = ReportOptions {
        id: Some(1),
        retainers: 3,
        ..ReportOptions::default()
    };
    let Ok(first) = input() else { return };
    if let Ok(analysis) = read(first, Rules::default(), 1, &control) {
        // An object with id 1 need not be there.
        let _ = report(&analysis, &options, 1, &control);
        let (Ok(before), Ok(after)) = (input(), input()) else {
            return;
        };
        assert!(compare(before, after, &options, 1, &control).is_ok());
    }
});
