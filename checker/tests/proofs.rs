//! Whole certificates: accepted ones state something true, changed ones are rejected or still state it.

mod support;

use checker::certificate::{Cursor, HEADER};
use checker::exact::Rational;
use checker::network::Network;
use checker::plan::Plan;
use checker::query::{Constraint, Query};
use checker::{Semantics, check, check_all};
use support::prover::{constraint, container, payload, prove, query};
use support::{Random, evaluate, exact, random_network, random_query, random_smooth_network};

fn value(c: &Constraint, x: &[Rational], y: &[Rational]) -> Rational {
    let of = |terms: &[(usize, Rational)], values: &[Rational]| terms.iter().fold(exact(0.0), |s, (i, c)| s.plus(&c.times(&values[*i])));
    c.constant.plus(&of(&c.inputs, x)).plus(&of(&c.outputs, y))
}

/// A random network; every third one has functions that are not piecewise linear, and products.
fn any_network(random: &mut Random, dims: usize, seed: u64, hostile: bool) -> Network {
    let make = if seed % 3 == 2 { random_smooth_network } else { random_network };
    make(random, dims, hostile)
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
        let network = any_network(&mut random, dims, seed, seed % 4 == 0);
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
        let network = any_network(&mut random, 2, seed, false);
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
        let steps = [0x10, 0x11, 0x12, 0x13, 0x14, 0x20, 0x21, 0x22, 0x23, 0x30, 0x31, 0x40, 0x41, 0x42, 0x50, 0x51, 0x52];
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
        let network = any_network(&mut random, dims, seed, false);
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
        let network = any_network(&mut random, dims, seed, seed % 4 == 0);
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

/// Random sums with multipliers: what they exclude has no counterexample, and they exclude something. One of the disjuncts at a time
/// is weighed; the others are open beside it until disjuncts are split.
#[test]
fn what_narrowing_excludes_is_excluded() {
    let mut random = Random(12);
    let (mut accepted, mut rejected, mut refuted) = (0, 0, 0);
    for seed in 0..4000 {
        let dims = 1 + random.below(3);
        let network = any_network(&mut random, dims, seed, seed % 4 == 0);
        let query = random_query(&mut random, &network, dims);
        let semantics = [Semantics::Real, Semantics::Both][seed as usize % 2];
        let plan = Plan::new(&network).unwrap();
        let case = &query.cases[0];
        let before: Vec<u8> = support::narrows::several(&plan, [0, case.cuts.len()], 0, &mut random).concat();
        let caps = before_caps(&before, &plan);
        let leaf = |d: usize, random: &mut Random| {
            let rows = case.disjuncts[d].len();
            let mut steps = support::narrows::several(&plan, [rows, case.cuts.len()], caps, random);
            // The plainest sum of all: every row alone with default slopes.
            steps.extend((0..rows).map(|row| [&[0x14, 1, 1, 4 * row as u8][..], &1f32.to_le_bytes(), &[0]].concat()));
            steps.push(vec![0x51]);
            steps.concat()
        };
        let start = if random.below(2) == 0 { vec![0x10] } else { vec![] };
        let count = case.disjuncts.len();
        let first = leaf(0, &mut random);
        let tree = match count {
            1 => [&start[..], &first].concat(),
            _ => [&start[..], &before, &[0x42, 0], &varint(first.len()), &first, &leaf(1, &mut random)].concat(),
        };
        let bytes = container(&payload(&tree), semantics, false);
        let found = counterexample(&network, &query);
        refuted += found.is_some() as usize;
        match check(&network, &query, semantics, &bytes, 1) {
            Ok(_) => {
                assert!(found.is_none(), "network {seed}: proved and refuted");
                accepted += 1;
            }
            Err(rejection) => {
                assert!(rejection.reason.contains("no interval is empty") || rejection.reason.contains("does not exist"), "{rejection}");
                rejected += 1;
            }
        }
    }
    assert!(accepted > 300 && rejected > 300 && refuted > 300, "{accepted} {rejected} {refuted}");
}

/// Rows of one of several open disjuncts are no facts of the others: both halves of an output's range are no proof of anything.
#[test]
fn rows_bind_their_own_disjunct_only() {
    let mut b = support::Builder::default();
    let input = b.node(1, vec![], checker::network::Operation::Input);
    let h = b.node(1, vec![input], checker::network::Operation::Hinge(0.0));
    b.network.outputs.push(h);
    // h <= -1 never holds; h >= 0 always does.
    let never = vec![constraint(&[(0, -1.0)], -1.0, false)];
    let always = vec![constraint(&[(0, 1.0)], 0.0, false)];
    let question = |disjuncts| query(&[-1.0], &[1.0], 1, disjuncts);
    let sum: Vec<u8> = [&[0x14, 1, 1, 0][..], &1f32.to_le_bytes(), &[0]].concat();
    let judge =
        |query: &Query, tree: &[u8]| check(&b.network, query, Semantics::Real, &container(&payload(tree), Semantics::Real, false), 1);
    assert!(judge(&question(vec![never.clone()]), &[&sum[..], &[0x51]].concat()).is_ok());
    let both = question(vec![never, always]);
    assert!(judge(&both, &[&sum[..], &[0x51]].concat()).is_err(), "a row of one of two disjuncts was used");
    let split = |second: &[u8]| [&[0x42, 0][..], &varint(sum.len() + 1), &sum, &[0x51], second].concat();
    assert!(judge(&both, &split(&[0x51])).is_err(), "a fact crossed over to the other disjuncts");
    assert!(judge(&both, &split(&[0x50])).is_err(), "the other disjuncts were forgotten");
    assert!(judge(&both, &split(&[&sum[..], &[0x51]].concat())).is_err(), "the row is there the other disjunct's");
}

fn varint(value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    checker::certificate::write_varint(&mut bytes, value as u64);
    bytes
}

/// How many caps some steps made: the state says.
fn before_caps(steps: &[u8], plan: &Plan) -> usize {
    let deployed = checker::rounding::Deployed::new(Semantics::Real, false);
    let inputs = vec![0.0; plan.inputs];
    let everything = query(&inputs, &inputs, plan.outputs.len(), vec![vec![constraint(&[], 1.0, false)]]);
    let mut everything = everything;
    everything.cases[0].cuts = vec![constraint(&[], 1.0, false)];
    let case = checker::case::Prepared::new(&everything.cases[0], plan, Semantics::Real, deployed).unwrap();
    let mut stepper = checker::steps::Stepper::new(checker::relax::Relaxed::new(plan, deployed));
    let mut state = case.root(&mut stepper.relaxed, &mut stepper.batch);
    let bytes = [steps, &[0x52]].concat();
    stepper.node(&mut Cursor::new(&bytes, 0, bytes.len()), &case, true, &mut state).unwrap();
    state.caps.len()
}
