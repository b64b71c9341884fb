//! The checker beside `python/check.py`, which was written from the document in exact fractions: the same verdict on proofs,
//! changed proofs, and proofs of other questions. Skipped, loudly, without Python 3.

mod support;

use std::fmt::Write as _;
use std::process::Command;

use checker::network::{Network, Operation};
use checker::query::{Constraint, Query};
use checker::{Semantics, check};
use support::prover::prove;
use support::{Random, each_weight, random_network, random_query};

/// A constraint's numbers as Python's `Fraction` reads them.
fn constraint_json(c: &Constraint) -> String {
    let terms = |t: &[(usize, checker::exact::Rational)]| -> String {
        t.iter().map(|(i, c)| format!("[{i},{:?}]", c.down())).collect::<Vec<_>>().join(",")
    };
    format!(
        "{{\"outputs\":[{}],\"inputs\":[{}],\"constant\":{:?},\"strict\":{}}}",
        terms(&c.outputs),
        terms(&c.inputs),
        c.constant.down(),
        c.strict
    )
}

fn problem_json(network: &Network, query: &Query) -> String {
    let mut nodes = Vec::new();
    for node in &network.nodes {
        let mut text = format!("{{\"len\":{},\"inputs\":{:?},", node.len, node.inputs);
        match &node.operation {
            Operation::Input => text += "\"kind\":\"input\"",
            Operation::Constant(x) => write!(text, "\"kind\":\"constant\",\"numbers\":{x:?}").unwrap(),
            Operation::Hinge(s) => write!(text, "\"kind\":\"hinge\",\"slope\":{s:?}").unwrap(),
            Operation::Curve(_) | Operation::Product => unreachable!("not in these networks"),
            Operation::Maximum(groups) => write!(text, "\"kind\":\"maximum\",\"groups\":{groups:?}").unwrap(),
            Operation::Affine(affine) => {
                let row = |k: usize, o: usize| {
                    let mut terms = Vec::new();
                    each_weight(&affine.parts[k], o, network.nodes[node.inputs[k]].len, &mut |i, w| terms.push(format!("[{i},{w:?}]")));
                    format!("[{}]", terms.join(","))
                };
                let part = |k: usize| format!("[{}]", (0..node.len).map(|o| row(k, o)).collect::<Vec<_>>().join(","));
                let parts = (0..affine.parts.len()).map(part).collect::<Vec<_>>().join(",");
                write!(text, "\"kind\":\"affine\",\"bias\":{:?},\"parts\":[{parts}]", affine.bias).unwrap();
            }
        }
        nodes.push(text + "}");
    }
    let case = &query.cases[0];
    let numbers = |x: &[checker::exact::Rational]| x.iter().map(|x| x.down()).collect::<Vec<f64>>();
    let list = |c: &[Constraint]| format!("[{}]", c.iter().map(constraint_json).collect::<Vec<_>>().join(","));
    let disjuncts = case.disjuncts.iter().map(|d| list(d)).collect::<Vec<_>>().join(",");
    let outputs: Vec<[usize; 2]> = network.outputs.iter().flat_map(|&o| (0..network.nodes[o].len).map(move |e| [o, e])).collect();
    format!(
        "{{\"nodes\":[{}],\"inputs\":{:?},\"outputs\":{outputs:?},\"case\":{{\"low\":{:?},\"high\":{:?},\"cuts\":{},\"disjuncts\":[{disjuncts}]}}}}",
        nodes.join(","),
        network.inputs,
        numbers(&case.low),
        numbers(&case.high),
        list(&case.cuts)
    )
}

#[test]
fn both_checkers_judge_alike() {
    if !Command::new("python3").arg("--version").output().is_ok_and(|o| o.status.success()) {
        eprintln!("SKIPPED: no python3, the second checker was not run");
        return;
    }
    let folder = std::env::temp_dir().join(format!("ironbound-second-checker-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut random = Random(11);
    let mut verdicts = Vec::new();
    let mut names = Vec::new();
    for seed in 0..200 {
        let dims = 1 + random.below(2);
        let network = random_network(&mut random, dims, false);
        let query = random_query(&mut random, &network, dims);
        let Some(bytes) = prove(&network, &query, Semantics::Real, 12, seed) else { continue };
        let json = problem_json(&network, &query);
        for change in 0..12 {
            let mut other = bytes.clone();
            if change > 0 {
                let at = 87 + random.below(bytes.len() - 87);
                other[at] = [random.bits() as u8, other[at] ^ 1, 0x50, 0x30][random.below(4)];
            }
            let name = folder.join(format!("{}.json", names.len()));
            std::fs::write(&name, &json).unwrap();
            std::fs::write(name.with_extension("cert"), &other).unwrap();
            verdicts.push(check(&network, &query, Semantics::Real, &other, 1).map_err(|r| r.to_string()));
            names.push(name);
        }
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/check.py");
    let output = Command::new("python3").arg(script).args(&names).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), verdicts.len());
    let (mut accepted, mut rejected, mut stricter) = (0, 0, 0);
    for ((own, second), name) in verdicts.iter().zip(lines).zip(&names) {
        match (own.is_ok(), second == "accepted") {
            (true, true) => accepted += 1,
            (false, false) => rejected += 1,
            // The first one has rounding to pay for, and bounds nothing of neurons that it leaves out as inactive.
            (false, true) => stricter += 1,
            (true, false) => panic!("{}: {own:?}, the second checker says {second}", name.display()),
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
    eprintln!("{accepted} accepted, {rejected} rejected by both, {stricter} by the first one only");
    assert!(accepted > 100 && rejected > 300 && stricter < 5, "{accepted} accepted, {rejected} rejected, {stricter}");
}
