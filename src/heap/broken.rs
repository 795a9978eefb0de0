//! Broken input: every way of being wrong has a code, an offset and a field; none is a panic.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "only tests use it, and they fail by panicking"
)]

use crate::base::error::{Code, Failure};
use crate::heap::compare;
use crate::heap::control::Control;
use crate::heap::report::report;
use crate::heap::sketch::{input, read, Sketch};
use crate::heap::snapshot_file::redact::redact_stream;
use crate::heap::solve::essential::Rules;
use crate::heap::subject::ReportOptions;

fn small() -> Sketch {
    let mut sketch = Sketch::new();
    let global = sketch.node("object", "global", 10);
    let map = sketch.node("object", "Map", 20);
    let text = sketch.node("string", "caf\u{e9} \u{1f600} \"quoted\"", 30);
    sketch.edge(0, "shortcut", "1", global);
    sketch.edge(global, "property", "map", map);
    sketch.edge(map, "element", "4294967295", text);
    sketch
}

/// Everything that reads a snapshot, on these bytes.
fn all(bytes: &[u8]) -> Result<(), Failure> {
    let control = Control::new();
    let analysis = crate::heap::read(input(bytes)?, Rules::default(), 1, &control)?;
    report(&analysis, &ReportOptions::default(), 1, &control)?;
    compare(
        input(bytes)?,
        input(bytes)?,
        &ReportOptions::default(),
        1,
        &control,
    )?;
    redact_stream(input(bytes)?, &mut Vec::new(), [0; 16], 1, &control)?;
    Ok(())
}

#[test]
fn a_file_that_ends_at_any_byte_is_truncated() {
    let json = small().json();
    let whole = json.trim_end().len();
    assert!(all(json.as_bytes()).is_ok());
    for end in 0..whole {
        let failure = read(&json.as_bytes()[..end]).unwrap_err();
        assert_eq!(
            failure.code,
            Code::SnapshotTruncated,
            "cut at {end}: {failure}"
        );
        assert!(
            failure.message.contains(&format!("byte {end} ")),
            "cut at {end}: {failure}"
        );
        let redacted = redact_stream(
            input(&json.as_bytes()[..end]).unwrap(),
            &mut Vec::new(),
            [0; 16],
            1,
            &Control::new(),
        );
        assert_eq!(redacted.unwrap_err().code, Code::SnapshotTruncated);
    }
}

#[test]
fn any_byte_may_be_anything_without_a_panic() {
    let json = small().json();
    for at in 0..json.len() {
        for byte in [
            0, b'"', b'\\', b'[', b']', b'{', b'}', b',', b'9', b'-', b'e', 0x80, 0xff,
        ] {
            let mut bytes = json.clone().into_bytes();
            if bytes[at] == byte {
                continue;
            }
            bytes[at] = byte;
            if let Err(failure) = all(&bytes) {
                assert!(
                    failure.code.as_str().starts_with("ERR_OFFHEAP_SNAPSHOT_"),
                    "{byte:#x} at {at}: {failure}"
                );
            }
        }
    }
}

#[test]
fn contradictions_are_named_by_field() {
    let json = small().json();
    let cases: [(&str, &str, Code, &str); 27] = [
        (
            "\"node_count\":4",
            "\"node_count\":5",
            Code::SnapshotFormat,
            "snapshot.node_count is 5",
        ),
        (
            "\"node_count\":4",
            "\"node_count\":-4",
            Code::SnapshotFormat,
            "snapshot.node_count is not a count",
        ),
        (
            "\"node_count\":4",
            "\"node_counts\":4",
            Code::SnapshotFormat,
            "snapshot.node_count is missing",
        ),
        (
            "\"edge_count\":3",
            "\"edge_count\":2",
            Code::SnapshotFormat,
            "snapshot.edge_count is 2",
        ),
        (
            "\"edge_count\":3",
            "\"edge_count\":1e99",
            Code::SnapshotFormat,
            "snapshot.edge_count is not a count",
        ),
        (
            "\"edge_count\":3",
            "\"edge_count\":3,\"root_index\":3",
            Code::SnapshotFormat,
            "snapshot.root_index is 3",
        ),
        (
            "\"edge_count\":3",
            "\"edge_count\":3,\"edge_count\":3",
            Code::SnapshotFormat,
            "\"edge_count\" stands twice",
        ),
        (
            "\"self_size\"",
            "\"selfish_size\"",
            Code::SnapshotFormat,
            "has no \"self_size\"",
        ),
        (
            "\"self_size\"",
            "\"type\"",
            Code::SnapshotFormat,
            "has \"type\" twice",
        ),
        (
            "\"to_node\"",
            "\"to_nodes\"",
            Code::SnapshotFormat,
            "has no \"to_node\"",
        ),
        (
            "\"node_fields\":[",
            "\"node_fields\":[[],",
            Code::SnapshotFormat,
            "node_fields is not a list of names",
        ),
        (
            "\"node_types\":[[",
            "\"node_types\":[[],[",
            Code::SnapshotFormat,
            "node_types[0] has 0 types",
        ),
        (
            "\"meta\":",
            "\"mata\":",
            Code::SnapshotFormat,
            "snapshot.meta is missing",
        ),
        (
            "3,2,3,10,1,0,0",
            "30,2,3,10,1,0,0",
            Code::SnapshotFormat,
            "node 1 has type 30",
        ),
        (
            "3,2,3,10,1,0,0",
            "3,2,3,10,2,0,0",
            Code::SnapshotFormat,
            "the nodes claim 4 edges",
        ),
        (
            "3,2,3,10,1,0,0",
            "3,2,4294967296,10,1,0,0",
            Code::SnapshotTooLarge,
            "node 1 has an id",
        ),
        (
            "3,2,3,10,1,0,0",
            "3,99,3,10,1,0,0",
            Code::SnapshotFormat,
            "string 99 is used",
        ),
        (
            "3,2,3,10,1,0,0",
            "3,536870911,3,10,1,0,0",
            Code::SnapshotTooLarge,
            "a node name is string 536870911",
        ),
        (
            "3,2,3,10,1,0,0",
            "3,2,3,10,18446744073709551615,0,0",
            Code::SnapshotTooLarge,
            "2^32 - 2 edges",
        ),
        (
            "3,2,3,10,1,0,0",
            "3,2,3,18446744073709551616,1,0,0",
            Code::SnapshotSyntax,
            "2^64",
        ),
        (
            "3,2,3,10,1,0,0",
            "3,2,3,1.5,1,0,0",
            Code::SnapshotSyntax,
            "expected an integer, found '.'",
        ),
        ("5,5,7", "5,5,8", Code::SnapshotFormat, "edge 0 points to 8"),
        (
            "5,5,7",
            "5,5,28",
            Code::SnapshotFormat,
            "edge 0 points to 28",
        ),
        ("5,5,7", "7,5,7", Code::SnapshotFormat, "edge 0 has type 7"),
        ("5,5,7", "5,99,7", Code::SnapshotFormat, "string 99 is used"),
        (
            "\"locations\":[]",
            "\"locations\":[1,0,0,0]",
            Code::SnapshotFormat,
            "a location belongs to 1",
        ),
        (
            "\"samples\":",
            "\"nodes\":",
            Code::SnapshotFormat,
            "the section \"nodes\" stands twice",
        ),
    ];
    for (from, to, code, says) in cases {
        assert!(json.contains(from), "{from}");
        let failure = read(json.replacen(from, to, 1).as_bytes()).unwrap_err();
        assert_eq!(failure.code, code, "{to}: {failure}");
        assert!(failure.message.contains(says), "{to}: {failure}");
        assert!(failure.message.contains("byte "), "{to}: {failure}");
    }
}

#[test]
fn sections_out_of_order_or_missing_are_named() {
    let meta = "\"snapshot\":{\"meta\":{\"node_fields\":[\"type\",\"name\",\"id\",\"self_size\",\"edge_count\"],\
                \"node_types\":[[\"synthetic\"]],\"edge_fields\":[\"type\",\"name_or_index\",\"to_node\"],\
                \"edge_types\":[[\"weak\"]]},\"node_count\":1,\"edge_count\":0}";
    let nodes = "\"nodes\":[0,0,1,0,0]";
    let edges = "\"edges\":[]";
    let strings = "\"strings\":[\"\"]";
    let cases = [
        (vec![nodes, meta], "\"nodes\" comes before \"snapshot\""),
        (vec![meta, edges], "\"edges\" comes before \"nodes\""),
        (
            vec![meta, nodes, strings],
            "\"strings\" comes before \"edges\"",
        ),
        (vec![meta, nodes, edges], "\"strings\" is missing"),
        (vec![], "\"snapshot\" is missing"),
        (vec![meta, meta], "\"snapshot\" stands twice"),
    ];
    for (sections, says) in cases {
        let failure = read(format!("{{{}}}", sections.join(",")).as_bytes()).unwrap_err();
        assert_eq!(failure.code, Code::SnapshotFormat);
        assert!(failure.message.contains(says), "{failure}");
    }
    let whole = format!("{{{}}}", [meta, nodes, edges, strings].join(","));
    assert!(all(whole.as_bytes()).is_ok());
    assert_eq!(
        read(format!("{whole} x").as_bytes()).unwrap_err().code,
        Code::SnapshotSyntax
    );
}

#[test]
fn a_head_that_promises_billions_reserves_nothing() {
    // GIVEN a head with 4 billion nodes in a file of some hundred bytes
    let json = small()
        .json()
        .replace("\"node_count\":4", "\"node_count\":4000000000")
        .replace("\"edge_count\":3", "\"edge_count\":4000000000");
    // WHEN it is read as a file of known length
    let folder = std::env::temp_dir().join(format!("offheap-promise-{}", std::process::id()));
    std::fs::write(&folder, json).unwrap();
    let failure = crate::heap::read(
        crate::heap::snapshot_file::Input::file(&folder).unwrap(),
        Rules::default(),
        1,
        &Control::new(),
    )
    .err()
    .unwrap();
    std::fs::remove_file(&folder).unwrap();
    // THEN what was read decides (32 GB would not have been had)
    assert_eq!(failure.code, Code::SnapshotFormat);
    assert!(failure.message.contains("there are 4 nodes"), "{failure}");
}

#[test]
fn sizes_that_no_memory_has_are_refused() {
    // Found by fuzzing: the totals of two types, each of nearly 2^64 bytes, overflowed.
    let json = small().json();
    for (size, good) in [
        ("9007199254740942", true),
        ("9007199254740943", false),
        ("18446744073709551615", false),
    ] {
        let json = json.replacen("3,2,3,10,", &format!("3,2,3,{size},"), 1);
        match all(json.as_bytes()) {
            Ok(()) => assert!(good, "{size}"),
            Err(failure) => {
                assert!(!good, "{size}: {failure}");
                assert_eq!(failure.code, Code::SnapshotTooLarge);
            }
        }
    }
}

#[test]
fn a_cancelled_run_ends_with_its_code() {
    let control = Control::new();
    control.cancel();
    let json = small().json();
    let failure = crate::heap::read(
        input(json.as_bytes()).unwrap(),
        Rules::default(),
        2,
        &control,
    )
    .err()
    .unwrap();
    assert_eq!(failure.code, Code::Aborted);
}

#[test]
fn gzip_is_recognised_and_its_damage_named() {
    use std::io::Write;
    let json = small().json();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(json.as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    assert_eq!(read(&packed).unwrap().node_count(), 4);
    // Cut in the ten bytes of the head, in the middle, and in the checksum.
    for end in [2, 9, packed.len() / 2, packed.len() - 4] {
        let failure = read(&packed[..end]).unwrap_err();
        assert_eq!(
            failure.code,
            Code::SnapshotTruncated,
            "cut at {end}: {failure}"
        );
    }
    let mut damaged = packed.clone();
    let checksum = damaged.len() - 6;
    damaged[checksum] ^= 1;
    assert_eq!(read(&damaged).unwrap_err().code, Code::SnapshotSyntax);
}

#[test]
fn a_failing_disk_is_a_read_failure() {
    struct Broken(usize);
    impl std::io::Read for Broken {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            if self.0 == 0 {
                return Err(std::io::Error::other("the disk is on fire"));
            }
            self.0 -= 1;
            out[0] = b' ';
            Ok(1)
        }
    }
    for threads in [1, 2] {
        let input =
            crate::heap::snapshot_file::Input::stream(Box::new(Broken(5)), "broken").unwrap();
        let failure = crate::heap::read(input, Rules::default(), threads, &Control::new())
            .err()
            .unwrap();
        assert_eq!(failure.code, Code::SnapshotReadFailed);
        assert!(failure.message.contains("on fire"), "{failure}");
    }
}
