use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::query::{Case, Constraint};

mod expansion;
mod refusals;

fn read(text: &str) -> Result<Query, QueryError> {
    read_query(text.as_bytes(), &ParseOptions::default())
}

/// `inputs` inputs and `outputs` outputs, then the assertions.
fn legacy(inputs: usize, outputs: usize, assertions: &str) -> String {
    let declare = |name: &str, count| (0..count).map(|i| format!("(declare-const {name}_{i} Real)\n")).collect::<String>();
    declare("X", inputs) + &declare("Y", outputs) + assertions
}

const UNIT_BOX: &str = "(assert (<= X_0 1)) (assert (>= X_0 0)) (assert (<= X_1 1)) (assert (>= X_1 0))";

fn shown(constraint: &Constraint) -> String {
    let terms: Vec<String> = constraint.terms.iter().map(|(i, c)| format!("{c}*{i}")).collect();
    format!("{} + {} {} 0", terms.join(" + "), constraint.constant, if constraint.strict { ">" } else { ">=" })
}

fn box_of(case: &Case) -> Vec<(String, String)> {
    case.region.ranges.iter().map(|range| (range.low.to_string(), range.high.to_string())).collect()
}

#[test]
fn boxes_and_disjuncts_of_separate_assertions_are_shared() {
    let text = legacy(
        2,
        3,
        "(assert (or (and (<= X_0 1e-1) (>= X_0 -1)) (and (>= X_0 0.5) (<= X_0 7e-1))))
         (assert (<= X_1 1)) (assert (>= X_1 0)) (assert (or (and (<= Y_1 Y_0)) (<= Y_2 Y_0)))",
    );
    let query = read(&text).unwrap();
    assert_eq!(query.cases.len(), 2);
    assert_eq!(box_of(&query.cases[0]), [("-1".into(), "0.1".into()), ("0".into(), "1".into())]);
    assert_eq!(box_of(&query.cases[1]), [("0.5".into(), "0.7".into()), ("0".into(), "1".into())]);
    assert!(Arc::ptr_eq(&query.cases[0].disjuncts, &query.cases[1].disjuncts));
    assert_eq!(query.cases[0].disjuncts.iter().map(|d| shown(&d[0])).collect::<Vec<_>>(), ["1*2 + -1*3 + 0 >= 0", "1*2 + -1*4 + 0 >= 0"]);
    assert_eq!((query.input_len(), query.output_len(), query.notes.len()), (2, 3, 0));
}

#[test]
fn disjuncts_with_the_same_box_make_one_case() {
    let text = legacy(
        1,
        1,
        "(assert (or
            (and (>= X_0 0.1) (<= X_0 0.2) (<= Y_0 0.5))
            (and (>= X_0 0.3) (<= X_0 0.4) (<= Y_0 0.6))
            (and (<= X_0 0.2) (>= X_0 0.10) (>= Y_0 0.7))))",
    );
    let query = read(&text).unwrap();
    assert_eq!(query.cases.iter().map(|case| case.disjuncts.len()).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(shown(&query.cases[0].disjuncts[1][0]), "1*1 + -0.7 >= 0");
}

#[test]
fn linear_arithmetic_is_normalised_exactly() {
    let text = legacy(2, 2, &format!("{UNIT_BOX} (assert (< (+ Y_0 (* 2 (- Y_1 0.1)) (- X_1)) (- (* Y_0 -3 0.5) (+ 1e-3 Y_1) 7)))"));
    let query = read(&text).unwrap();
    // right - left = -1.5 Y_0 - Y_1 - 7.001 - Y_0 - 2 Y_1 + 0.2 + X_1
    assert_eq!(shown(&query.cases[0].disjuncts[0][0]), "1*1 + -2.5*2 + -3*3 + -6.801 > 0");
}

#[test]
fn bounds_on_one_input_are_intersected_and_strict_ones_cut() {
    let text = legacy(
        2,
        1,
        "(assert (< X_0 5)) (assert (<= X_0 6)) (assert (>= X_0 1)) (assert (> X_0 0.5)) (assert (== X_1 0.1)) (assert (>= (* -2 X_0) -9.0))",
    );
    let query = read(&text).unwrap();
    assert_eq!(box_of(&query.cases[0]), [("1".into(), "4.5".into()), ("0.1".into(), "0.1".into())]);
    assert!(query.cases[0].region.cuts.is_empty(), "strict bounds outside of the box are superfluous");
    assert_eq!(query.cases[0].disjuncts[..], [vec![]]);

    let strict = read(&legacy(1, 1, "(assert (< X_0 5)) (assert (>= X_0 1)) (assert (<= X_0 5))")).unwrap();
    assert_eq!(strict.cases[0].region.cuts.iter().map(shown).collect::<Vec<_>>(), ["-1*0 + 5 > 0"]);
    let point = |text: &str| [text.parse().unwrap()];
    assert!(strict.cases[0].contains(&point("4.9999999999999999999999")) && !strict.cases[0].contains(&point("5")));
}

#[test]
fn a_bound_that_is_no_decimal_stays_as_a_cut() {
    let query = read(&legacy(1, 1, "(assert (>= (* 3 X_0) 1)) (assert (<= X_0 1))")).unwrap();
    let case = &query.cases[0];
    assert_eq!(case.region.cuts.iter().map(shown).collect::<Vec<_>>(), ["3*0 + -1 >= 0"]);
    let low = &case.region.ranges[0].low;
    assert!(!case.contains(std::slice::from_ref(low)));
    assert!(case.contains(&[low + &"1e-30".parse().unwrap()]));
}

#[test]
fn equalities_and_inequalities() {
    let query = read(&legacy(2, 2, &format!("{UNIT_BOX} (assert (== Y_0 Y_1)) (assert (!= X_0 0.5))"))).unwrap();
    assert_eq!(query.cases.len(), 2);
    assert_eq!(query.cases[0].disjuncts[0].iter().map(shown).collect::<Vec<_>>(), ["1*2 + -1*3 + 0 >= 0", "-1*2 + 1*3 + 0 >= 0"]);
    assert_eq!(query.cases[1].region.cuts.iter().map(shown).collect::<Vec<_>>(), ["-1*0 + 0.5 > 0"]);
}

#[test]
fn empty_disjuncts_are_dropped_with_a_note() {
    let text = legacy(
        1,
        1,
        "(assert (<= X_0 0.5))\n(assert (or (and (>= X_0 0.6) (<= Y_0 1)) (and (>= X_0 0.2) (<= Y_0 2)) (and (>= X_0 0.5) (< X_0 0.5) (<= Y_0 3))))",
    );
    let query = read(&text).unwrap();
    assert_eq!(query.cases.len(), 1);
    let expected =
        "2 of 3 disjuncts have no input and are dropped; the first: X_0 >= 0.6 (line 4) and X_0 <= 0.5 (line 3) exclude each other";
    assert_eq!(query.notes, [expected]);
}

#[test]
fn declarations_may_follow_assertions_in_version_1() {
    let text = "(set-logic QF_LRA)(declare-fun X_0 () Real)(assert (and (<= X_0 1) (>= X_0 (- 1))))(declare-const Y_0 Real)
                (assert (<= Y_0 X_0))(declare-const X_1 Real)(assert (<= 0 X_1 ))(assert (>= 2.50 X_1))(check-sat)(get-model)";
    let query = read(text).unwrap();
    assert_eq!(box_of(&query.cases[0]), [("-1".into(), "1".into()), ("0".into(), "2.5".into())]);
    assert_eq!(shown(&query.cases[0].disjuncts[0][0]), "1*0 + -1*2 + 0 >= 0");
}

const VERSION_2: &str = "(vnnlib-version <2.0>)
(declare-network f
    (declare-input image float32 [1,2]) (declare-input bias float32 [])
    (declare-output score float32 [1,2]))
(assert (and (>= image[0,0] 0.5) (<= image[0,0] 1) (== image[0,1] -1) (<= 0 bias) (<= bias 1e-2)))
(assert (or (= score[0,0] bias) (> score[0,1] score[0,0])))";

#[test]
fn version_2_reads_shapes_scalars_and_notes_extensions() {
    let query = read(VERSION_2).unwrap();
    assert!(!query.legacy);
    assert_eq!(box_of(&query.cases[0]), [("0.5".into(), "1".into()), ("-1".into(), "-1".into()), ("0".into(), "0.01".into())]);
    assert_eq!(query.cases[0].disjuncts[1].iter().map(shown).collect::<Vec<_>>(), ["-1*3 + 1*4 + 0 > 0"]);
    assert_eq!(query.declared_element(), crate::query::DeclaredElement::Float32);
    assert_eq!((query.element_name(1), query.element_name(4)), ("image[0,1]".into(), "score[0,1]".into()));
    assert_eq!(query.notes.len(), 2, "{:?}", query.notes);
    assert!(query.notes[0].contains("exponent (1 times, first on line 5)"), "{:?}", query.notes);
    let strict = ParseOptions { strict: true, ..ParseOptions::default() };
    let error = read_query(VERSION_2.as_bytes(), &strict).unwrap_err();
    assert_eq!((error.kind, error.place), (QueryErrorKind::Extension, Some((5, 92))));
}

/// The folder of development queries, or `None` with a loud word.
fn shared(folder: &str) -> Option<PathBuf> {
    let roots = std::env::var_os("IRONBOUND_SHARED").map(PathBuf::from).into_iter();
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|dir| dir.join("shared"));
    let found = roots.chain(above).map(|root| root.join("data").join(folder)).find(|path| path.is_dir());
    if found.is_none() {
        eprintln!("SKIPPED: the shared data folder `{folder}` is absent, none of its queries is read");
    }
    found
}

fn unpacked(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    let mut text = Vec::new();
    if path.extension().is_some_and(|e| e == "gz") {
        flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut text).unwrap();
        text
    } else {
        bytes
    }
}

/// The instance's file, packed or not.
fn existing(path: PathBuf) -> PathBuf {
    let packed = PathBuf::from(format!("{}.gz", path.display()));
    if path.exists() { path } else { packed }
}

#[test]
fn all_development_queries_are_read_quickly() {
    let Some(root) = shared("vnncomp") else { return };
    let (mut count, mut bytes, mut slowest, mut total) = (0, 0, (Duration::ZERO, PathBuf::new()), Duration::ZERO);
    for family in std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()) {
        let Ok(list) = std::fs::read_to_string(family.join("instances.csv")) else { continue };
        let mut names: Vec<&str> = list.lines().filter_map(|line| line.split(',').nth(1)).map(str::trim).collect();
        count += names.len();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let path = existing(family.join(name));
            let text = unpacked(&path);
            bytes += text.len();
            let start = Instant::now();
            let query = read_query(&text, &ParseOptions::default()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let elapsed = start.elapsed();
            total += elapsed;
            slowest = slowest.max((elapsed, path));
            assert!(!query.cases.is_empty() && query.notes.is_empty(), "{:?}", query.notes);
        }
    }
    eprintln!("{count} instances, {} MB in {total:?}; slowest {slowest:?}", bytes / 1_000_000);
    assert_eq!(count, 1212);
}

#[test]
fn version_2_samples_equal_their_version_1_counterparts() {
    let Some(root) = shared("vnncomp") else { return };
    let mut compared = 0;
    for family in ["acasxu_2023", "mnist_fc"] {
        for entry in std::fs::read_dir(root.join("vnnlib2_samples").join(family)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().replace(".v2.vnnlib.gz", ".vnnlib");
            let new = read_query(&unpacked(&path), &ParseOptions::default()).unwrap();
            let counterpart = existing(root.join(family).join("vnnlib").join(name));
            if counterpart.exists() {
                let old = read_query(&unpacked(&counterpart), &ParseOptions::default()).unwrap();
                assert_eq!(new.cases, old.cases, "{}", path.display());
                compared += 1;
            }
        }
    }
    eprintln!("{compared} queries compared");
    assert!(compared > 10);
}
