//! Random chains, boxes and objectives: counterexamples are never lost, facts enclose what they are about.

use engine::bounds::Deployed;
use engine::bounds::chain::{Bounder, Objective, Objectives};
use engine::graph::Element;
use engine::numerics::Random;

use super::follow::{Hunt, Tally, objective};
use super::networks::*;

/// Random disjuncts, most of them just satisfied by the samples that come nearest to it.
pub fn objectives(inputs: usize, outputs: usize, style: Style, samples: &[Sample], sign: f64, random: &mut Random) -> Objectives<f32> {
    let mut all = Objectives::default();
    for _ in 0..1 + below(3, random) {
        let mut rows = Vec::new();
        let rounded = once_in(3, random);
        for _ in 0..pick(&[1, 1, 2, 3], random) {
            rows.push(all.rows.len());
            all.rows.push(row(inputs, outputs, style, rounded, random));
        }
        set_constants(&mut all, &rows, samples, sign, random);
        all.disjuncts.push(rows);
    }
    if once_in(3, random) {
        let mut cut = Objective { inputs: (0..inputs).map(|_| weight(style, random)).collect(), ..Objective::default() };
        cut.strict = once_in(2, random);
        all.cuts.push(all.rows.len());
        all.rows.push(cut);
        let cuts = all.cuts.clone();
        set_constants(&mut all, &cuts, samples, sign, random);
    }
    all
}

fn row(inputs: usize, outputs: usize, style: Style, rounded: bool, random: &mut Random) -> Objective<f32> {
    let error = |random: &mut Random| if rounded { pick(&[0.0, 1e-9, 1e-3], random) } else { 0.0 };
    let style = if style == Style::Wild { Style::Plain } else { style };
    let mixed = once_in(3, random);
    Objective {
        outputs: (0..outputs).map(|_| weight(style, random)).collect(),
        inputs: if mixed { (0..inputs).map(|_| weight(style, random)).collect() } else { Vec::new() },
        constant: 0.0,
        output_error: error(random),
        input_error: if mixed { error(random) } else { 0.0 },
        strict: once_in(2, random),
    }
}

/// Chooses the constants so that the sample best for a random row satisfies all `rows`: just, with a margin, or not.
fn set_constants(all: &mut Objectives<f32>, rows: &[usize], samples: &[Sample], sign: f64, random: &mut Random) {
    let lead = pick(rows, random);
    let value = |r: usize, s: usize| objective(all, r, &samples[s], sign);
    let best = (1..samples.len()).fold(0, |best, s| if value(lead, s) > value(lead, best) { s } else { best });
    let margin = pick(&[0.0, 0.0, 1e-7, 1e-3, 0.3, -1e-3], random);
    let constants: Vec<f64> = rows.iter().map(|&r| (-&value(r, best)).to_f64_up()).collect();
    for (&r, least) in rows.iter().zip(constants) {
        let size = objective(all, r, &samples[best], sign).abs().to_f64_up().max(1e-30);
        all.rows[r].constant = least + margin * size;
        if all.rows[r].strict && margin == 0.0 && once_in(2, random) {
            all.rows[r].constant = least.next_up();
        }
    }
}

/// One random problem, followed in `f32` and in `f64`.
fn case(seed: u64, deployed: Deployed, float: bool) -> [Tally; 2] {
    let random = &mut Random::new(seed);
    let style = pick(&[Style::Integers, Style::Plain, Style::Plain, Style::Wild], random);
    let shape = Shape { inputs: pick(&[1, 2, 2, 3, 3, 4, 13], random), style, folded: !float && once_in(2, random) };
    let chain = chain(shape, random);
    let (low, high) = sides(shape.inputs, random);
    let points: Vec<Vec<f64>> = (0..14).map(|_| point(&low, &high, random)).collect();
    let sample = |x: &Vec<f64>, random: &mut Random| match float {
        true => single_precision(&chain, x, random),
        false => Some(adversary(&chain, deployed, x, random)),
    };
    let samples: Vec<Sample> = points.iter().filter_map(|x| sample(x, random)).collect();
    if samples.is_empty() {
        return [Tally::default(); 2];
    }
    let sign = pick(&[-1.0, 0.0, 1.0], random);
    let objectives = objectives(shape.inputs, chain.output().neurons, style, &samples, sign, random);
    let wide = chain.convert::<f64>();
    let mut double = Bounder::new(wide, objectives.widen(), deployed);
    let mut single = Bounder::new(chain, objectives, deployed);
    let neurons = pick(&[0, 4, 15, 100], random);
    (single.neuron_split_below, double.neuron_split_below) = (neurons, neurons);
    let parts = 40;
    let hunt = |name: &str| Hunt { samples: &samples, sign, parts, note: format!("seed {seed}, {name}, {shape:?}") };
    let root = single.root(low.clone(), high.clone());
    let first = hunt("f32").run(&single, &double, root, random);
    let wide = |v: &[f32]| v.iter().map(|&x| x as f64).collect::<Vec<f64>>();
    let root = double.root(wide(&low), wide(&high));
    [first, hunt("f64").run(&double, &double, root, random)]
}

fn run(seeds: std::ops::Range<u64>, deployed: Deployed, float: bool) -> Tally {
    let mut sum = Tally::default();
    for tally in seeds.flat_map(|seed| case(seed, deployed, float)) {
        sum.parts += tally.parts;
        sum.closed += tally.closed;
        sum.facts += tally.facts;
        sum.lines += tally.lines;
        sum.clipped += tally.clipped;
        sum.neuron_splits += tally.neuron_splits;
        sum.widened += tally.widened;
        sum.followed += tally.followed;
    }
    println!("{sum:?}");
    sum
}

/// The test looked at something of every kind.
fn assert_busy(tally: Tally, cases: usize) {
    assert!(tally.followed > cases && tally.parts > 5 * cases && tally.closed > cases / 2, "{tally:?}");
    assert!(tally.facts > 100 * cases && tally.lines > 20 * cases, "{tally:?}");
    assert!(tally.clipped > cases / 4 && tally.neuron_splits > cases / 4 && tally.widened > cases / 8, "{tally:?}");
}

#[test]
fn the_real_network_never_loses_a_counterexample() {
    assert_busy(run(0..2000, Deployed::REAL, false), 2000);
}

#[test]
fn a_deployed_network_that_errs_as_it_may_never_loses_a_counterexample() {
    assert_busy(run(10_000..12_000, Deployed::evaluated_in(Element::F32), false), 2000);
}

#[test]
fn binary32_evaluations_in_any_order_never_lose_a_counterexample() {
    assert_busy(run(20_000..21_500, Deployed::evaluated_in(Element::F32), true), 1500);
}
