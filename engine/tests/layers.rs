//! Rooms of the engine depend downwards only: a source file may use its own room and those above it in `lib.rs`.

use std::fs;
use std::path::{Path, PathBuf};

/// Rooms in order of dependence; a room uses only earlier ones (and itself).
const ORDER: [&str; 11] = ["numerics", "kernels", "ops", "graph", "query", "input", "quantized", "proof", "bounds", "search", "certify"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the sources are beside the tests") {
        let path = entry.expect("readable").path();
        match path.extension() {
            _ if path.is_dir() => sources(&path, found),
            Some(e) if e == "rs" => found.push(path),
            _ => {}
        }
    }
}

fn rank(room: &str) -> Option<usize> {
    ORDER.iter().position(|r| *r == room)
}

/// The rooms that a text names after `crate::`, in `crate::room` and `crate::{room, other::Thing}` alike.
fn named_rooms(text: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (start, _) in text.match_indices("crate::") {
        let preceded = text[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$');
        let rest = &text[start + "crate::".len()..];
        match rest.strip_prefix('{') {
            _ if preceded => {}
            Some(group) => rooms.extend(top_level(group)),
            None => rooms.push(word(rest)),
        }
    }
    rooms
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// First words of the items of a brace group, nested groups skipped.
fn top_level(group: &str) -> Vec<String> {
    let (mut depth, mut items, mut item) = (0, Vec::new(), String::new());
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => items.push(std::mem::take(&mut item)),
            _ => item.push(c),
        }
    }
    items.push(item);
    items.iter().map(|i| word(i.trim_start())).collect()
}

fn without_comments(text: &str) -> String {
    text.lines().map(|l| l.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

#[test]
fn no_room_uses_a_later_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    for file in files {
        let inside = file.strip_prefix(&root).expect("found below it").to_path_buf();
        let room = inside.iter().next().expect("a name").to_string_lossy().trim_end_matches(".rs").to_owned();
        // lib.rs lists the rooms and sits above all.
        let Some(own) = rank(&room) else {
            assert_eq!(room, "lib", "{} is in no room of the order {ORDER:?}", inside.display());
            continue;
        };
        for used in named_rooms(&without_comments(&fs::read_to_string(&file).expect("readable"))) {
            let later = rank(&used).is_some_and(|r| r > own);
            assert!(!later, "{} uses `{used}`, which comes after `{room}` in {ORDER:?}", inside.display());
        }
    }
}

#[test]
fn the_scan_sees_every_way_of_naming_a_room() {
    let text = "use crate::graph;\nlet x = crate::search::go();\nuse crate::{ops::{self, Relu}, bounds};\nuse other_crate::input;";
    assert_eq!(named_rooms(text), ["graph", "search", "ops", "bounds"]);
    assert!(named_rooms(&without_comments("// see crate::search")).is_empty());
}
