//! Laws of bounds on random graphs, with exact signs and no tolerance: linear forms stay above the real network in exact
//! arithmetic, and ranges hold every deployed evaluation.

mod deployed;
mod graphs;
mod points;
mod splits;
mod tight;

use dashu::rational::RBig;
use deployed::Style;
use engine::bounds::{Deployed, Descent, Form, Network, Plan, Relaxation};
use engine::graph::{Element, Graph, NodeId};
use engine::ops::{Ranges, Working};
use graphs::{Dice, Kind, describe, random_graph};
use points::{exact, exact_values, points, random_box};

/// Rows of coefficients on some nodes.
struct Rows {
    count: usize,
    starts: Vec<(NodeId, Vec<f32>)>,
}

fn random_rows(dice: &mut Dice, graph: &Graph) -> Rows {
    let count = 1 + dice.below(6);
    let mut ids = graph.outputs.clone();
    if dice.one_in(4) {
        ids.push(graph.inputs[0]);
    }
    ids.sort_unstable();
    ids.dedup();
    let row = |dice: &mut Dice| if dice.one_in(4) { [0.0, 1.0, -1.0][dice.below(3)] } else { dice.number(1.0) };
    let starts = ids.iter().map(|&id| (id, (0..count * graph.nodes[id].len()).map(|_| row(dice)).collect())).collect();
    Rows { count, starts }
}

impl Rows {
    fn in_type<F: Working>(&self) -> Vec<(NodeId, Vec<F>)> {
        self.starts.iter().map(|(id, c)| (*id, c.iter().map(|&c| F::from_f64(c as f64)).collect())).collect()
    }

    /// The exact value of row `r`.
    fn value(&self, r: usize, value: impl Fn(NodeId, usize) -> RBig) -> RBig {
        let mut sum = RBig::ZERO;
        for (id, c) in &self.starts {
            let len = c.len() / self.count;
            for (i, &c) in c[r * len..(r + 1) * len].iter().enumerate().filter(|c| *c.1 != 0.0) {
                sum += exact(c as f64) * value(*id, i);
            }
        }
        sum
    }
}

/// Bounds of every kind of one graph over one box.
struct Bounded {
    ranges: Vec<(&'static str, Vec<Ranges>)>,
    /// Method, row, and the form.
    forms: Vec<(&'static str, usize, Form<f64>)>,
}

fn bounds<F: Working>(graph: &Graph, region: &Ranges, rows: &Rows, deployed: Deployed, names: [&'static str; 4]) -> Bounded {
    let network = Network::new(graph, deployed);
    let crown = Plan::crown(&|| false);
    let plans =
        [Plan { rows: false, ..crown }, Plan { rows: false, forward: true, ..crown }, crown, Plan { steps: 3, forward: true, ..crown }];
    let mut result = Bounded { ranges: Vec::new(), forms: Vec::new() };
    for (plan, name) in plans.into_iter().zip(names) {
        let relaxation = Relaxation::<F>::planned(&network, region, plan);
        let starts = rows.in_type::<F>();
        let forms = match plan.steps {
            0 => relaxation.sweep(starts, rows.count),
            steps => relaxation.optimised(&starts, rows.count, Descent::of(steps), &|_| false),
        };
        for (r, f) in forms.into_iter().enumerate() {
            let coefficients = f.coefficients.iter().map(|c| c.to_f64()).collect();
            result.forms.push((name, r, Form { coefficients, constant: f.constant, error: f.error, bound: f.bound }));
        }
        assert!(!relaxation.empty, "a box is never empty");
        result.ranges.push((name, relaxation.bounds.ranges));
    }
    result
}

fn both_types(graph: &Graph, region: &Ranges, rows: &Rows, deployed: Deployed) -> Bounded {
    let mut all = bounds::<f32>(graph, region, rows, deployed, ["interval f32", "forward f32", "CROWN f32", "slopes f32"]);
    let double = bounds::<f64>(graph, region, rows, deployed, ["interval f64", "forward f64", "CROWN f64", "slopes f64"]);
    all.ranges.extend(double.ranges);
    all.forms.extend(double.forms);
    all
}

/// Some of the corners where the forms are greatest.
fn worst_corners(dice: &mut Dice, bounded: &Bounded, region: &Ranges) -> Vec<Vec<f64>> {
    let corner = |f: &Form<f64>| {
        let pick = |(d, &v): (usize, &f64)| if v > 0.0 { region.high[d] } else { region.low[d] };
        f.coefficients.iter().enumerate().map(pick).collect()
    };
    (0..6).map(|_| corner(&bounded.forms[dice.below(bounded.forms.len())].2)).collect()
}

fn some_points(dice: &mut Dice, bounded: &Bounded, region: &Ranges) -> Vec<Vec<f64>> {
    let corners = worst_corners(dice, bounded, region);
    points(dice, region, &corners, 4)
}

/// The form's exact value at a point.
fn form_value(form: &Form<f64>, point: &[f64]) -> RBig {
    form.coefficients.iter().zip(point).fold(exact(form.constant), |sum, (&c, &x)| sum + exact(c) * exact(x))
}

fn is_finite(form: &Form<f64>) -> bool {
    form.constant.is_finite() && form.bound.is_finite() && form.coefficients.iter().all(|c| c.is_finite())
}

fn inside(x: &RBig, low: f64, high: f64) -> bool {
    (low == f64::NEG_INFINITY || exact(low) <= *x) && (high == f64::INFINITY || *x <= exact(high))
}

/// Where a value is not bounded as it should be; `None` if it is.
fn broken(bounded: &Bounded, rows: &Rows, point: &[f64], value: impl Fn(NodeId, usize) -> Option<RBig>) -> Option<String> {
    for (name, ranges) in &bounded.ranges {
        for (id, r) in ranges.iter().enumerate() {
            for i in 0..r.len() {
                if value(id, i).is_some_and(|x| !inside(&x, r.low[i], r.high[i])) {
                    return Some(format!("{name}: element {i} of node {id} leaves {:?}", r.at(i)));
                }
            }
        }
    }
    for (name, r, form) in bounded.forms.iter().filter(|f| is_finite(&f.2)) {
        let x = rows.value(*r, |id, i| value(id, i).expect("outputs are never folded"));
        if x > form_value(form, point) {
            return Some(format!("{name}: row {r} above its form {form:?}"));
        }
        if x > exact(form.bound) {
            return Some(format!("{name}: row {r} above its bound {form:?}"));
        }
    }
    None
}

/// Graphs to try: fewer without optimisation.
fn many(full: u64) -> u64 {
    if cfg!(debug_assertions) { full / 4 } else { full }
}

#[test]
fn the_real_network_stays_below_its_forms_and_within_its_ranges() {
    let (mut checked, mut finite, mut forms) = (0, 0, 0);
    for (kind, graphs) in [(Kind::Affine, many(300)), (Kind::Rational, many(600))] {
        for seed in 0..graphs {
            let dice = &mut Dice::new(seed);
            let graph = random_graph(dice, kind);
            let region = random_box(dice, graph.input_len());
            let rows = random_rows(dice, &graph);
            let bounded = both_types(&graph, &region, &rows, Deployed::REAL);
            forms += bounded.forms.len();
            finite += bounded.forms.iter().filter(|f| is_finite(&f.2)).count();
            for point in some_points(dice, &bounded, &region) {
                let Some(values) = exact_values(&graph, &point) else { break };
                checked += 1;
                if let Some(why) = broken(&bounded, &rows, &point, |id, i| Some(values[id][i].clone())) {
                    panic!("{kind:?} {seed} at {point:?}: {why}\n{}", describe(&graph));
                }
            }
        }
    }
    assert!(checked > 4 * many(600), "only {checked} points checked");
    assert!(finite * 10 > forms * 9, "only {finite} of {forms} forms are finite");
}

#[test]
fn forward_bounds_of_affine_networks_are_exact_but_for_rounding() {
    let mut narrower = 0;
    for seed in 0..many(200) {
        let dice = &mut Dice::new(seed);
        let graph = random_graph(dice, Kind::Affine);
        let region = random_box(dice, graph.input_len());
        let network = Network::new(&graph, Deployed::REAL);
        let interval = Relaxation::<f64>::interval(&network, &region);
        let forward = Relaxation::<f64>::planned(&network, &region, Plan { rows: false, forward: true, ..Plan::crown(&|| false) });
        for &id in &graph.outputs {
            let len = graph.nodes[id].len();
            let unit: Vec<f64> = (0..len * len).map(|i| if i / len == i % len { 1.0 } else { 0.0 }).collect();
            // Backward rows of affine networks are the functions themselves.
            for (i, form) in interval.sweep(vec![(id, unit)], len).into_iter().enumerate() {
                let (high, size) = (forward.bounds.ranges[id].high[i], interval.bounds.size(id, i));
                assert!(!form.bound.is_finite() || high <= form.bound + 1e-8 * size, "{seed}: {high} above {} on node {id}", form.bound);
                narrower += (high < interval.bounds.ranges[id].high[i] - 1e-6 * size) as usize;
            }
        }
    }
    assert!(narrower > 20, "only {narrower} elements that intervals do not see");
}

#[test]
fn smooth_networks_stay_below_their_forms() {
    for seed in 0..many(300) {
        let dice = &mut Dice::new(1000 + seed);
        let graph = random_graph(dice, Kind::Smooth);
        let region = random_box(dice, graph.input_len());
        let rows = random_rows(dice, &graph);
        let bounded = both_types(&graph, &region, &rows, Deployed::REAL);
        let network = Network::new(&graph, Deployed::REAL);
        for point in some_points(dice, &bounded, &region) {
            // The laws of operators hold these enclosures of the values at one point to exact arithmetic.
            let at = Relaxation::<f64>::interval(&network, &Ranges { low: point.clone(), high: point.clone() });
            for (name, ranges) in &bounded.ranges {
                for (id, r) in ranges.iter().enumerate() {
                    let own = &at.bounds.ranges[id];
                    let meets = |i: usize| own.low[i] <= r.high[i] && r.low[i] <= own.high[i];
                    assert!((0..r.len()).all(meets), "{seed} {name}: node {id} at {point:?}\n{}", describe(&graph));
                }
            }
            for (name, r, form) in bounded.forms.iter().filter(|f| is_finite(&f.2)) {
                // The least value that the row can have by the enclosures.
                let mut least = RBig::ZERO;
                for (id, c) in &rows.starts {
                    let len = c.len() / rows.count;
                    for (i, &c) in c[r * len..(r + 1) * len].iter().enumerate().filter(|c| *c.1 != 0.0) {
                        let x = at.bounds.ranges[*id].at(i);
                        least += exact(c as f64) * exact(if c > 0.0 { x.low } else { x.high });
                    }
                }
                assert!(least <= form_value(form, &point), "{seed} {name}: row {r} at {point:?}\n{}", describe(&graph));
                assert!(least <= exact(form.bound), "{seed} {name}: row {r} at {point:?}\n{}", describe(&graph));
            }
        }
    }
}

/// Evaluates many graphs as a machine may; returns how many evaluations leave what `bounds_of` says, and the first such.
fn deployed_failures(bounds_of: Deployed, kinds: &[(Kind, u64)]) -> (usize, Option<String>) {
    let (mut failures, mut first) = (0, None);
    for &(kind, graphs) in kinds {
        for seed in 0..graphs {
            let dice = &mut Dice::new(5000 + seed);
            let graph = random_graph(dice, kind);
            let region = random_box(dice, graph.input_len());
            let rows = random_rows(dice, &graph);
            let bounded = both_types(&graph, &region, &rows, bounds_of);
            for point in some_points(dice, &bounded, &region) {
                for _ in 0..3 {
                    let style = Style::random(dice);
                    let values = deployed::evaluate(&graph, &point, style, dice);
                    if values.iter().flatten().flatten().any(|x| !x.is_finite()) {
                        continue;
                    }
                    let value = |id: NodeId, i: usize| values[id].as_ref().map(|v| exact(v[i] as f64));
                    if let Some(why) = broken(&bounded, &rows, &point, value) {
                        failures += 1;
                        first.get_or_insert(format!("{kind:?} {seed} at {point:?} {style:?}: {why}\n{}", describe(&graph)));
                    }
                }
            }
        }
    }
    (failures, first)
}

#[test]
fn every_deployed_evaluation_stays_within_its_bounds() {
    let kinds = [(Kind::Affine, many(300)), (Kind::Rational, many(500)), (Kind::Smooth, many(300))];
    let (failures, first) = deployed_failures(Deployed::evaluated_in(Element::F32), &kinds);
    assert!(failures == 0, "{failures} evaluations, the first: {}", first.unwrap_or_default());
}

/// The law above has teeth: bounds of the real network alone do not hold deployed evaluations.
#[test]
fn bounds_of_the_real_network_do_not_cover_deployed_ones() {
    let (failures, _) = deployed_failures(Deployed::REAL, &[(Kind::Affine, 60), (Kind::Rational, 60)]);
    assert!(failures > 50, "only {failures} evaluations leave the bounds of the real network");
}
