//! Networks that the chain engine does not take: bounds of the whole box, sharper in steps.

use checker::Semantics;

use super::cases::{CaseOutcome, Solver};
use super::{Reason, Statistics, problem};
use crate::bounds::chain::Objectives;
use crate::bounds::{Form, Network, Relaxation};
use crate::graph::Graph;
use crate::ops::{Ranges, Working};
use crate::query::Case;

/// Decides a case by CROWN bounds in `f32`, then in `f64` if rounding is what is missing.
pub fn decide(solver: &Solver, case: &Case, _first: usize, semantics: Semantics, statistics: &mut Statistics) -> CaseOutcome {
    let network = Network::new(solver.network, problem::deployed(semantics, solver.network.element));
    let (low, high) = problem::region_box(case, semantics, solver.network.element);
    let input = Ranges { low, high };
    statistics.method = "CROWN bounds of the whole box".into();
    statistics.subproblems += 1;
    let single = matches!(solver.network.element, crate::graph::Element::F32).then(|| bound::<f32>(solver, &network, case, &input));
    let (worst, error) = match single {
        Some((worst, margin, _)) if worst < 0.0 => return CaseOutcome::Proved(margin),
        Some((worst, _, error)) => (worst, error),
        None => (f64::INFINITY, f64::INFINITY),
    };
    let mut left = worst;
    if worst <= 4.0 * error && !solver.stopped() {
        let (worst, margin, _) = bound::<f64>(solver, &network, case, &input);
        if worst < 0.0 {
            return CaseOutcome::Proved(margin);
        }
        left = worst;
    }
    if solver.stopped() {
        let reason = if solver.config.stop.load(std::sync::atomic::Ordering::Relaxed) { Reason::Stopped } else { Reason::Timeout };
        return CaseOutcome::Open(reason, Some(left));
    }
    let reason = "branch and bound for this kind of network (wide, or with operators that are not piecewise linear)";
    CaseOutcome::Open(Reason::Unsupported(reason.into()), Some(left))
}

/// The worst disjunct's bound (negative: all are excluded), the least margin and the largest allowance for rounding.
fn bound<F: Working>(solver: &Solver, network: &Network, case: &Case, input: &Ranges) -> (f64, f64, f64) {
    let relaxation = Relaxation::<F>::crown(network, input, &|| solver.stopped());
    let objectives = problem::objectives::<F>(case, solver.network);
    let forms = objective_forms(&relaxation, &objectives);
    let (mut worst, mut margin, mut error) = (f64::NEG_INFINITY, f64::INFINITY, 0.0f64);
    for rows in &objectives.disjuncts {
        let excluded = |&r: &usize| forms[r].bound < 0.0 || (objectives.rows[r].strict && forms[r].bound <= 0.0);
        let best = rows.iter().chain(&objectives.cuts).map(|&r| forms[r].bound).fold(f64::INFINITY, f64::min);
        if rows.iter().chain(&objectives.cuts).any(excluded) {
            margin = margin.min(-best);
            worst = worst.max(best.min(-f64::MIN_POSITIVE));
        } else {
            worst = worst.max(best.max(0.0));
            error = rows.iter().map(|&r| forms[r].error).fold(error, f64::max);
        }
    }
    (worst, margin, error)
}

/// Upper forms of all objectives.
fn objective_forms<F: Working>(relaxation: &Relaxation<F>, objectives: &Objectives<F>) -> Vec<Form<F>> {
    let graph: &Graph = relaxation.network.graph;
    let count = objectives.rows.len();
    let mut starts = Vec::new();
    let (mut first, mut paid) = (0, vec![0.0; count]);
    for &id in &graph.outputs {
        let len = graph.nodes[id].len();
        let mut rows = vec![F::ZERO; count * len];
        for (r, row) in objectives.rows.iter().enumerate().filter(|r| !r.1.outputs.is_empty()) {
            rows[r * len..(r + 1) * len].copy_from_slice(&row.outputs[first..first + len]);
            paid[r] += row.output_error * (0..len).map(|i| relaxation.bounds.size(id, i)).sum::<f64>();
        }
        starts.push((id, rows));
        first += len;
    }
    first = 0;
    for &id in &graph.inputs {
        let len = graph.nodes[id].len();
        let mut rows = vec![F::ZERO; count * len];
        for (r, row) in objectives.rows.iter().enumerate().filter(|r| !r.1.inputs.is_empty()) {
            rows[r * len..(r + 1) * len].copy_from_slice(&row.inputs[first..first + len]);
            // Rounded coefficients, and adding them to what the sweep brings.
            let size: f64 = (0..len).map(|i| relaxation.bounds.size(id, i)).sum();
            let adding = (0..len).map(|i| row.inputs[first + i].abs().to_f64() * relaxation.bounds.size(id, i)).sum::<f64>();
            paid[r] += row.input_error * size + 4.0 * F::UNIT * adding;
        }
        starts.push((id, rows));
        first += len;
    }
    let mut forms = relaxation.sweep(starts, count);
    for ((form, row), paid) in forms.iter_mut().zip(&objectives.rows).zip(paid) {
        let extra = (row.constant + paid * 1.01).next_up();
        form.error += paid * 1.01;
        form.constant = (form.constant + extra).next_up();
        form.bound = (form.bound + extra).next_up();
    }
    forms
}
