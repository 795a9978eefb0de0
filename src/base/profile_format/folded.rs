//! Folded stacks: what flamegraph.pl, inferno and speedscope read.
//!
//! Knows: one line per stack, its places from the outermost to the innermost, and one number.
//! Out of scope: the order of the lines.
//! Limitations: no labels, and one value. A name cannot have a `;` or the end of a line in it; it gets a `_` there.
#![forbid(unsafe_code)]

use std::fmt::Write;

use super::{Frame, Stacks};

/// The lines; a stack that is not there has none.
pub fn write(stacks: Stacks<'_>, rows: impl IntoIterator<Item = (u32, u64)>) -> String {
    let mut out = String::new();
    for (stack, value) in rows {
        let Some(frames) = stacks.frames_of(stack) else {
            continue;
        };
        for (index, frame) in frames.rev().enumerate() {
            if index > 0 {
                out.push(';');
            }
            push_name(&mut out, frame);
        }
        // Writing to a String cannot fail.
        let _ = writeln!(out, " {value}");
    }
    out
}

fn push_name(out: &mut String, frame: Frame<'_>) {
    let start = out.len();
    out.push_str(frame.function);
    if !frame.file.is_empty() {
        let _ = write!(out, " ({}:{})", frame.file, frame.line);
    }
    if out[start..].contains(SEPARATORS) {
        let name = out.split_off(start);
        out.push_str(&name.replace(SEPARATORS, "_"));
    }
}

const SEPARATORS: [char; 3] = [';', '\r', '\n'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_begins_with_the_outermost_place_and_nothing_in_a_name_splits_it() {
        let frame = |function, file, line| Frame {
            function,
            file,
            line,
            column: 7,
        };
        let stacks = Stacks {
            frames: &[
                frame("inner; \r\nmost", "/a;b.js", 3),
                frame("(native)", "", 0),
            ],
            stacks: &[vec![0, 1], vec![1], vec![0, 9]],
        };

        assert_eq!(
            write(stacks, [(0, 1_237), (7, 1), (1, 0), (2, 5)]),
            "(native);inner_ __most (/a_b.js:3) 1237\n(native) 0\ninner_ __most (/a_b.js:3) 5\n"
        );
    }
}
