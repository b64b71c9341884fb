//! Whole certificates: accepted ones state something true, changed ones are rejected or still state it.

mod support;

use checker::certificate::{Cursor, HEADER};
use checker::exact::Rational;
use checker::network::Network;
use checker::plan::Plan;
use checker::query::{Constraint, Query};
use checker::{Semantics, check, check_all};
use support::prover::{constraint, container, payload, prove, query};
use support::{Random, evaluate, exact, random_network, random_query};

fn value(c: &Constraint, x: &[Rational], y: &[Rational]) -> Rational {
    let of = |terms: &[(usize, Rational)], values: &[Rational]| terms.iter().fold(exact(0.0), |s, (i, c)| s.plus(&c.times(&values[*i])));
    c.constant.plus(&of(&c.inputs, x)).plus(&of(&c.outputs, y))
}

/// A counterexample among the points of a lattice, corners included.
fn counterexample(network: &Network, query: &Query) -> Option<Vec<Rational>> {
    let case = &query.cases[0];
    let steps = if case.low.len() == 1 { 16 } else { 4 };
    let fraction = |i: usize| exact(i as f64 / steps as f64);
    let count = (steps + 1usize).pow(case.low.len() as u32);
    (0..count).find_map(|mut code| {
        let x: Vec<Rational> = (0..case.low.len())
            .map(|d| {
                let i = code % (steps + 1);
                code /= steps + 1;
                case.low[d].plus(&case.high[d].minus(&case.low[d]).times(&fraction(i)))
            })
            .collect();
        let values = evaluate(network, &x);
        let y: Vec<Rational> = network.outputs.iter().flat_map(|&o| values[o].clone()).collect();
        let holds = |c: &Constraint| if c.strict { value(c, &x, &y).sign() > 0 } else { value(c, &x, &y).sign() >= 0 };
        (case.cuts.iter().all(holds) && case.disjuncts.iter().any(|d| d.iter().all(holds))).then_some(x)
    })
}

#[test]
fn what_is_accepted_is_true() {
    let mut random = Random(3);
    let (mut proved, mut refuted) = (0, 0);
    for seed in 0..600 {
        let dims = 1 + random.below(3);
        let network = random_network(&mut random, dims, seed % 4 == 0);
        let query = random_query(&mut random, &network, dims);
        let semantics = [Semantics::Real, Semantics::Both][seed as usize % 2];
        let found = counterexample(&network, &query);
        refuted += found.is_some() as usize;
        let Some(bytes) = prove(&network, &query, semantics, 60, seed) else { continue };
        assert!(found.is_none(), "network {seed}: proved and refuted");
        let one = check(&network, &query, semantics, &bytes, 1).unwrap_or_else(|r| panic!("network {seed}: {r}"));
        assert_eq!(check(&network, &query, semantics, &bytes, 3), Ok(one.clone()));
        assert_eq!(one.proved, 1.0);
        assert_eq!(check_all(&network, &query, semantics, &bytes, 2), Ok((one, vec![])));
        proved += 1;
    }
    assert!(proved > 150 && refuted > 100, "{proved} proved, {refuted} refuted");
}

#[test]
fn a_partial_proof_never_counts_as_whole_however_small_its_open_part_is() {
    let mut random = Random(5);
    let (network, query, whole) = (0..)
        .find_map(|seed| {
            let network = random_network(&mut random, 2, false);
            let query = random_query(&mut random, &network, 2);
            prove(&network, &query, Semantics::Real, 30, seed).map(|bytes| (network, query, bytes))
        })
        .expect("some query can be proved");
    let mut cursor = Cursor::new(&whole, HEADER, whole.len());
    cursor.byte().and_then(|_| cursor.length()).expect("one tree");
    // The edge of the box is split off, and left open: it has no volume.
    let edge = query.cases[0].low[0].down().to_le_bytes();
    let tree = [&[0x40, 0][..], &edge, &[1, 0x52], &whole[cursor.at..]].concat();
    let partial = container(&payload(&tree), Semantics::Real, true);
    let shown = check(&network, &query, Semantics::Real, &partial, 1).expect("accepted as a part");
    assert!(shown.proved > 0.99 && shown.proved < 1.0, "{}", shown.proved);
}

#[test]
fn every_truncation_is_rejected() {
    let mut random = Random(4);
    let mut certificates = 0;
    for seed in 0..40 {
        let network = random_network(&mut random, 2, false);
        let query = random_query(&mut random, &network, 2);
        let Some(bytes) = prove(&network, &query, Semantics::Real, 30, seed) else { continue };
        for end in 0..bytes.len() {
            assert!(check(&network, &query, Semantics::Real, &bytes[..end], 1).is_err(), "{end} of {} bytes", bytes.len());
        }
        // Also where the header counts along.
        for end in HEADER..bytes.len() {
            let shorter = container(&bytes[HEADER..end], Semantics::Real, false);
            assert!(check(&network, &query, Semantics::Real, &shorter, 1).is_err());
        }
        let mut longer = bytes[HEADER..].to_vec();
        longer.push(0x50);
        assert!(check(&network, &query, Semantics::Real, &container(&longer, Semantics::Real, false), 1).is_err());
        certificates += 1;
    }
    assert!(certificates > 10);
}

#[test]
fn random_bytes_are_rejected_without_a_panic() {
    let mut random = Random(5);
    let network = random_network(&mut Random(77), 2, false);
    let outputs = network.nodes[network.outputs[0]].len;
    // True everywhere: nothing can be proved.
    let query = query(&[-1.0, -1.0], &[1.0, 1.0], outputs, vec![vec![constraint(&[], 1.0, false)]]);
    for _ in 0..20_000 {
        let steps = [0x10, 0x11, 0x20, 0x21, 0x22, 0x30, 0x40, 0x41, 0x50, 0x51, 0x52];
        let byte = |random: &mut Random| match random.below(3) {
            0 => steps[random.below(steps.len())],
            1 => random.below(5) as u8,
            _ => random.bits() as u8,
        };
        let tree: Vec<u8> = (0..random.below(40)).map(|_| byte(&mut random)).collect();
        let bytes = container(&payload(&tree), Semantics::Real, false);
        assert!(check(&network, &query, Semantics::Real, &bytes, 1).is_err(), "{tree:?}");
    }
}

/// Each byte of a few proofs changed in many ways, against queries with counterexamples: nothing false is accepted. The
/// trees are those of easier properties over the same network, so most of their steps apply.
#[test]
fn changed_certificates_prove_nothing_false() {
    let mut random = Random(6);
    let (mut tried, mut accepted) = (0, 0);
    for seed in 0..60 {
        let dims = 1 + random.below(2);
        let network = random_network(&mut random, dims, false);
        let query = random_query(&mut random, &network, dims);
        let Some(bytes) = prove(&network, &query, Semantics::Real, 20, seed) else { continue };
        // The same question, but with the constants raised until a lattice point satisfies it.
        let mut harder = query.clone();
        harder.cases[0].cuts.clear();
        while counterexample(&network, &harder).is_none() {
            for c in harder.cases[0].disjuncts.iter_mut().flatten() {
                c.constant = c.constant.plus(&exact(0.125));
            }
        }
        assert!(check(&network, &harder, Semantics::Real, &bytes, 1).is_err());
        for at in 0..bytes.len() {
            for change in [bytes[at] ^ 1, bytes[at] ^ 0x80, bytes[at].wrapping_add(1), 0, 0x50, 0x51, 0xff, random.bits() as u8] {
                let mut other = bytes.clone();
                other[at] = change;
                assert!(check(&network, &harder, Semantics::Real, &other, 1).is_err(), "byte {at} to {change:#x}");
                // An accepted change of the original says the same, and nothing about other files.
                let same = other[..HEADER] == bytes[..HEADER];
                accepted += (same && change != bytes[at] && check(&network, &query, Semantics::Real, &other, 1).is_ok()) as usize;
                tried += 1;
            }
        }
    }
    eprintln!("{tried} changes, {accepted} of them still prove the original property");
    assert!(tried > 5000);
}

/// Random row trees: what they exclude has no counterexample, and some of it only they exclude.
#[test]
fn what_row_trees_exclude_is_excluded() {
    let mut random = Random(11);
    let (mut accepted, mut rejected, mut refuted) = (0, 0, 0);
    for seed in 0..3000 {
        let dims = 1 + random.below(3);
        let network = random_network(&mut random, dims, seed % 4 == 0);
        let query = random_query(&mut random, &network, dims);
        let semantics = [Semantics::Real, Semantics::Both][seed as usize % 2];
        let plan = Plan::new(&network).unwrap();
        let mut tree = vec![0x10];
        for disjunct in 0..query.cases[0].disjuncts.len() {
            tree.extend([0x23, disjunct as u8, 0]);
            tree.extend(support::trees::random(&plan, plan.activations.len(), 0, &mut random, |_| vec![]));
        }
        tree.push(0x50);
        let bytes = container(&payload(&tree), semantics, false);
        let found = counterexample(&network, &query);
        refuted += found.is_some() as usize;
        match check(&network, &query, semantics, &bytes, 1) {
            Ok(one) => {
                assert!(found.is_none(), "network {seed}: proved and refuted");
                assert_eq!(check(&network, &query, semantics, &bytes, 3), Ok(one));
                accepted += 1;
            }
            Err(rejection) => {
                assert!(rejection.reason.contains("is not excluded"), "{rejection}");
                rejected += 1;
            }
        }
    }
    assert!(accepted > 300 && rejected > 300 && refuted > 300, "{accepted} {rejected} {refuted}");
}
