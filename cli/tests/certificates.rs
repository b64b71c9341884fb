//! Certificates from the outside: written, checked, refused, resumed, reused.

mod support;

use support::{Bench, Model, query};

/// `Y_0 - Y_1` of two layers of hinges: positive inputs only, so that a tree is needed for a tight bound.
fn model(last: f32) -> Model {
    Model::new(&[1, 2])
        .gemm("X", "A", &[&[1.0, 1.0], &[1.0, -1.0], &[-0.5, 1.0]], &[-0.25, 0.0, 0.1])
        .apply("Relu", &["A"], "H")
        .gemm("H", "B", &[&[1.0, -1.0, 0.5], &[-1.0, 1.5, last]], &[0.0, -0.1])
        .apply("Relu", &["B"], "G")
        .gemm("G", "Y", &[&[1.0, -1.0], &[0.5, 1.0]], &[0.0, 0.0])
        .output("Y", &[1, 2])
}

/// Fails nowhere on [-1, 1]^2, though intervals alone cannot say so.
const HOLDS: &str = "(assert (>= Y_0 2.0625))";
const FAILS: &str = "(assert (>= Y_0 1.0))";

fn asking(assertion: &str) -> Bench {
    Bench::new(&model(0.25), &query(&[("-1", "1"), ("-1", "1")], 2, assertion))
}

#[test]
fn a_proof_is_written_and_accepted_by_the_checker() {
    let bench = asking(HOLDS);
    let run = bench.run(&["verify", "net.onnx", "query.vnnlib", "--certificate", "proof.cert"]);
    assert_eq!((run.verdict(), run.code), ("unsat", 0), "{run:?}");
    assert!(run.output.contains("note: certificate accepted: holds (both)"), "{}", run.output);
    let check = bench.run(&["check", "net.onnx", "query.vnnlib", "proof.cert"]);
    assert_eq!(check.code, 0, "{check:?}");
    assert!(check.output.starts_with("accepted: holds (both)"), "{}", check.output);
}

#[test]
fn a_counterexample_is_a_certificate_too() {
    let bench = asking(FAILS);
    let run = bench.run(&["verify", "net.onnx", "query.vnnlib", "--certificate", "witness.cert"]);
    assert_eq!(run.verdict(), "sat", "{run:?}");
    let check = bench.run(&["check", "net.onnx", "query.vnnlib", "witness.cert"]);
    assert_eq!((check.code, check.output.as_str()), (0, "accepted: fails (float32)\n"), "{check:?}");
}

#[test]
fn a_proof_about_other_files_is_refused() {
    let bench = asking(HOLDS);
    bench.run(&["verify", "net.onnx", "query.vnnlib", "--certificate", "proof.cert"]);
    bench.write("other.onnx", &model(0.5).bytes());
    bench.write("other.vnnlib", query(&[("-1", "1"), ("-1", "1")], 2, "(assert (>= Y_0 2.07))").as_bytes());
    for files in [["other.onnx", "query.vnnlib"], ["net.onnx", "other.vnnlib"]] {
        let check = bench.run(&["check", files[0], files[1], "proof.cert"]);
        assert_eq!(check.code, 1, "{check:?}");
        assert!(check.output.starts_with("rejected: ") && check.output.contains("another"), "{}", check.output);
        let resumed = bench.run(&["verify", files[0], files[1], "--resume", "proof.cert"]);
        assert_eq!((resumed.code, resumed.output.as_str()), (3, ""), "{resumed:?}");
    }
}

#[test]
fn every_truncation_and_every_changed_byte_of_a_header_is_refused() {
    let bench = asking(HOLDS);
    bench.run(&["verify", "net.onnx", "query.vnnlib", "--certificate", "proof.cert"]);
    let proof = std::fs::read(bench.path("proof.cert")).expect("written");
    for length in [0, 7, 12, 50, 80, proof.len() - 1] {
        bench.write("cut.cert", &proof[..length]);
        assert_eq!(bench.run(&["check", "net.onnx", "query.vnnlib", "cut.cert"]).code, 1, "cut to {length}");
        assert_eq!(bench.run(&["verify", "net.onnx", "query.vnnlib", "--resume", "cut.cert"]).code, 3, "cut to {length}");
    }
    for at in [0, 8, 12, 13, 15, 47, 79, 87] {
        let mut changed = proof.clone();
        changed[at] ^= 0x10;
        bench.write("changed.cert", &changed);
        assert_eq!(bench.run(&["check", "net.onnx", "query.vnnlib", "changed.cert"]).code, 1, "byte {at}");
    }
}

#[test]
fn a_search_goes_on_from_a_certificate() {
    let bench = asking(HOLDS);
    bench.run(&["verify", "net.onnx", "query.vnnlib", "--certificate", "proof.cert"]);
    let mut proof = std::fs::read(bench.path("proof.cert")).expect("written");
    // The same tree, but nothing claimed at its root: one open node.
    let (partial, length) = (14, 79);
    proof.truncate(length);
    proof[partial] = 1;
    let payload = [1u8, 1, 0x52];
    proof.extend((payload.len() as u64).to_le_bytes());
    proof.extend(payload);
    bench.write("open.cert", &proof);
    let check = bench.run(&["check", "net.onnx", "query.vnnlib", "open.cert"]);
    assert!(check.code == 0 && check.output.contains("0.0000 % of the input set"), "{check:?}");
    let resumed = bench.run(&["verify", "net.onnx", "query.vnnlib", "--resume", "open.cert", "--certificate", "whole.cert"]);
    assert_eq!((resumed.verdict(), resumed.code), ("unsat", 0), "{resumed:?}");
    assert_eq!(bench.run(&["check", "net.onnx", "query.vnnlib", "whole.cert"]).code, 0);
}

/// Where a certificate claims what is not so, going on with it must not repeat the claim.
#[test]
fn a_false_claim_is_not_taken_over() {
    let smooth = |output: &str| Model::new(&[1, 1]).gemm("X", "H", &[&[1.0]], &[0.0]).apply(output, &["H"], "Y").output("Y", &[1, 1]);
    let wide = |output: &str| Model::new(&[1, 70]).gemm("X", "H", &[&[1.0; 70]], &[0.0]).apply(output, &["H"], "Y").output("Y", &[1, 1]);
    for (model, inputs) in [(smooth("Sigmoid"), 1), (smooth("Relu"), 1), (wide("Sigmoid"), 70), (wide("Relu"), 70)] {
        let bench = Bench::new(&model, &query(&vec![("0", "1"); inputs], 1, "(assert (>= Y_0 0.6))"));
        bench.run(&["verify", "net.onnx", "query.vnnlib", "--certificate", "witness.cert"]);
        let Ok(mut header) = std::fs::read(bench.path("witness.cert")) else { panic!("a counterexample exists") };
        header.truncate(79);
        (header[12], header[13]) = (0, 0);
        // A closed root, and a root that is split at 0 with open children.
        let closed = [&[1u8, 2, 0x10, 0x50][..]].concat();
        let split = [&[1u8, 13, 0x40, 0][..], &0f64.to_le_bytes(), &[1, 0x52, 0x52]].concat();
        for tree in [closed, split] {
            let bytes = [&header[..], &(tree.len() as u64).to_le_bytes(), &tree].concat();
            bench.write("false.cert", &bytes);
            let run = bench.run(&["verify", "net.onnx", "query.vnnlib", "--resume", "false.cert", "--timeout", "10"]);
            assert!(run.code != 0 && !run.output.starts_with("unsat"), "{run:?}");
        }
    }
}

#[test]
fn a_tree_serves_a_network_with_other_weights() {
    let bench = asking(HOLDS);
    bench.run(&["verify", "net.onnx", "query.vnnlib", "--certificate", "proof.cert"]);
    bench.write("other.onnx", &model(0.2501).bytes());
    let reused = bench.run(&["verify", "other.onnx", "query.vnnlib", "--reuse", "proof.cert", "--check", "--certificate", "new.cert"]);
    assert_eq!((reused.verdict(), reused.code), ("unsat", 0), "{reused:?}");
    assert_eq!(bench.run(&["check", "other.onnx", "query.vnnlib", "new.cert"]).code, 0);
    // A tree proves nothing by itself: where the property fails, it is found to fail or stays open.
    bench.write("fails.vnnlib", query(&[("-1", "1"), ("-1", "1")], 2, FAILS).as_bytes());
    let fails = bench.run(&["verify", "net.onnx", "fails.vnnlib", "--reuse", "proof.cert", "--timeout", "20"]);
    assert_ne!(fails.verdict(), "unsat", "{fails:?}");
}

#[test]
fn the_room_that_a_proof_leaves_is_less_than_the_property_has() {
    let bench = asking(HOLDS);
    bench.run(&["verify", "net.onnx", "query.vnnlib", "--certificate", "proof.cert"]);
    let check = bench.run(&["check", "net.onnx", "query.vnnlib", "proof.cert", "--room"]);
    let room = check.output.lines().find_map(|l| l.strip_prefix("room: ")?.split(' ').next()?.parse::<f64>().ok());
    let room = room.unwrap_or_else(|| panic!("{check:?}"));
    // The same proof for a property that is stricter by that much, and none for one that fails.
    bench.write("near.vnnlib", query(&[("-1", "1"), ("-1", "1")], 2, &format!("(assert (>= Y_0 {}))", 2.0625 - room)).as_bytes());
    assert_ne!(bench.run(&["verify", "net.onnx", "near.vnnlib"]).verdict(), "sat");
    assert!((0.0..1.0625).contains(&room), "{room}");
}

#[test]
fn a_trimmed_proof_is_shorter_and_proves_the_same() {
    let bench = asking(HOLDS);
    bench.run(&["verify", "net.onnx", "query.vnnlib", "--certificate", "proof.cert"]);
    let trimmed = bench.run(&["trim", "net.onnx", "query.vnnlib", "proof.cert", "-o", "short.cert"]);
    assert_eq!(trimmed.code, 0, "{trimmed:?}");
    let check = bench.run(&["check", "net.onnx", "query.vnnlib", "short.cert"]);
    assert!(check.code == 0 && check.output.starts_with("accepted: holds (both)"), "{check:?}");
    let size = |name: &str| std::fs::metadata(bench.path(name)).expect("written").len();
    assert!(size("short.cert") <= size("proof.cert"));
    let again = bench.run(&["trim", "net.onnx", "query.vnnlib", "short.cert", "-o", "again.cert"]);
    assert!(again.code == 0 && size("again.cert") == size("short.cert"), "{again:?}");
}

/// Seventy inputs, too many to split: `rows` numbers between -1 and 1 that look like chance.
fn weights(rows: usize, columns: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut state = seed;
    let mut number = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..rows).map(|_| (0..columns).map(|_| number()).collect()).collect()
}

fn wide_model() -> Model {
    wide(weights(10, 70, 1), weights(10, 10, 2), weights(1, 10, 3))
}

fn wide(first: Vec<Vec<f32>>, second: Vec<Vec<f32>>, last: Vec<Vec<f32>>) -> Model {
    let rows = |w: &'static [Vec<f32>]| w.iter().map(|r| &r[..]).collect::<Vec<&[f32]>>();
    let leak = |w: Vec<Vec<f32>>| rows(Vec::leak(w));
    Model::new(&[1, 70])
        .gemm("X", "A", &leak(first), &[0.1; 10])
        .apply("Relu", &["A"], "H")
        .gemm("H", "B", &leak(second), &[-0.2; 10])
        .apply("Relu", &["B"], "G")
        .gemm("G", "Y", &leak(last), &[0.0])
        .output("Y", &[1, 1])
}

/// Sixteen inputs, one layer: phases are split.
fn shallow_model() -> Model {
    let [first, last] = [weights(24, 16, 4), weights(2, 24, 5)];
    let rows = |w: &'static [Vec<f32>]| w.iter().map(|r| &r[..]).collect::<Vec<&[f32]>>();
    let leak = |w: Vec<Vec<f32>>| rows(Vec::leak(w));
    Model::new(&[1, 16])
        .gemm("X", "A", &leak(first), &[0.05; 24])
        .apply("Relu", &["A"], "H")
        .gemm("H", "Y", &leak(last), &[0.0; 2])
        .output("Y", &[1, 2])
}

fn least_proved(semantics: &str) -> (Bench, f64) {
    least_of(&wide_model(), 70, 1, "(assert (>= Y_0 T))", semantics)
}

/// The least threshold T of a list that is proved, with its certificate in `proof.cert`.
fn least_of(model: &Model, inputs: usize, outputs: usize, assertion: &str, semantics: &str) -> (Bench, f64) {
    let ranges = vec![("-0.1", "0.1"); inputs];
    for threshold in (0..80).map(|k| 0.25 + 0.05 * k as f64) {
        let bench = Bench::new(model, &query(&ranges, outputs, &assertion.replace('T', &threshold.to_string())));
        let options = ["--certificate", "proof.cert", "--semantics", semantics, "--timeout", "20"];
        let run = bench.run(&[&["verify", "net.onnx", "query.vnnlib"], &options[..]].concat());
        if run.verdict() == "unsat" {
            assert!(run.output.contains("note: certificate accepted: holds"), "{}", run.output);
            return (bench, threshold);
        }
        assert_eq!(run.verdict(), "sat", "{run:?}");
    }
    panic!("no threshold was proved");
}

#[test]
fn proofs_of_wide_networks_by_splitting_neurons_are_certified() {
    for semantics in ["real", "both"] {
        let (bench, _) = least_proved(semantics);
        let proof = std::fs::read(bench.path("proof.cert")).expect("written");
        let check = bench.run(&["check", "net.onnx", "query.vnnlib", "proof.cert"]);
        assert!(check.code == 0 && check.output.starts_with(&format!("accepted: holds ({semantics})")), "{check:?}");
        // It is a tree, not bounds of the whole box: each split of a row's tree adds to it.
        assert!(proof.len() > 500, "{} bytes", proof.len());
        // The same bytes for a neighbouring query prove nothing there by themselves.
        bench.write("other.vnnlib", query(&vec![("-0.2", "0.2"); 70], 1, "(assert (>= Y_0 0.1))").as_bytes());
        assert_eq!(bench.run(&["check", "net.onnx", "other.vnnlib", "proof.cert"]).code, 1);
    }
}

/// Two disjuncts of two rows each: they are split, and their rows weighed together.
#[test]
fn proofs_on_phases_are_certified() {
    for semantics in ["real", "both"] {
        let assertion = "(assert (or (and (>= Y_0 T) (<= Y_1 0.5)) (and (<= Y_0 -T) (>= Y_1 -0.5))))";
        let (bench, _) = least_of(&shallow_model(), 16, 2, assertion, semantics);
        let run = bench.run(&["verify", "net.onnx", "query.vnnlib", "--certificate", "again.cert", "--semantics", semantics]);
        assert!(run.output.contains("method: branch and bound on phases"), "{run:?}");
        let proof = std::fs::read(bench.path("proof.cert")).expect("written");
        assert_eq!(proof, std::fs::read(bench.path("again.cert")).expect("written"));
        let check = bench.run(&["check", "net.onnx", "query.vnnlib", "proof.cert"]);
        assert!(check.code == 0 && check.output.starts_with(&format!("accepted: holds ({semantics})")), "{check:?}");
        bench.write("other.vnnlib", query(&vec![("-0.2", "0.2"); 16], 2, assertion).replace('T', "0.1").as_bytes());
        assert_eq!(bench.run(&["check", "net.onnx", "other.vnnlib", "proof.cert"]).code, 1);
        // It can be joined with itself and trimmed like any other tree.
        let short = bench.run(&["trim", "net.onnx", "query.vnnlib", "proof.cert", "--output", "short.cert"]);
        assert_eq!(short.code, 0, "{short:?}");
        assert_eq!(bench.run(&["check", "net.onnx", "query.vnnlib", "short.cert"]).code, 0);
    }
}

/// The wide network with all weights of the first layer scaled.
fn scaled(by: f32) -> Model {
    let [mut first, second, last] = [weights(10, 70, 1), weights(10, 10, 2), weights(1, 10, 3)];
    first.iter_mut().flatten().for_each(|w| *w *= by);
    wide(first, second, last)
}

#[test]
fn row_trees_serve_a_network_with_other_weights() {
    let (bench, threshold) = least_proved("both");
    bench.write("other.onnx", &scaled(0.9999).bytes());
    let reuse = |network: &str, query: &str| bench.run(&["verify", network, query, "--reuse", "proof.cert", "--certificate", "new.cert"]);
    let reused = reuse("other.onnx", "query.vnnlib");
    assert_eq!((reused.verdict(), reused.code), ("unsat", 0), "{reused:?}");
    assert!(reused.output.contains("0 nodes were proved again"), "{}", reused.output);
    assert_eq!(bench.run(&["check", "other.onnx", "query.vnnlib", "new.cert"]).code, 0);
    // Where some of it no longer holds, that part is searched again.
    bench.write("other.onnx", &scaled(1.01).bytes());
    bench.write("more.vnnlib", query(&vec![("-0.1", "0.1"); 70], 1, &format!("(assert (>= Y_0 {}))", threshold + 0.05)).as_bytes());
    let reused = reuse("other.onnx", "more.vnnlib");
    assert_eq!((reused.verdict(), reused.code), ("unsat", 0), "{reused:?}");
    assert_eq!(bench.run(&["check", "other.onnx", "more.vnnlib", "new.cert"]).code, 0);
    // And where nothing of it holds, it proves nothing.
    bench.write("other.onnx", &scaled(3.0).bytes());
    let reused = reuse("other.onnx", "query.vnnlib");
    assert_ne!(reused.verdict(), "unsat", "{reused:?}");
}

#[test]
fn what_is_proved_of_a_wide_network_is_gone_on_with() {
    let (bench, _) = least_proved("both");
    let proof = std::fs::read(bench.path("proof.cert")).expect("written");
    // The last step excludes the only disjunct; a partial proof without it, as a time limit leaves it.
    let tree = &proof[87..];
    let drop = (0..tree.len()).rev().find(|&at| tree[at..].starts_with(&[0x23, 0, 0])).expect("a step");
    let tree = [&tree[2 + (tree[1] >= 0x80) as usize..drop], &[0x52]].concat();
    let mut length = vec![tree.len() as u8 & 0x7f];
    if tree.len() >= 0x80 {
        length = vec![tree.len() as u8 | 0x80, (tree.len() >> 7) as u8];
    }
    let mut partial = [&proof[..79], &(1 + length.len() as u64 + tree.len() as u64).to_le_bytes(), &[1], &length[..], &tree].concat();
    partial[14] = 1;
    bench.write("partial.cert", &partial);
    let files = ["net.onnx", "query.vnnlib"];
    let run = |command: &str, options: &[&str]| bench.run(&[&[command][..], &files, options].concat());
    let check = run("check", &["partial.cert"]);
    assert!(check.code == 0 && check.output.contains("0.0000 % of the input set"), "{check:?}");
    let resumed = run("verify", &["--resume", "partial.cert", "--certificate", "whole.cert"]);
    assert_eq!((resumed.verdict(), resumed.code), ("unsat", 0), "{resumed:?}");
    assert_eq!(run("check", &["whole.cert"]).code, 0);
    // The part and the whole joined are whole, and so is what is left when it is trimmed.
    for certificates in [["partial.cert", "proof.cert"], ["proof.cert", "partial.cert"]] {
        let merged = run("merge", &[&certificates[..], &["-o", "merged.cert"]].concat());
        assert!(merged.code == 0 && merged.output.contains("holds (both)"), "{merged:?}");
    }
    let trimmed = run("trim", &["proof.cert", "-o", "short.cert"]);
    assert!(trimmed.code == 0 && trimmed.output.contains("holds (both)"), "{trimmed:?}");
    assert!(std::fs::metadata(bench.path("short.cert")).expect("written").len() <= proof.len() as u64);
}

/// The whole proof of [`least_proved`] as a partial one, with the leaves of its disjunct's tree open of which `open` says so; and how many
/// leaves there are. Both activations have ten elements.
fn opened(proof: &[u8], open: impl Fn(usize) -> bool) -> (Vec<u8>, usize) {
    let mut bytes = proof.to_vec();
    bytes[14] = 1;
    let step = (0..bytes.len()).rev().find(|&at| bytes[at..].starts_with(&[0x23, 0, 0])).expect("a step");
    let slopes: u32 = bytes[step + 3..step + 7].iter().map(|mask| mask.count_ones()).sum();
    let (mut at, mut leaves, mut path) = (step + 7, 0, Vec::new());
    loop {
        if bytes[at] == 1 {
            path.push(false);
            at += 3;
            continue;
        }
        if open(leaves) {
            bytes[at] = 2;
        }
        leaves += 1;
        at += 1 + 4 * path.len() + slopes as usize;
        while path.pop_if(|second| *second).is_some() {}
        match path.last_mut() {
            Some(second) => *second = true,
            None => break,
        }
    }
    assert_eq!(bytes[at..], [0x50], "the step is the last one");
    bytes[at] = 0x52;
    (bytes, leaves)
}

#[test]
fn open_leaves_of_row_trees_are_gone_on_with() {
    let (bench, _) = least_proved("both");
    let proof = std::fs::read(bench.path("proof.cert")).expect("written");
    let files = ["net.onnx", "query.vnnlib"];
    let run = |command: &str, options: &[&str]| bench.run(&[&[command][..], &files, options].concat());
    let (even, leaves) = opened(&proof, |leaf| leaf % 2 == 0);
    let odd = opened(&proof, |leaf| leaf % 2 == 1).0;
    assert!(leaves > 8, "{leaves}");
    for (name, bytes) in [("even.cert", &even), ("odd.cert", &odd), ("one.cert", &opened(&proof, |leaf| leaf == leaves / 2).0)] {
        bench.write(name, bytes);
        let check = run("check", &[name]);
        assert!(
            check.code == 0 && check.output.contains(" % of the input set") && check.output.contains(" open); 0 of 1 disjuncts"),
            "{check:?}"
        );
        assert!(!check.output.contains("accepted: holds") && !check.output.contains("accepted: 0.0000 %"), "{check:?}");
        let resumed = run("verify", &["--resume", name, "--certificate", "whole.cert"]);
        assert_eq!((resumed.verdict(), resumed.code), ("unsat", 0), "{resumed:?}");
        assert!(run("check", &["whole.cert"]).output.starts_with("accepted: holds (both)"));
        // Said to be whole, it is refused: with an open end, and with a closed one.
        let mut bold = bytes.clone();
        bold[14] = 0;
        bench.write("bold.cert", &bold);
        assert_eq!(run("check", &["bold.cert"]).code, 1);
        *bold.last_mut().expect("an end") = 0x50;
        for partial in [0, 1] {
            bold[14] = partial;
            bench.write("bold.cert", &bold);
            assert_eq!(run("check", &["bold.cert"]).code, 1, "partial {partial}");
        }
    }
    // What is closed stays as it is: one open leaf takes little work, and everything around it is in the new tree.
    let resumed = run("verify", &["--resume", "one.cert", "--certificate", "whole.cert"]);
    let work = |run: &support::Run| run.detail("subproblems").and_then(|n| n.parse::<usize>().ok()).unwrap_or_else(|| panic!("{run:?}"));
    assert!(work(&resumed) < leaves / 2, "{leaves} {resumed:?}");
    for certificates in [["even.cert", "odd.cert"], ["odd.cert", "even.cert"]] {
        let merged = run("merge", &[&certificates[..], &["-o", "merged.cert"]].concat());
        assert!(merged.code == 0 && merged.output.contains("holds (both)"), "{merged:?}");
        assert!(run("check", &["merged.cert"]).output.starts_with("accepted: holds (both)"));
    }
    let merged = run("merge", &["even.cert", "even.cert", "-o", "merged.cert"]);
    assert!(merged.code == 0 && merged.output.contains(" % of the input set"), "{merged:?}");
}

#[test]
fn the_room_of_a_wide_proof_is_there() {
    let (bench, threshold) = least_proved("real");
    let check = bench.run(&["check", "net.onnx", "query.vnnlib", "proof.cert", "--room"]);
    let room = check.output.lines().find_map(|l| l.strip_prefix("room: ")?.split(' ').next()?.parse::<f64>().ok());
    let room = room.unwrap_or_else(|| panic!("{check:?}"));
    assert!((0.0..0.05).contains(&room), "{room}: the next threshold below fails");
    let near = query(&vec![("-0.1", "0.1"); 70], 1, &format!("(assert (>= Y_0 {}))", threshold - room));
    bench.write("near.vnnlib", near.as_bytes());
    assert_ne!(bench.run(&["verify", "net.onnx", "near.vnnlib", "--semantics", "real"]).verdict(), "sat");
}

/// Multipliers are free, so a changed one may do as well; but a proof that is accepted after a change proves the same.
#[test]
fn changed_bytes_of_a_wide_proof_are_refused_or_prove_the_same() {
    let (bench, _) = least_proved("real");
    let proof = std::fs::read(bench.path("proof.cert")).expect("written");
    let mut refused = 0;
    for at in (87..proof.len()).step_by((proof.len() - 87) / 60) {
        let mut changed = proof.clone();
        changed[at] ^= 0x90;
        bench.write("changed.cert", &changed);
        let check = bench.run(&["check", "net.onnx", "query.vnnlib", "changed.cert"]);
        assert!(check.code == 1 || check.code == 0, "byte {at}: {check:?}");
        refused += (check.code == 1) as usize;
    }
    assert!(refused > 0);
}

#[test]
fn a_witness_of_functions_is_one_in_real_numbers() {
    let model = Model::new(&[1, 1]).gemm("X", "H", &[&[2.0]], &[0.5]).apply("Tanh", &["H"], "Y").output("Y", &[1, 1]);
    let bench = Bench::new(&model, &query(&[("0", "1")], 1, "(assert (>= Y_0 0.9))"));
    let run = bench.run(&["verify", "net.onnx", "query.vnnlib", "--certificate", "witness.cert"]);
    assert!(run.verdict() == "sat" && run.output.contains("certificate accepted: fails (real)"), "{run:?}");
    let check = bench.run(&["check", "net.onnx", "query.vnnlib", "witness.cert"]);
    assert!(check.code == 0 && check.output.contains("fails (real)"), "{check:?}");
}

#[test]
fn what_cannot_be_certified_says_so() {
    let model = Model::new(&[1, 1]).gemm("X", "H", &[&[1.0]], &[0.0]).apply("Softplus", &["H"], "Y").output("Y", &[1, 1]);
    let bench = Bench::new(&model, &query(&[("0", "1")], 1, "(assert (>= Y_0 1.5))"));
    let run = bench.run(&["verify", "net.onnx", "query.vnnlib", "--certificate", "proof.cert"]);
    assert_eq!(run.verdict(), "unsat", "{run:?}");
    assert!(run.output.contains("note: not certified: operator Softplus at node "), "{}", run.output);
}
