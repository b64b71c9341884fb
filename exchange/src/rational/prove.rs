//! Choosing slopes so that `crown_query_v1` proves a query.

use dashu::rational::RBig;
use engine::graph::Graph;
use engine::query::Query;

use super::crown_query::{CrownQuery, Sweep};
use super::extract::{chain, only_case, row};
use super::number::text;
use super::{Budget, Layer, TooMuch};
use crate::{ExchangeError, Judgement};

/// Trial sweeps that changing single slopes may take, times the multiplications of each.
const MOST_WORK: usize = 20_000_000;

/// Writes a certificate that no input of the query breaks its property, or says what could not be proved.
///
/// Of every disjunct one conjunct is shown never to hold.
pub fn write(graph: &Graph, query: &Query) -> Result<String, ExchangeError> {
    let case = only_case(query)?;
    let chain = chain(graph)?;
    let (inputs, outputs) = (chain.inputs, chain.outputs());
    let ends = case.region.ranges.iter().map(|r| (r.low.to_rational(), r.high.to_rational()));
    let (low, high): (Vec<RBig>, Vec<RBig>) = ends.unzip();
    if low.len() != inputs {
        return Err(ExchangeError::Mismatch(format!("the query has {} inputs, the network {inputs}", low.len())));
    }
    let mut whole = CrownQuery { chain, low, high, weights: Vec::new(), bias: Vec::new(), strict: true };
    let (mut disjuncts, mut loose) = (Vec::new(), Vec::new());
    for disjunct in case.disjuncts.iter() {
        let first = whole.bias.len();
        for constraint in disjunct {
            if let Some((weights, bias)) = row(constraint, inputs, outputs) {
                whole.weights.push(weights);
                whole.bias.push(bias);
                loose.push(constraint.strict);
            }
        }
        disjuncts.push((first..whole.bias.len()).collect::<Vec<_>>());
    }
    if let Some(d) = disjuncts.iter().position(Vec::is_empty) {
        return Err(ExchangeError::Inexpressible(format!("disjunct {d} has no constraint over outputs alone")));
    }
    let goal = Goal { disjuncts, loose };
    let bounds = improve(&mut whole, &goal).map_err(|e| ExchangeError::NotProved(e.to_string()))?;
    select(whole, &goal, &bounds)
}

/// Rows by disjunct, and which rows may reach 0: those whose constraint is strict.
struct Goal {
    disjuncts: Vec<Vec<usize>>,
    loose: Vec<bool>,
}

impl Goal {
    /// The best row of every disjunct.
    fn best(&self, bounds: &[RBig]) -> Vec<usize> {
        self.disjuncts.iter().filter_map(|rows| rows.iter().copied().min_by(|&a, &b| bounds[a].cmp(&bounds[b]))).collect()
    }

    /// The bound that matters: of the worst disjunct.
    fn score(&self, bounds: &[RBig]) -> RBig {
        self.best(bounds).into_iter().map(|r| bounds[r].clone()).max().unwrap_or(RBig::ZERO)
    }
}

/// Tries a few rules for all slopes, then single slopes while the query is open; leaves the best in place.
fn improve(query: &mut CrownQuery, goal: &Goal) -> Result<Vec<RBig>, TooMuch> {
    let mut best: Option<(RBig, CrownQuery, Sweep)> = None;
    for common in [None, Some(RBig::ZERO), Some(RBig::ONE), Some(RBig::ONE / RBig::from(2u8))] {
        let mut trial = query.clone();
        set_slopes(&mut trial, |_, _, (l, u)| common.clone().unwrap_or(if *u > -l { RBig::ONE } else { RBig::ZERO }))?;
        keep_better(&mut best, trial, goal)?;
        if best.as_ref().is_some_and(|b| b.0 < RBig::ZERO) {
            break;
        }
    }
    let Some((mut score, mut current, mut sweep)) = best else { return Err(TooMuch) };
    let work = current.chain.inputs * current.chain.layers.iter().map(size).sum::<usize>().max(1);
    let mut trials = MOST_WORK / work.max(1);
    for (layer, i) in unstable(&current, &sweep) {
        for slope in [RBig::ZERO, RBig::ONE / RBig::from(2u8), RBig::ONE] {
            if trials == 0 || score < RBig::ZERO {
                break;
            }
            trials -= 1;
            let mut trial = current.clone();
            if let Layer::Relu { alpha: Some(alpha) } = &mut trial.chain.layers[layer] {
                alpha[i] = slope;
            }
            let own = trial.sweep(&mut Budget::default())?;
            if goal.score(&own.bounds) < score {
                (score, current, sweep) = (goal.score(&own.bounds), trial, own);
            }
        }
    }
    *query = current;
    Ok(sweep.bounds)
}

fn size(layer: &Layer) -> usize {
    match layer {
        Layer::Linear { weights, .. } => weights.iter().map(Vec::len).sum(),
        Layer::Relu { .. } => 0,
    }
}

fn keep_better(best: &mut Option<(RBig, CrownQuery, Sweep)>, trial: CrownQuery, goal: &Goal) -> Result<(), TooMuch> {
    let sweep = trial.sweep(&mut Budget::default())?;
    let score = goal.score(&sweep.bounds);
    if best.as_ref().is_none_or(|b| score < b.0) {
        *best = Some((score, trial, sweep));
    }
    Ok(())
}

/// Gives every ReLU the slope that the rule says for its range, layer by layer.
fn set_slopes(query: &mut CrownQuery, rule: impl Fn(usize, usize, &(RBig, RBig)) -> RBig) -> Result<(), TooMuch> {
    let relus: Vec<usize> =
        query.chain.layers.iter().enumerate().filter(|(_, l)| matches!(l, Layer::Relu { .. })).map(|(at, _)| at).collect();
    for (number, &at) in relus.iter().enumerate() {
        let ranges = query.sweep(&mut Budget::default())?.ranges.swap_remove(number);
        let slopes = ranges.iter().enumerate().map(|(i, range)| rule(at, i, range)).collect();
        query.chain.layers[at] = Layer::Relu { alpha: Some(slopes) };
    }
    Ok(())
}

/// ReLUs whose range holds 0 inside, the last layers first.
fn unstable(query: &CrownQuery, sweep: &Sweep) -> Vec<(usize, usize)> {
    let relus = query.chain.layers.iter().enumerate().filter(|(_, l)| matches!(l, Layer::Relu { .. })).map(|(at, _)| at);
    let inside = |(at, ranges): (usize, &Vec<(RBig, RBig)>)| {
        let open = ranges.iter().enumerate().filter(|(_, (l, u))| *l < RBig::ZERO && *u > RBig::ZERO);
        open.map(|(i, _)| (at, i)).collect::<Vec<_>>()
    };
    let mut all: Vec<Vec<(usize, usize)>> = relus.zip(&sweep.ranges).map(inside).collect();
    all.reverse();
    all.concat()
}

/// The certificate of the best rows.
fn select(whole: CrownQuery, goal: &Goal, bounds: &[RBig]) -> Result<String, ExchangeError> {
    let rows = goal.best(bounds);
    let pick = |v: &Vec<RBig>| rows.iter().map(|&r| v[r].clone()).collect();
    let weights = rows.iter().map(|&r| whole.weights[r].clone()).collect();
    // One flag for all rows: `<= 0` says enough only if every row's constraint is strict.
    let strict = !rows.iter().all(|&r| goal.loose[r]) || rows.iter().all(|&r| bounds[r] < RBig::ZERO);
    let query = CrownQuery { weights, bias: pick(&whole.bias), strict, ..whole };
    match query.check() {
        Judgement::Accepted(_) => Ok(query.to_json()),
        _ => {
            let open = rows.iter().zip(0..).find(|(r, _)| !query.allows(&bounds[**r]));
            let (bound, d) = open.map_or((RBig::ZERO, 0), |(r, d)| (bounds[*r].clone(), d));
            let shown = if text(&bound).len() < 24 { text(&bound) } else { format!("{:e}", bound.to_f64().value()) };
            let what = format!("disjunct {d}: the best bound is {shown}, which is not below 0; a certificate with splits may prove it");
            Err(ExchangeError::NotProved(what))
        }
    }
}
