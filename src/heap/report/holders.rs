//! Who holds the views of some ArrayBuffers, and some other objects: retaining paths for the census.
//!
//! Knows: how a snapshot shows the objects that were marked before it was taken, and how views lead to ArrayBuffers.
//! Out of scope: why they were marked.
//! Limitations: one shortest path per view; of the views of one ArrayBuffer the first [`MAX_VIEWS`] are looked at.
//!
//! The marks are an object of class [`MARKS`] whose properties are numbered from 0 on, each a WeakRef: `m0` of an
//! ArrayBuffer, `o0` of another object. A weak edge keeps nothing alive, so it is on no path.

#![forbid(unsafe_code)]

use rustc_hash::{FxHashMap, FxHashSet};

use crate::base::error::Failure;
use crate::heap::control::{Control, Ticker};
use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::graph::{Graph, Ordinal};
use crate::heap::json::JsonWriter;
use crate::heap::paths::steps::steps;
use crate::heap::paths::{describe, Detail};
use crate::heap::solve::distances::Distances;
use crate::heap::subject::PATH_LIMIT;

/// The class of the object that marks.
const MARKS: &str = "OffheapMarks";
/// Views of one ArrayBuffer that are looked at.
const MAX_VIEWS: usize = 5_000;
/// What a path of a view ends with.
const STORE: &str = " → backing store";

/// Writes, for each of `count` marks who holds it, as a JSON array of `null` (no
/// such mark, or nothing reaches it) or `{ path, holders: [{ path, count }] }`: the shortest path, and the `limit`
/// commonest ones with keys and indices left out. Of an ArrayBuffer those are paths to its views. From `full_count` on,
/// `holders` has the nearest one only.
///
/// # Errors
///
/// None that is not a bug: nothing aborts it.
pub fn holders(
    graph: &Graph,
    full_count: usize,
    count: usize,
    limit: usize,
) -> Result<String, Failure> {
    let control = Control::new();
    let distances = Distances::find(graph, &control)?;
    let marked = marked(graph, count);
    let views = views(graph, &marked, &control)?;
    let mut json = JsonWriter::default();
    json.list(marked.iter().enumerate(), |json, (index, mark)| {
        let Some(Mark { object, end }) = *mark else {
            json.null();
            return;
        };
        // Without a view, somebody holds the object itself.
        let alone = [object];
        let held = views.get(&object).map_or(&alone[..], Vec::as_slice);
        let limit = (index < full_count).then_some(limit);
        write(graph, &distances, held, end, limit, json);
    });
    Ok(json.finish())
}

/// An object that was marked.
#[derive(Debug, Clone, Copy)]
struct Mark {
    object: Ordinal,
    /// What its paths end with.
    end: &'static str,
}

impl Mark {
    /// The number and the end that the name of a property stands for.
    fn read(name: &[u8]) -> Option<(usize, &'static str)> {
        let name = str::from_utf8(name).ok()?;
        let (number, end) = match name.strip_prefix('m') {
            Some(number) => (number, STORE),
            None => (name.strip_prefix('o')?, ""),
        };
        Some((number.parse().ok()?, end))
    }
}

/// The object of each mark.
fn marked(graph: &Graph, count: usize) -> Vec<Option<Mark>> {
    let marks = graph.strings.find(MARKS).and_then(|name| {
        graph.nodes().find(|&node| {
            graph.name(node) == name
                && graph.kind(node) == NodeKind::Object
                && ["m0", "o0"]
                    .iter()
                    .any(|name| graph.find_edge(node, EdgeKind::Property, name).is_some())
        })
    });
    let mut marked = vec![None; count];
    for edge in marks.into_iter().flat_map(|marks| graph.edges(marks)) {
        let name = graph.strings.bytes(graph.edge_name(edge));
        let read = match graph.edge_kind(edge) {
            EdgeKind::Property => Mark::read(name),
            _ => None,
        };
        if let Some((place, end)) =
            read.and_then(|(index, end)| Some((marked.get_mut(index)?, end)))
        {
            *place = graph
                .find_edge(graph.to(edge), EdgeKind::Weak, "target")
                .map(|target| Mark {
                    object: graph.to(target),
                    end,
                });
        }
    }
    marked
}

/// The views of each marked ArrayBuffer, in one pass over all edges.
fn views(
    graph: &Graph,
    marked: &[Option<Mark>],
    control: &Control,
) -> Result<FxHashMap<Ordinal, Vec<Ordinal>>, Failure> {
    let mut views: FxHashMap<Ordinal, Vec<Ordinal>> = FxHashMap::default();
    let wanted: FxHashSet<Ordinal> = marked.iter().flatten().map(|mark| mark.object).collect();
    let Some(name) = graph.strings.find("buffer") else {
        return Ok(views);
    };
    let mut ticker = Ticker::new(control);
    for from in graph.nodes() {
        ticker.tick()?;
        if graph.kind(from) != NodeKind::Object {
            continue;
        }
        for edge in graph.edges(from) {
            let to = graph.to(edge);
            if graph.edge_kind(edge) == EdgeKind::Internal
                && graph.edge_name(edge) == name
                && wanted.contains(&to)
            {
                let known = views.entry(to).or_default();
                if known.len() < MAX_VIEWS {
                    known.push(from);
                }
            }
        }
    }
    Ok(views)
}

fn write(
    graph: &Graph,
    distances: &Distances,
    views: &[Ordinal],
    end: &str,
    limit: Option<usize>,
    json: &mut JsonWriter,
) {
    let text = |view: Ordinal, detail| {
        let steps = steps(graph, distances, view);
        format!("{}{end}", describe(graph, &steps, detail, PATH_LIMIT))
    };
    let nearest = views
        .iter()
        .copied()
        .filter(|&view| distances.is_reached(view))
        .min_by_key(|&view| (distances.raw(view), graph.id(view)));
    let Some(nearest) = nearest else {
        json.null();
        return;
    };
    let mut groups: FxHashMap<String, u64> = FxHashMap::default();
    let told = match limit {
        Some(_) => views,
        None => &[nearest],
    };
    for &view in told.iter().filter(|&&view| distances.is_reached(view)) {
        *groups.entry(text(view, Detail::Grouped)).or_default() += 1;
    }
    let mut groups: Vec<(String, u64)> = groups.into_iter().collect();
    groups.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    groups.truncate(limit.unwrap_or(1));
    json.object(|json| {
        json.key("path").text(&text(nearest, Detail::Exact));
        json.key("holders").list(groups, |json, (path, count)| {
            json.object(|json| {
                json.key("path").text(&path);
                json.key("count").number(count);
            });
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::sketch::Sketch;

    /// `global.a`, `.b` and `.c` are Sessions with a `.token` each; the tokens of a and b are views of one ArrayBuffer.
    ///
    /// ```text
    /// root ─► global ─► a, b ─► token ─► ArrayBuffer 1 ◄┄ m0      c ─► token ─► ArrayBuffer 2 ◄┄ m1
    /// ```
    fn sketch() -> Sketch {
        let mut sketch = Sketch::new();
        let global = sketch.node("object", "global", 8);
        sketch.edge(0, "shortcut", "global", global);
        let buffers = [
            sketch.node("object", "ArrayBuffer", 8),
            sketch.node("object", "ArrayBuffer", 8),
        ];
        let names = ["a", "b", "c"];
        for (index, name) in names.iter().enumerate() {
            let session = sketch.node("object", "Session", 8);
            let token = sketch.node("object", "Buffer", 8);
            sketch.edge(global, "property", name, session);
            sketch.edge(session, "property", "token", token);
            sketch.edge(token, "internal", "buffer", buffers[index / 2]);
        }
        let marks = sketch.node("object", MARKS, 8);
        sketch.edge(0, "element", "9", marks);
        for (index, buffer) in buffers.into_iter().enumerate() {
            let reference = sketch.node("object", "WeakRef", 8);
            sketch.edge(marks, "property", &format!("m{index}"), reference);
            sketch.edge(reference, "weak", "target", buffer);
        }
        sketch
    }

    fn said(sketch: &Sketch, count: usize) -> String {
        let said = holders(&sketch.graph(), count, count, 2);
        said.unwrap_or_else(|failure| failure.to_string())
    }

    #[test]
    fn a_view_is_held_by_the_shortest_path_to_it_and_views_alike_are_counted() {
        let a = "global.a (Session).token (Buffer) → backing store";
        let b = a.replace(".a", ".b");
        let c = a.replace(".a", ".c");
        let row = |path: &str| format!("{{\"path\":\"{path}\",\"count\":1}}");
        assert_eq!(
            said(&sketch(), 3),
            format!(
                "[{{\"path\":\"{a}\",\"holders\":[{},{}]}},{{\"path\":\"{c}\",\"holders\":[{}]}},null]",
                row(a),
                row(&b),
                row(&c)
            )
        );
    }

    #[test]
    fn an_array_buffer_without_a_view_is_held_itself() {
        let mut sketch = Sketch::new();
        let global = sketch.node("object", "global", 8);
        sketch.edge(0, "shortcut", "global", global);
        let buffer = sketch.node("object", "ArrayBuffer", 8);
        sketch.edge(global, "property", "image", buffer);
        let marks = sketch.node("object", MARKS, 8);
        sketch.edge(0, "element", "9", marks);
        let reference = sketch.node("object", "WeakRef", 8);
        sketch.edge(marks, "property", "m0", reference);
        sketch.edge(reference, "weak", "target", buffer);
        assert!(
            said(&sketch, 1).contains("\"global.image (ArrayBuffer) → backing store\""),
            "{}",
            said(&sketch, 1)
        );
    }

    #[test]
    fn from_the_full_count_on_the_nearest_holder_alone_is_told() {
        let brief = holders(&sketch().graph(), 0, 1, 2);
        assert_eq!(
            brief.expect("it can be read"),
            alone("global.a (Session).token (Buffer) → backing store")
        );
    }

    #[test]
    fn an_object_that_is_no_array_buffer_has_the_path_to_itself() {
        let mut sketch = Sketch::new();
        let global = sketch.node("object", "global", 8);
        sketch.edge(0, "shortcut", "global", global);
        let stream = sketch.node("object", "Feed", 8);
        sketch.edge(global, "property", "feed", stream);
        let marks = sketch.node("object", MARKS, 8);
        sketch.edge(0, "element", "9", marks);
        let reference = sketch.node("object", "WeakRef", 8);
        sketch.edge(marks, "property", "o0", reference);
        sketch.edge(reference, "weak", "target", stream);
        assert_eq!(said(&sketch, 1), alone("global.feed (Feed)"));
    }

    fn alone(path: &str) -> String {
        format!("[{{\"path\":\"{path}\",\"holders\":[{{\"path\":\"{path}\",\"count\":1}}]}}]")
    }

    #[test]
    fn without_marks_there_is_nothing_to_say() {
        assert_eq!(said(&Sketch::new(), 2), "[null,null]");
    }
}
