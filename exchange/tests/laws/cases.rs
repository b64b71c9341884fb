//! `cases/reject`: files that must not be accepted, each with words of the reason. `cases/accept`: files that must be.

use std::fs;
use std::path::{Path, PathBuf};

use exchange::json::Reading;
use exchange::nodes::{Kind, inside, judge};
use exchange::rational::{crown_query, monotonicity};
use exchange::{ExchangeError, Judgement, leaves, lirpa, parse};

fn judged(format: &str, bytes: &[u8]) -> Result<Judgement, ExchangeError> {
    let value = parse("f", bytes, Reading::Decimal)?;
    let nodes = |kind| {
        let (graph, domain) = inside("f", &value)?.expect("cases hold their network");
        judge("f", &value, kind, &graph, domain.as_ref(), None)
    };
    match format {
        "ibp-output" => {
            let certificate = lirpa::read("f", &value)?;
            lirpa::check(&certificate, &lirpa::network(&certificate.graph).expect("a known network"))
        }
        "ibp-nodes" => nodes(Kind::Intervals),
        "alpha-crown" => nodes(Kind::Alpha),
        "alpha-beta-crown" => nodes(Kind::AlphaBeta),
        "crown_query_v1" => Ok(crown_query::read("f", &value)?.check()),
        "monotonicity_v1" => Ok(monotonicity::check(&monotonicity::read("f", &value)?)),
        "abcrown_leaf_artifact_v0_1" => leaves::judge(&leaves::read("f", &value)?, None, &leaves::Limits::default()),
        other => panic!("no format {other}"),
    }
}

/// The lines of a folder's list, which names every other file of it.
fn listed<const N: usize>(folder: &Path, list: &str) -> Vec<[String; N]> {
    let text = fs::read_to_string(folder.join(list)).expect("the list of cases");
    let columns = |line: &str| -> [String; N] {
        let parts: Vec<String> = line.split('\t').map(str::to_owned).collect();
        parts.try_into().unwrap_or_else(|_| panic!("{N} columns: {line}"))
    };
    let lines: Vec<[String; N]> = text.lines().filter(|l| !l.starts_with('#')).map(columns).collect();
    let mut named: Vec<String> = lines.iter().map(|l| l[0].clone()).collect();
    let files = fs::read_dir(folder).expect("readable").map(|f| f.expect("readable").file_name().to_string_lossy().into_owned());
    let mut files: Vec<String> = files.filter(|f| f != list).collect();
    files.sort();
    named.sort();
    assert_eq!(files, named, "every file has its line");
    lines
}

fn cases(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases").join(kind)
}

#[test]
fn every_bad_case_is_refused_for_its_reason() {
    for [file, format, words, _reason] in listed(&cases("reject"), "reasons.tsv") {
        let why = match judged(&format, &fs::read(cases("reject").join(&file)).expect("the case")) {
            Ok(Judgement::Rejected(why)) => why,
            Ok(other) => panic!("{file}: {other:?}"),
            Err(error) => error.to_string(),
        };
        assert!(why.contains(&words), "{file}: `{words}` is not in: {why}");
    }
}

#[test]
fn every_good_case_is_accepted() {
    for [file, format, _shows] in listed(&cases("accept"), "list.tsv") {
        let judgement = judged(&format, &fs::read(cases("accept").join(&file)).expect("the case"));
        assert!(matches!(judgement, Ok(Judgement::Accepted(_))), "{file}: {judgement:?}");
    }
}
