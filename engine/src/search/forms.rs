//! Linear bounds of a case's objectives on one box of any network, and what they exclude.

use crate::bounds::chain::Objectives;
use crate::bounds::{Choices, Descent, Form, Game, Relaxation, combine};
use crate::graph::NodeId;
use crate::ops::{Ranges, Working};

/// Forms of some objectives over one box.
pub struct Forms {
    /// One per objective; none where it was not asked for.
    pub forms: Vec<Option<Form<f64>>>,
}

/// What excludes a disjunct. Facts are numbered: the disjunct's objectives, then the cuts.
#[derive(Clone, Debug, PartialEq)]
pub enum Exclusion {
    /// One fact.
    Alone(usize),
    /// All facts with these weights.
    Joint(Vec<f64>),
    /// What clipping with the facts, and with their sum of these weights, leaves of the box.
    Clipped(Vec<f64>),
}

/// What the forms say about the disjuncts.
#[derive(Debug, Default)]
pub struct Judgement {
    /// Disjuncts that are not excluded.
    pub open: Vec<usize>,
    /// The greatest bound of an open disjunct.
    pub worst: f64,
    /// The least distance from zero of an excluded one.
    pub margin: f64,
    /// Largest allowance for rounding in a row of an open disjunct.
    pub error: f64,
    /// For each input, how much the open disjuncts' forms vary along it.
    pub reach: Vec<f64>,
    /// Disjuncts that are excluded, and how.
    pub excluded: Vec<(usize, Exclusion)>,
    /// Of each open disjunct the weights of its facts.
    pub weights: Vec<Vec<f64>>,
    /// Points where the open disjuncts' forms are greatest.
    pub points: Vec<Vec<f64>>,
    /// What the open disjuncts' forms leave of the box.
    pub left: Ranges,
}

/// Inputs of positive width up to which the conjuncts of a disjunct are combined.
const MOST_GAME_INPUTS: usize = 64;

/// Upper forms of the objectives `rows`; with `steps`, after optimising their slopes.
pub fn bound_rows<F: Working>(
    relaxation: &Relaxation<F>,
    objectives: &Objectives<F>,
    rows: &[usize],
    steps: usize,
    stop: &dyn Fn() -> bool,
) -> Forms {
    let starts = starts(relaxation, objectives, rows);
    let forms = match steps {
        0 => relaxation.sweep(starts, rows.len()),
        _ => {
            let done = |forms: &[Form<F>]| stop() || forms.iter().zip(rows).all(|(f, &r)| f.bound + objectives.rows[r].constant < 0.0);
            relaxation.optimised(&starts, rows.len(), Descent::of(steps), &done)
        }
    };
    complete(relaxation, objectives, rows, forms)
}

/// As [`bound_rows`], with what each row chooses after so many steps; the first rows only once `stop` says so.
pub fn choose_rows(
    relaxation: &Relaxation<f64>,
    objectives: &Objectives<f64>,
    rows: &[usize],
    steps: usize,
    stop: &dyn Fn() -> bool,
) -> (Forms, Vec<Vec<Choices>>) {
    let (mut forms, mut choices) = (Vec::new(), Vec::new());
    for part in rows.chunks(relaxation.rows_with_slopes()).take_while(|_| !stop()) {
        let (bounds, chosen) = relaxation.chosen(&starts(relaxation, objectives, part), part.len(), Descent::of(steps), stop);
        forms.extend(bounds);
        choices.extend(chosen);
    }
    (complete(relaxation, objectives, rows, forms), choices)
}

/// Forms of the rows with their constants and what rounding coefficients costs.
fn complete<F: Working>(relaxation: &Relaxation<F>, objectives: &Objectives<F>, rows: &[usize], forms: Vec<Form<F>>) -> Forms {
    let mut all: Vec<Option<Form<f64>>> = objectives.rows.iter().map(|_| None).collect();
    for (form, &r) in forms.into_iter().zip(rows) {
        let paid = coefficient_errors(relaxation, objectives, r) * 1.01;
        let extra = (objectives.rows[r].constant + paid).next_up();
        all[r] = Some(Form {
            coefficients: form.coefficients.iter().map(|c| c.to_f64()).collect(),
            error: form.error + paid,
            constant: (form.constant + extra).next_up(),
            bound: (form.bound + extra).next_up(),
        });
    }
    Forms { forms: all }
}

/// Coefficients of the objectives on outputs and inputs, row by row.
fn starts<F: Working>(relaxation: &Relaxation<F>, objectives: &Objectives<F>, rows: &[usize]) -> Vec<(NodeId, Vec<F>)> {
    let graph = relaxation.network.graph;
    let place = |ids: &[NodeId], coefficients: &dyn Fn(usize) -> Vec<F>| {
        let mut first = 0;
        let mut placed = Vec::new();
        for &id in ids {
            let len = graph.nodes[id].len();
            let part = |&r: &usize| {
                let own = coefficients(r);
                if own.is_empty() { vec![F::ZERO; len] } else { own[first..first + len].to_vec() }
            };
            let flat: Vec<F> = rows.iter().flat_map(part).collect();
            if flat.iter().any(|&c| c != F::ZERO) {
                placed.push((id, flat));
            }
            first += len;
        }
        placed
    };
    let mut starts = place(&graph.outputs, &|r| objectives.rows[r].outputs.clone());
    starts.extend(place(&graph.inputs, &|r| objectives.rows[r].inputs.clone()));
    starts
}

/// What rounding an objective's coefficients and adding them to those of a sweep may amount to.
fn coefficient_errors<F: Working>(relaxation: &Relaxation<F>, objectives: &Objectives<F>, r: usize) -> f64 {
    let (graph, row) = (relaxation.network.graph, &objectives.rows[r]);
    let sizes = |ids: &[NodeId]| -> Vec<f64> {
        ids.iter().flat_map(|&id| (0..graph.nodes[id].len()).map(move |i| (id, i))).map(|(id, i)| relaxation.bounds.size(id, i)).collect()
    };
    let mut paid = 0.0;
    if row.output_error > 0.0 {
        paid += row.output_error * sizes(&graph.outputs).iter().sum::<f64>();
    }
    if !row.inputs.is_empty() {
        let sizes = sizes(&graph.inputs);
        let adding: f64 = row.inputs.iter().zip(&sizes).map(|(c, s)| c.abs().to_f64() * s).sum();
        paid += row.input_error * sizes.iter().sum::<f64>() + 4.0 * F::UNIT * adding;
    }
    paid
}

impl Forms {
    /// Takes over the forms of `other` that are tighter.
    pub fn improve(&mut self, other: Forms) {
        for (own, new) in self.forms.iter_mut().zip(other.forms) {
            let better = match (&own, &new) {
                (Some(o), Some(n)) => n.bound < o.bound,
                (None, Some(_)) => true,
                _ => false,
            };
            if better {
                *own = new;
            }
        }
    }

    /// Excludes what can be excluded of the disjuncts `open`: by one fact, or by several facts together.
    pub fn judge<F>(&self, objectives: &Objectives<F>, open: &[usize], region: &Ranges) -> Judgement {
        let mut result =
            Judgement { worst: f64::NEG_INFINITY, margin: f64::INFINITY, reach: vec![0.0; region.len()], ..Judgement::default() };
        let varying: Vec<usize> = (0..region.len()).filter(|&d| region.low[d] < region.high[d]).collect();
        for &d in open {
            let facts: Vec<usize> = objectives.disjuncts[d].iter().chain(&objectives.cuts).copied().collect();
            let forms: Vec<&Form<f64>> = facts.iter().filter_map(|&r| self.forms[r].as_ref()).collect();
            let excludes = |f: &Form<f64>, strict: bool| f.bound < 0.0 || (strict && f.bound <= 0.0);
            let alone = |&i: &usize| self.forms[facts[i]].as_ref().is_some_and(|f| excludes(f, objectives.rows[facts[i]].strict));
            let bound = |i: usize| self.forms[facts[i]].as_ref().map_or(f64::INFINITY, |f| f.bound);
            let least = forms.iter().map(|f| f.bound).fold(f64::INFINITY, f64::min);
            if let Some(best) = (0..facts.len()).filter(alone).min_by(|&i, &j| bound(i).total_cmp(&bound(j))) {
                result.margin = result.margin.min(-least);
                result.excluded.push((d, Exclusion::Alone(best)));
                continue;
            }
            let play = play(&forms, region, &varying);
            match play {
                Some(play) if play.bound < 0.0 => {
                    result.margin = result.margin.min(-play.bound);
                    result.excluded.push((d, Exclusion::Joint(play.theta)));
                }
                Some(play) => result.leave_open(d, least.min(play.bound), &play, &forms, region),
                None => result.leave_open(d, least, &alone_play(&forms, region), &forms, region),
            }
        }
        result
    }
}

/// Facts of one disjunct combined.
struct Play {
    bound: f64,
    theta: Vec<f64>,
    point: Vec<f64>,
    combined: Vec<f64>,
}

/// The best combination of the facts; `None` where there is nothing to combine or too much.
fn play(forms: &[&Form<f64>], region: &Ranges, varying: &[usize]) -> Option<Play> {
    let finite = |f: &&Form<f64>| f.constant.is_finite() && f.coefficients.iter().all(|c| c.is_finite());
    if forms.len() < 2 || varying.is_empty() || varying.len() > MOST_GAME_INPUTS || !forms.iter().all(finite) {
        return None;
    }
    // Inputs of no width only move the constants, as far as the choice of weights goes.
    let fixed = |f: &Form<f64>| -> f64 {
        (0..region.len()).filter(|&d| region.low[d] >= region.high[d]).map(|d| f.coefficients[d] * region.low[d]).sum()
    };
    let a: Vec<f64> = forms.iter().flat_map(|f| varying.iter().map(|&d| f.coefficients[d])).collect();
    let k: Vec<f64> = forms.iter().map(|f| f.constant + fixed(f)).collect();
    let (low, high): (Vec<f64>, Vec<f64>) = varying.iter().map(|&d| (region.low[d], region.high[d])).unzip();
    let mut game = Game::default();
    game.solve(&a, &k, &low, &high);
    // Any weights are sound; these ones fit into a certificate.
    game.theta.iter_mut().for_each(|t| *t = *t as f32 as f64);
    let mut point = region.low.clone();
    varying.iter().zip(&game.point).for_each(|(&d, &x)| point[d] = x);
    let all: Vec<f64> = forms.iter().flat_map(|f| f.coefficients.iter().copied()).collect();
    let constants: Vec<f64> = forms.iter().map(|f| f.constant).collect();
    let mut combined = Vec::new();
    let bound = combine(&all, &constants, &game.theta, &region.low, &region.high, &mut combined);
    Some(Play { bound, theta: game.theta, point, combined })
}

/// The fact with the least bound, alone.
fn alone_play(forms: &[&Form<f64>], region: &Ranges) -> Play {
    let best = (0..forms.len()).min_by(|&i, &j| forms[i].bound.total_cmp(&forms[j].bound));
    let Some(best) = best else {
        let middle = (0..region.len()).map(|d| region.at(d).middle()).collect();
        return Play { bound: f64::INFINITY, theta: Vec::new(), point: middle, combined: vec![0.0; region.len()] };
    };
    let form = forms[best];
    let corner = |d: usize| match form.coefficients[d] {
        v if v > 0.0 => region.high[d],
        v if v < 0.0 => region.low[d],
        _ => region.at(d).middle(),
    };
    let theta = (0..forms.len()).map(|i| if i == best { 1.0 } else { 0.0 }).collect();
    Play { bound: form.bound, theta, point: (0..region.len()).map(corner).collect(), combined: form.coefficients.clone() }
}

impl Judgement {
    fn leave_open(&mut self, disjunct: usize, bound: f64, play: &Play, forms: &[&Form<f64>], region: &Ranges) {
        let mut left = region.clone();
        forms.iter().for_each(|f| shrink(&mut left, region, &f.coefficients, f.bound));
        shrink(&mut left, region, &play.combined, play.bound);
        if left.low.iter().zip(&left.high).any(|(l, h)| l > h) {
            // The facts leave nothing of the box.
            self.margin = self.margin.min(0.0);
            self.excluded.push((disjunct, Exclusion::Clipped(play.theta.clone())));
            return;
        }
        self.open.push(disjunct);
        self.worst = self.worst.max(bound);
        self.error = forms.iter().map(|f| f.error).fold(self.error, f64::max);
        self.points.push(play.point.clone());
        self.weights.push(play.theta.clone());
        for (theta, form) in play.theta.iter().zip(forms) {
            for (d, reach) in self.reach.iter_mut().enumerate() {
                *reach += theta * form.coefficients[d].abs() * (region.high[d] - region.low[d]);
            }
        }
        match self.left.is_empty() {
            true => self.left = left,
            false => {
                self.left.low.iter_mut().zip(&left.low).for_each(|(h, &l)| *h = h.min(l));
                self.left.high.iter_mut().zip(&left.high).for_each(|(h, &x)| *h = h.max(x));
            }
        }
    }
}

/// Relaxed clipping (Zhang et al., NeurIPS 2025): where `v . x + k >= 0` with greatest value `bound` over `region`,
/// `x_d >= high_d - bound / v_d` for `v_d > 0`.
fn shrink(left: &mut Ranges, region: &Ranges, v: &[f64], bound: f64) {
    for d in 0..region.len() {
        let reach = (bound.max(0.0) / v[d].abs()).next_up();
        // False for NaN, as from coefficients of zero.
        if !(reach < region.high[d] - region.low[d]) {
            continue;
        }
        if v[d] > 0.0 {
            left.low[d] = left.low[d].max((region.high[d] - reach).next_down()).min(region.high[d]);
        } else {
            left.high[d] = left.high[d].min((region.low[d] + reach).next_up()).max(region.low[d]);
        }
    }
}
