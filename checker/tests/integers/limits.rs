//! What is at the limits of the format, and just beyond; what a certificate must be about.

use checker::Semantics;
use checker::certificate::{Container, Kind, write_varint};
use checker::integer::{self, Network, Query, Shown};
use checker::sha256::digest;

use super::reference::{Layer, Problem};
use super::trees::write_signed;

fn network(input: (i64, i64), layers: &[String]) -> String {
    let layers = layers.join(",");
    format!(r#"{{"format": "integer_network_v0_1", "input_low": {}, "input_high": {}, "layers": [{layers}]}}"#, input.0, input.1)
}

/// A layer with the multiplier and shift, and with the offset, least and greatest value.
fn layer(weights: &str, bias: &str, (multiplier, shift): (&str, i64), (offset, low, high): (i64, i64, i64)) -> String {
    format!(
        r#"{{"weights": {weights}, "bias": {bias}, "multiplier": {multiplier}, "shift": {shift}, "rounding": "floor", "offset": {offset}, "low": {low}, "high": {high}}}"#
    )
}

fn reads(text: &str) -> bool {
    Network::read(text.as_bytes()).is_ok()
}

#[test]
fn accumulators_stay_below_2_to_the_46() {
    let first = |input: (i64, i64), weights: &str, bias: &str| reads(&network(input, &[layer(weights, bias, ("1", 62), (0, 0, 1))]));
    let (below, beyond) = ((0, (1 << 26) - 1), (0, 1 << 26));
    // 2^20 (2^26 - 1) + 2^20 - 1 = 2^46 - 1.
    assert!(first(below, "[[1048576]]", "[1048575]") && first(below, "[[1048576]]", "[-1048575]"));
    assert!(!first(below, "[[1048576]]", "[1048576]") && !first(below, "[[1048576]]", "[-1048576]"));
    assert!(first(below, "[[-1048575, 1]]", "[0]") && !first(below, "[[-1048576, 1]]", "[1048575]"));
    assert!(!first(beyond, "[[1048576]]", "[0]") && !first((-(1 << 26), 0), "[[1048576]]", "[0]"));
    assert!(!first((i64::MIN, i64::MAX), "[[2147483647]]", "[0]") && !first((0, 1), "[[1]]", "[-9223372036854775808]"));
    // The second layer reads the values of the first.
    let second = |low: i64, high: i64| {
        reads(&network((0, 1), &[layer("[[1]]", "[0]", ("1", 62), (0, low, high)), layer("[[1048576]]", "[0]", ("1", 62), (0, 0, 1))]))
    };
    assert!(second(-(1 << 26) + 1, -(1 << 26) + 9) && !second(-(1 << 26), -(1 << 26) + 9));
    assert!(second((1 << 26) - 9, (1 << 26) - 1) && !second((1 << 26) - 9, 1 << 26));
}

#[test]
fn staircases_stay_in_range() {
    let with = |scale: (&str, i64), values: (i64, i64, i64)| reads(&network((0, 9), &[layer("[[1], [2]]", "[0, 0]", scale, values)]));
    let plain = (0, -3, 5);
    for (multiplier, good) in [("0", false), ("1", true), ("-1", false), ("4294967296", true), ("4294967297", false), ("[1, 3]", true)] {
        assert_eq!(with((multiplier, 62), plain), good, "{multiplier}");
    }
    assert!(!with(("[1, 1, 1]", 1), plain) && !with(("[]", 1), plain) && !with(("[1, 0]", 1), plain));
    assert!(with(("1", 0), plain) && !with(("1", 63), plain) && !with(("1", -1), plain));
    let most = 1 << 40;
    assert!(with(("1", 1), (most, 0, 1)) && !with(("1", 1), (most + 1, 0, 1)) && !with(("1", 1), (-most - 1, 0, 1)));
    assert!(with(("1", 62), (0, 1 - most, 2 - most)) && !with(("1", 62), (0, -most - 1, -most)));
    assert!(with(("1", 62), (0, most - 1, most)) && !with(("1", 62), (0, most, most + 1)));
    assert!(with(("1", 1), (0, 4, 4)) && !with(("1", 1), (0, 5, 4)));
    assert!(with(("1", 62), (0, -5, (1 << 20) - 6)) && !with(("1", 62), (0, -5, (1 << 20) - 5)));
}

#[test]
fn layers_fit_together() {
    let one = |weights: &str, bias: &str| reads(&network((0, 9), &[layer(weights, bias, ("1", 1), (0, 0, 1))]));
    assert!(one("[[1, 2], [3, 4]]", "[0, 0]") && !one("[[1, 2], [3]]", "[0, 0]") && !one("[[1, 2], [3, 4]]", "[0]"));
    assert!(!one("[[1, 2]]", "[0, 0]") && !one("[]", "[]") && !one("[[]]", "[0]"));
    assert!(
        one("[[2147483647]]", "[0]") && one("[[-2147483648]]", "[0]") && !one("[[2147483648]]", "[0]") && !one("[[1, 2147483648]]", "[0]")
    );
    let two = |second: &str| {
        let layers = [layer("[[1], [2]]", "[0, 0]", ("1", 1), (0, 0, 1)), layer(second, "[0]", ("1", 1), (0, 0, 1))];
        reads(&network((0, 9), &layers))
    };
    assert!(two("[[1, 1]]") && !two("[[1]]") && !two("[[1, 1, 1]]"));
    assert!(!reads(&network((0, 9), &[])) && !reads(&network((9, 0), &[layer("[[1]]", "[0]", ("1", 1), (0, 0, 1))])));
}

#[test]
fn queries_fit_their_network() {
    let net = Network::read(network((-4, 9), &[layer("[[1, 1], [2, 1], [3, 1]]", "[0, 0, 0]", ("1", 1), (0, 0, 1))]).as_bytes()).unwrap();
    let fits = |low: &str, high: &str, label: i64| {
        let text = format!(r#"{{"format": "integer_query_v0_1", "low": {low}, "high": {high}, "label": {label}}}"#);
        Query::read(text.as_bytes()).is_ok_and(|query| query.fits(&net).is_ok())
    };
    assert!(fits("[-4, 3]", "[9, 3]", 2) && fits("[0, 0]", "[1, 1]", 0));
    assert!(!fits("[-5, 3]", "[9, 3]", 2) && !fits("[-4, 3]", "[10, 3]", 2) && !fits("[-4, 4]", "[9, 3]", 2));
    assert!(!fits("[-4, 3]", "[9, 3]", 3) && !fits("[-4, 3]", "[9, 3]", -1));
    assert!(!fits("[-4]", "[9]", 0) && !fits("[-4, 3, 3]", "[9, 3, 3]", 0) && !fits("[-4, 3]", "[9]", 0) && !fits("[-4]", "[9, 3]", 0));
}

/// A layer with the multiplier 1.
fn plain_layer(weights: Vec<Vec<i64>>, bias: Vec<i64>, (shift, mode): (u32, &'static str), (low, high): (i64, i64)) -> Layer {
    Layer { weights, bias, multipliers: vec![1], shift, mode, offset: 0, low, high }
}

/// One hidden layer that takes x, from 1 to 9, to `(x, 2 x + gap - 1)`, scaled up by 2^29 and down again, and the outputs are these.
fn scaled(gap: i64) -> Problem {
    let unit = 1 << 29;
    let layer = |weights, bias| plain_layer(weights, bias, (29, "floor"), (0, 99));
    let layers =
        vec![layer(vec![vec![unit], vec![2 * unit]], vec![0, (gap - 1) * unit]), layer(vec![vec![unit, 0], vec![0, unit]], vec![0, 0])];
    Problem { layers, input: vec![(1, 9)], label: 1, margin: 0 }
}

/// A proof of `scaled` by one leaf.
fn leaf(rise: u64, cap: u64, multipliers: [i64; 2]) -> Vec<u8> {
    let mut bytes = vec![0, 1];
    [rise, cap].iter().for_each(|&w| write_varint(&mut bytes, w));
    multipliers.iter().for_each(|&m| write_signed(&mut bytes, m));
    bytes
}

/// In units of 2^69 the bound is `-gap` plus just below 1 for each of the hidden staircase and the tie.
#[test]
fn sums_of_more_than_64_bits_are_exact() {
    let most = 1 << 40;
    for (gap, good) in [(1, false), (2, true), (3, true)] {
        let said = scaled(gap).checked(Kind::IntegerProof, false, &leaf(most, most, [most as i64, -(most as i64)]));
        assert_eq!(said.is_ok(), good, "{said:?}");
        assert!(good || said.is_err_and(|why| why.contains("the multipliers do not exclude")));
    }
    // The same beside an input that is always 0.
    let mut wide = scaled(1);
    wide.layers[0].weights.iter_mut().for_each(|row| row.push(0));
    wide.input.push((0, 0));
    let said = wide.checked(Kind::IntegerProof, false, &leaf(most, most, [most as i64, -(most as i64)]));
    assert!(said.is_err_and(|why| why.contains("the multipliers do not exclude")));
    let refused = |bytes: &[u8]| scaled(3).checked(Kind::IntegerProof, false, bytes).unwrap_err();
    assert!(refused(&leaf(most + 1, most, [0, 0])).contains("weight 1099511627777 is too large"));
    assert!(refused(&leaf(most, most + 1, [0, 0])).contains("weight 1099511627777 is too large"));
    assert!(refused(&leaf(most, most, [most as i64 + 1, 0])).contains("multiplier 1099511627777 is too large"));
    assert!(refused(&leaf(most, most, [0, -(most as i64) - 1])).contains("multiplier -1099511627777 is too large"));
}

#[test]
fn records_that_are_not_known_are_refused() {
    let refused = |bytes: &[u8]| scaled(3).checked(Kind::IntegerProof, false, bytes).unwrap_err();
    let good = leaf(1 << 29, 1 << 29, [1 << 29, -(1 << 29)]);
    assert!(scaled(3).checked(Kind::IntegerProof, false, &good).is_ok());
    assert!(refused(&[&good[..], &[0]].concat()).contains("bytes after the last tree"));
    (0..good.len()).for_each(|end| assert!(!refused(&good[..end]).is_empty()));
    assert!(refused(&[0, 11]).contains("record 11 is not known") && refused(&[1, 7]).contains("record 7 is no tightening"));
    assert!(refused(&[0, 8, 0, 0, 0]).contains("the unit is zero"));
    // Only hidden neurons have accumulators to tighten or split at; the network has 2, and 1 input.
    for (bytes, what) in [
        (&[0, 8, 1, 0, 1][..], "hidden layer 1 of 1"),
        (&[0, 8, 0, 2, 1], "neuron 2 of 2"),
        (&[0, 2, 1, 0, 0], "hidden layer 1 of 1"),
        (&[0, 2, 0, 2, 0], "neuron 2 of 2"),
        (&[0, 4, 1, 0], "input 1 of 1"),
    ] {
        assert!(refused(bytes).contains(what), "{bytes:?}");
    }
    assert!(refused(&[0, 0]).contains("ranges alone do not exclude class 0"));
}

/// Half of the inputs is left open, then a quarter.
#[test]
fn the_proved_share_counts_halves() {
    let good = leaf(1 << 29, 1 << 29, [1 << 29, -(1 << 29)]);
    let share = |head: &[u8], tail: &[u8]| {
        let bytes = [head, &good[1..], tail].concat();
        let Ok(Shown::Partly(accepted)) = scaled(3).checked(Kind::IntegerProof, true, &bytes) else { panic!("{bytes:?}") };
        (accepted.proved, accepted.leaves, accepted.excluded, accepted.disjuncts)
    };
    // Inputs up to 4 (a signed 4 is the varint 8), and up to 2.
    assert_eq!(share(&[0, 4, 0, 8], &[10]), (0.5, 2, 0, 1));
    assert_eq!(share(&[0, 4, 0, 8, 4, 0, 4], &[&[10], &good[1..]].concat()), (0.75, 3, 0, 1));
    // An open leaf so deep that it is lost in the share still counts.
    let deep = [&[0][..], &[6, 0].repeat(80), &[10]].concat();
    let (proved, _, excluded, _) = share(&deep, &good[1..].repeat(79));
    assert!(proved < 1.0 && excluded == 0);
}

/// A container about the problem, changed.
fn changed(problem: &Problem, payload: &[u8], change: &dyn Fn(&mut Container)) -> Result<Shown, String> {
    let (network, query) = (problem.network_file(), problem.query_file());
    let hash = |text: &str| digest(text.as_bytes());
    let semantics = Semantics::Integer;
    let mut container =
        Container { kind: Kind::IntegerProof, semantics, partial: false, network: hash(&network), query: hash(&query), payload };
    change(&mut container);
    integer::check(network.as_bytes(), query.as_bytes(), &container.write()).map_err(|fault| fault.reason)
}

#[test]
fn certificates_are_about_these_files_and_integers() {
    let good = leaf(1 << 29, 1 << 29, [1 << 29, -(1 << 29)]);
    let refused = |change: &dyn Fn(&mut Container)| changed(&scaled(3), &good, change).unwrap_err();
    assert!(matches!(changed(&scaled(3), &good, &|_| ()), Ok(Shown::Robust(_))));
    assert!(refused(&|c| c.network[31] ^= 1).contains("another network"));
    assert!(refused(&|c| c.query[31] ^= 1).contains("another query"));
    for semantics in [Semantics::Real, Semantics::Float32, Semantics::Both] {
        assert!(refused(&|c| c.semantics = semantics).contains("not `integer`"));
    }
    assert!(refused(&|c| c.kind = Kind::Proof).contains("not about integers"));
    assert!(refused(&|c| c.kind = Kind::Witness).contains("not about integers"));
    assert!(refused(&|c| (c.kind, c.partial) = (Kind::IntegerWitness, true)).contains("only proofs can be partial"));
    // No open leaf: the flag alone leaves nothing open.
    assert!(matches!(changed(&scaled(3), &good, &|c| c.partial = true), Ok(Shown::Robust(_))));
    for (margin, good_margin) in [(-1, false), (0, true), (1, true), (2, false), (1 << 40, false), ((1 << 40) + 1, false)] {
        let said = Problem { margin, ..scaled(3) }.checked(Kind::IntegerProof, false, &good);
        assert_eq!(said.is_ok(), good_margin, "{margin} {said:?}");
        assert_eq!(said.is_err_and(|why| why.contains("out of range")), !(0..=1 << 40).contains(&margin));
    }
}

#[test]
fn witnesses_lie_in_the_box() {
    // The first output is the greater from x = 4 on: x against 4, and ties go to the first.
    let mut problem = scaled(0);
    problem.layers[0].weights[1][0] = 0;
    problem.layers[0].bias[1] = 4 << 29;
    problem.input = vec![(-7, 6)];
    let witness = |problem: &Problem, numbers: &[i64]| {
        let mut bytes = Vec::new();
        numbers.iter().for_each(|&x| write_signed(&mut bytes, x));
        changed(problem, &bytes, &|c| c.kind = Kind::IntegerWitness)
    };
    assert!(witness(&problem, &[4]) == Ok(Shown::Vulnerable { input: vec![4], class: 0 }) && witness(&problem, &[6]).is_ok());
    assert!(
        witness(&problem, &[3]).unwrap_err().contains("the query's class 1")
            && witness(&problem, &[-7]).unwrap_err().contains("the query's class 1")
    );
    assert!(
        witness(&problem, &[7]).unwrap_err().contains("outside the box")
            && witness(&problem, &[-8]).unwrap_err().contains("outside the box")
    );
    assert!(witness(&problem, &[]).is_err() && witness(&problem, &[4, 4]).unwrap_err().contains("bytes after the last input"));
    // Beside an input that is ignored.
    problem.layers[0].weights.iter_mut().for_each(|row| row.push(0));
    problem.input.push((0, 1));
    for (x, good) in [([4, 1], true), ([4, 2], false), ([4, -1], false), ([7, 1], false), ([-8, 0], false)] {
        assert_eq!(witness(&problem, &x).is_ok(), good);
    }
}

/// The second hidden accumulator is `x - x + 5`, of which intervals know -4 to 14 only; the outputs are `sign` times its value, and
/// `sign * 5 + gap`.
fn cancelling(sign: i64, gap: i64) -> Problem {
    let layer = |weights, bias| plain_layer(weights, bias, (0, "half-up"), (-99, 99));
    let layers = vec![
        layer(vec![vec![1], vec![1]], vec![0, 0]),
        layer(vec![vec![1, -1]], vec![5]),
        layer(vec![vec![sign], vec![0]], vec![0, sign * 5 + gap]),
    ];
    Problem { layers, input: vec![(0, 9)], label: 1, margin: 0 }
}

/// Both ends are tightened to 5, shared or in the tree; the end that does not matter does not help.
#[test]
fn tightened_accumulators_bound_what_reads_them() {
    for (sign, kind, other) in [(1, 8, 9), (-1, 9, 8)] {
        let tighten = |kind: u8| {
            // 3 times the accumulator of neuron 0 of layer 1, or -3 times.
            let scale = if kind == 8 { 3 } else { -3 };
            let mut bytes = vec![kind, 1, 0, 3];
            [scale, -scale].iter().for_each(|&m| write_signed(&mut bytes, m));
            bytes
        };
        let said = |gap: i64, bytes: &[Vec<u8>]| cancelling(sign, gap).checked(Kind::IntegerProof, false, &bytes.concat()).is_ok();
        for (gap, good) in [(0, false), (1, true)] {
            assert_eq!(said(gap, &[vec![1], tighten(kind), vec![0]]), good);
            assert_eq!(said(gap, &[vec![0], tighten(kind), vec![0]]), good);
            assert!(!said(gap, &[vec![1], tighten(other), vec![0]]) && !said(gap, &[vec![0], tighten(other), vec![0]]));
        }
    }
}
