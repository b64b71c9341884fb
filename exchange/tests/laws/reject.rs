//! `cases/reject`: files that must not be accepted, each with words of the reason.

use std::fs;
use std::path::Path;

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

#[test]
fn every_case_is_refused_for_its_reason() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/reject");
    let list = fs::read_to_string(folder.join("reasons.tsv")).expect("the list of cases");
    let mut listed = Vec::new();
    for line in list.lines().filter(|l| !l.starts_with('#')) {
        let [file, format, words, _reason] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("four columns: {line}") };
        listed.push(file.to_string());
        let why = match judged(format, &fs::read(folder.join(file)).expect("the case")) {
            Ok(Judgement::Rejected(why)) => why,
            Ok(other) => panic!("{file}: {other:?}"),
            Err(error) => error.to_string(),
        };
        assert!(why.contains(words), "{file}: `{words}` is not in: {why}");
    }
    let mut files: Vec<String> =
        fs::read_dir(&folder).expect("readable").map(|f| f.expect("readable").file_name().to_string_lossy().into_owned()).collect();
    files.retain(|f| f != "reasons.tsv");
    files.sort();
    listed.sort();
    assert_eq!(files, listed, "every file has its line");
}
