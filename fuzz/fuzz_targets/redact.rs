//! Any bytes: redaction must answer with a result or a code; what it writes must parse, to the same graph, and
//! redacting it again must change no size.

#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use offheap::heap::{read, redact_stream, Analysis, Control, Input, Rules};

fuzz_target!(|bytes: &[u8]| {
    let input = |bytes: &[u8]| Input::stream(Box::new(Cursor::new(bytes.to_vec())), "fuzz");
    let control = Control::new();
    let Ok(first) = input(bytes) else { return };
    let mut out = Vec::new();
    if redact_stream(first, &mut out, [7; 16], 1, &control).is_err() {
        return;
    }
    let (Ok(before), Ok(after)) = (input(bytes), input(&out)) else {
        return;
    };
    // What redaction copies without understanding it (an index out of range) analysis may refuse.
    let Ok(before) = read(before, Rules::default(), 1, &control) else {
        return;
    };
    let after = read(after, Rules::default(), 1, &control).expect("the copy of a good snapshot is good");
    let table = |analysis: &Analysis| -> Vec<[f64; 3]> {
        analysis.table().iter().map(|row| [row[0], row[3], row[4]]).collect()
    };
    assert_eq!(before.graph().node_count(), after.graph().node_count());
    assert_eq!(before.graph().edge_count(), after.graph().edge_count());
    assert_eq!(table(&before), table(&after));
});
