//! Queries: the same cases in the same order, number by number.

use std::collections::BTreeMap;

use checker::exact::Rational;
use checker::read::Error;
use engine::input::read_bytes;
use engine::input::vnnlib::{ParseOptions, read_query};
use engine::numerics::Decimal;
use engine::query::{Constraint, Query};

use crate::{development_set, files};

fn exact(decimal: &Decimal) -> Rational {
    Rational::parse(decimal.to_string().as_bytes()).expect("a decimal")
}

fn same_constraint(ours: &checker::query::Constraint, engines: &Constraint, inputs: usize) -> bool {
    let own: Vec<(usize, Rational)> =
        ours.inputs.iter().cloned().chain(ours.outputs.iter().map(|(i, c)| (inputs + i, c.clone()))).collect();
    let others: Vec<(usize, Rational)> = engines.terms.iter().map(|(i, c)| (*i, exact(c))).collect();
    own == others && ours.constant == exact(&engines.constant) && ours.strict == engines.strict
}

/// Where two readings differ.
pub fn difference(ours: &checker::query::Query, engines: &Query) -> Option<String> {
    let inputs = engines.input_len();
    if (ours.inputs, ours.outputs, ours.cases.len()) != (inputs, engines.output_len(), engines.cases.len()) {
        return Some(format!("sizes: {} {} {}", ours.inputs, ours.outputs, ours.cases.len()));
    }
    let same = |a: &[checker::query::Constraint], b: &[Constraint]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_constraint(a, b, inputs))
    };
    for (k, (a, b)) in ours.cases.iter().zip(&engines.cases).enumerate() {
        if a.low.len() != inputs
            || !a
                .low
                .iter()
                .zip(&a.high)
                .zip(b.region.ranges.iter())
                .all(|((low, high), range)| *low == exact(&range.low) && *high == exact(&range.high))
        {
            return Some(format!("the box of case {k}"));
        }
        if !same(&a.cuts, &b.region.cuts) {
            return Some(format!("the cuts of case {k}"));
        }
        if a.disjuncts.len() != b.disjuncts.len() || !a.disjuncts.iter().zip(b.disjuncts.iter()).all(|(a, b)| same(a, b)) {
            return Some(format!("the disjuncts of case {k}"));
        }
    }
    None
}

#[test]
fn queries_agree_or_are_refused() {
    let Some(root) = development_set() else { return };
    let (mut agree, mut cases, mut disjuncts) = (0, 0, 0);
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    for path in files(&root, ".vnnlib") {
        let text = read_bytes(&path).expect("readable");
        let engines = read_query(&text, &ParseOptions::default());
        let ours = checker::read::vnnlib::query(&text);
        match (ours, engines) {
            (Ok(ours), Ok(engines)) => {
                assert_eq!(difference(&ours, &engines), None, "{}", path.display());
                agree += 1;
                cases += ours.cases.len();
                disjuncts += ours.cases.iter().map(|case| case.disjuncts.len()).sum::<usize>();
            }
            (Err(Error::NotCertified(what)), _) => *refused.entry(format!("{}: {what}", path.display())).or_default() += 1,
            (Err(error), Ok(_)) => panic!("{}: {error}", path.display()),
            (_, Err(engines)) => panic!("{}: {engines}", path.display()),
        }
    }
    println!("{agree} queries agree: {cases} cases, {disjuncts} disjuncts; refused: {refused:#?}");
    assert!(agree >= 946);
}
