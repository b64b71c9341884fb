//! Leaves of our own: CROWN bounds and splits of inputs until every part is closed.

use std::time::{Duration, Instant};

use engine::bounds::{Deployed, Form, Network, Relaxation};
use engine::graph::{Graph, NodeId};
use engine::numerics::Interval;
use engine::ops::Ranges;
use engine::query::Query;

use super::Property;
use super::read::{FORMAT, Leaf, Leaves};
use crate::ExchangeError;
use crate::json::{Number, array};
use crate::nodes::{Ends, vector};

/// What a branch and bound may take.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Most leaves.
    pub leaves: usize,
    /// Most time.
    pub time: Duration,
}

impl Default for Effort {
    fn default() -> Effort {
        Effort { leaves: 100_000, time: Duration::from_secs(600) }
    }
}

/// Share of a bound's distance to its threshold that is not stated, so that it can be proved again without the same luck.
const HELD_BACK: f64 = 1.0 / 64.0;

/// Writes the leaves of a proof that no input of the query breaks its property.
pub fn write(graph: &Graph, query: &Query, effort: Effort) -> Result<String, ExchangeError> {
    let property = Property::new(query)?;
    let root = root(&property)?;
    let network = Network::new(graph, Deployed::REAL);
    let started = Instant::now();
    let (mut open, mut leaves) = (vec![root.clone()], Vec::new());
    while let Some(part) = open.pop() {
        if leaves.len() + open.len() >= effort.leaves || started.elapsed() > effort.time {
            let what = format!("{} parts are closed and {} open at the limit", leaves.len(), open.len() + 1);
            return Err(ExchangeError::NotProved(what));
        }
        let relaxation = Relaxation::<f64>::crown(&network, &part, &|| started.elapsed() > effort.time);
        let forms = rows(&relaxation, &property);
        match close(&property, &part, &forms) {
            Some(leaf) => leaves.push(leaf),
            None => open.extend(split(&property, &part, &forms)?),
        }
    }
    let root = ends(&root)?;
    Ok(to_json(&Leaves { root, leaves }))
}

fn root(property: &Property) -> Result<Ranges, ExchangeError> {
    let ranges = property.case.region.ranges.iter().map(|r| Interval { low: r.low.to_f64_down(), high: r.high.to_f64_up() });
    Ok(Ranges::collect(ranges))
}

fn ends(part: &Ranges) -> Result<Ends, ExchangeError> {
    let all = |v: &[f64]| v.iter().map(|&x| Number::of_f64(x)).collect::<Option<Vec<_>>>();
    match (all(&part.low), all(&part.high)) {
        (Some(low), Some(high)) => Ok(Ends { low, high }),
        _ => Err(ExchangeError::Inexpressible("an input range beyond the doubles".into())),
    }
}

/// Upper forms of `terms . (x, y) + constant` for every constraint.
fn rows(relaxation: &Relaxation<f64>, property: &Property) -> Vec<Form<f64>> {
    let graph = relaxation.network.graph;
    let mut paid = vec![0.0f64; property.rows.len()];
    let mut starts: Vec<(NodeId, Vec<f64>)> = Vec::new();
    let mut first = 0;
    for &id in graph.inputs.iter().chain(&graph.outputs) {
        let len = graph.nodes[id].len();
        let mut coefficients = vec![0.0; property.rows.len() * len];
        for (r, row) in property.rows.iter().enumerate() {
            for (element, c) in row.terms.iter().filter(|(e, _)| (first..first + len).contains(e)) {
                let i = element - first;
                coefficients[r * len + i] = c.to_f64();
                // A coefficient that is no double errs by less than an ulp; adding it to what a sweep brings, by another.
                paid[r] = (paid[r] + (c.to_f64().abs() * 8.0 * f64::EPSILON * relaxation.bounds.size(id, i)).next_up()).next_up();
            }
        }
        first += len;
        if coefficients.iter().any(|&c| c != 0.0) {
            starts.push((id, coefficients));
        }
    }
    let mut forms = relaxation.sweep(starts, property.rows.len());
    for ((form, row), paid) in forms.iter_mut().zip(&property.rows).zip(paid) {
        form.bound = ((form.bound + row.constant.to_f64_up()).next_up() + paid).next_up();
    }
    forms
}

/// The leaf, if every disjunct has a row that cannot meet its constraint.
fn close(property: &Property, part: &Ranges, forms: &[Form<f64>]) -> Option<Leaf> {
    let mut lower_bounds = Vec::new();
    for (form, row) in forms.iter().zip(&property.rows) {
        // terms + constant <= bound, so the row -terms is at least constant - bound.
        let slack = if form.bound.is_finite() { form.bound + HELD_BACK * form.bound.abs() } else { return None };
        let exact = Interval::point(row.constant.to_f64_down()) - Interval::point(slack);
        lower_bounds.push(Number::of_f64(at_most(exact.low)?)?);
    }
    let closed = property.disjuncts.iter().all(|rows| rows.iter().any(|&r| property.excludes(r, &lower_bounds[r])));
    let thresholds = property.rows.iter().map(|row| Number::new(row.constant.clone())).collect::<Vec<_>>();
    let excess = |r: &usize| (&lower_bounds[*r].exact - &thresholds[*r].exact).to_f64();
    let witness = (0..thresholds.len()).max_by(|a, b| excess(a).total_cmp(&excess(b))).filter(|w| excess(w) > 0.0);
    let margin = witness.and_then(|w| Number::of_f64(at_most((&lower_bounds[w].exact - &thresholds[w].exact).to_f64_down())?));
    let region = ends(part).ok()?;
    closed.then_some(Leaf { region, lower_bounds, thresholds, witness, margin })
}

/// The greatest binary32 number that is at most `x`.
fn at_most(x: f64) -> Option<f64> {
    let near = x as f32;
    let below = if f64::from(near) > x { near.next_down() } else { near };
    Some(f64::from(below)).filter(|b| b.is_finite())
}

/// Two halves along the input that the open rows vary most with.
fn split(property: &Property, part: &Ranges, forms: &[Form<f64>]) -> Result<[Ranges; 2], ExchangeError> {
    let open = property.disjuncts.iter().filter(|rows| rows.iter().all(|&r| !(forms[r].bound < 0.0)));
    let rows: Vec<usize> = open.flatten().copied().collect();
    let width = |i: usize| part.high[i] - part.low[i];
    let reach = |i: usize| rows.iter().map(|&r| forms[r].coefficients.get(i).map_or(0.0, |c| c.abs())).sum::<f64>() * width(i);
    let middle = |i: usize| Interval { low: part.low[i], high: part.high[i] }.middle();
    let divisible = |i: &usize| part.low[*i] < middle(*i) && middle(*i) < part.high[*i];
    let score = |i: &usize| (if reach(*i).is_finite() { reach(*i) } else { 0.0 }) + 1e-3 * width(*i);
    let Some(i) = (0..part.len()).filter(divisible).max_by(|a, b| score(a).total_cmp(&score(b))) else {
        return Err(ExchangeError::NotProved("a part of no width stays open".into()));
    };
    let mut halves = [part.clone(), part.clone()];
    (halves[0].high[i], halves[1].low[i]) = (middle(i), middle(i));
    Ok(halves)
}

fn to_json(leaves: &Leaves) -> String {
    let ends = |e: &Ends| format!(r#""lo":{},"hi":{}"#, vector(&e.low), vector(&e.high));
    let leaf = |leaf: &Leaf| {
        let mut text = format!("{{{},\"lb\":{},\"threshold\":{}", ends(&leaf.region), vector(&leaf.lower_bounds), vector(&leaf.thresholds));
        if let (Some(witness), Some(margin)) = (leaf.witness, &leaf.margin) {
            text += &format!(r#","witness_idx":{witness},"witness_margin":{}"#, margin.exact);
        }
        text + "}"
    };
    let (n, root) = (leaves.root.len(), ends(&leaves.root));
    format!(r#"{{"format":"{FORMAT}","input_dim":{n},"root":{{{root}}},"leaves":{}}}"#, array(leaves.leaves.iter().map(leaf))) + "\n"
}
