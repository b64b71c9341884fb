//! Parts of a verification on their own: bounds of the outputs over a query's inputs, and the attack.

use super::cases::Solver;
use super::problem;
use super::{Config, Observer, Reason, Report, SemanticsChoice, Statistics, Verdict};
use crate::bounds::{Descent, Network, Plan, Relaxation};
use crate::graph::Graph;
use crate::ops::Ranges;
use crate::query::{Case, Query};
use checker::Semantics;

/// How bounds are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoundMethod {
    /// Interval arithmetic.
    Interval,
    /// Forward affine bounds: one linear function of the inputs per value.
    Forward,
    /// Backward propagation of linear bounds, also for intermediate values.
    Crown,
    /// The same with optimised slopes, for outputs and intermediate values.
    Slopes,
}

/// Steps of [`BoundMethod::Slopes`].
const STEPS: usize = 20;

/// Output rows that one backward sweep takes together.
const ROWS: usize = 128;

/// Proved ranges of all output elements over the region's box (its cuts are not used), under `config.semantics` or else `both`.
pub fn output_bounds(network: &Graph, case: &Case, method: BoundMethod, config: &Config) -> Ranges {
    let semantics = semantics(config);
    let (low, high) = problem::region_box(case, semantics, network.element);
    let net = Network::new(network, problem::deployed(semantics, network.element));
    let input = Ranges { low, high };
    let steps = if method == BoundMethod::Slopes { STEPS } else { 0 };
    let stop = || config.is_over();
    let backward = matches!(method, BoundMethod::Crown | BoundMethod::Slopes);
    let plan = Plan { rows: backward, forward: method == BoundMethod::Forward, steps, threads: config.threads, ..Plan::crown(&stop) };
    let relaxation = Relaxation::<f64>::planned(&net, &input, plan);
    let mut all = Ranges::default();
    for &id in &network.outputs {
        let mut ranges = relaxation.bounds.ranges[id].clone();
        if backward {
            tighten(&relaxation, id, steps, &mut ranges);
        }
        all.low.extend(ranges.low);
        all.high.extend(ranges.high);
    }
    all
}

/// Intersects the ranges of a node with backward bounds of every element.
fn tighten(relaxation: &Relaxation<f64>, id: usize, steps: usize, ranges: &mut Ranges) {
    let len = ranges.len();
    for first in (0..len).step_by(ROWS) {
        let part = first..len.min(first + ROWS);
        let mut rows = vec![0.0; 2 * part.len() * len];
        for (r, i) in part.clone().enumerate() {
            rows[2 * r * len + i] = 1.0;
            rows[(2 * r + 1) * len + i] = -1.0;
        }
        let forms = relaxation.optimised(&[(id, rows)], 2 * part.len(), Descent::of(steps), &|_| false);
        for (r, i) in part.enumerate() {
            ranges.high[i] = ranges.high[i].min(forms[2 * r].bound);
            ranges.low[i] = ranges.low[i].max(-forms[2 * r + 1].bound);
        }
    }
}

/// Looks for a counterexample and proves nothing: once with the configured seed, and with further seeds while a time limit lasts.
pub fn refute(network: &Graph, query: &Query, config: &Config, observer: &dyn Observer) -> Report {
    let semantics = semantics(config);
    let mut statistics = Statistics { method: "attack".into(), ..Statistics::default() };
    for round in 0.. {
        let config = Config { seed: config.seed.wrapping_add(round), ..config.clone() };
        let deadline = config.timeout.map(|limit| config.started + limit);
        let solver = Solver { network, query, config: &config, observer, deadline, begun: None };
        if let Some(witness) = solver.attack_all(semantics, &mut statistics) {
            let semantics = Some(witness.semantics());
            statistics.elapsed = config.started.elapsed();
            return Report { verdict: Verdict::Fails(Box::new(witness)), semantics, notes: query.notes.clone(), statistics, proof: None };
        }
        if deadline.is_none() || config.is_over() {
            break;
        }
    }
    statistics.elapsed = config.started.elapsed();
    Report { notes: query.notes.clone(), statistics, ..Report::unknown(Reason::NotFound, None) }
}

fn semantics(config: &Config) -> Semantics {
    match config.semantics {
        SemanticsChoice::Only(semantics) => semantics,
        SemanticsChoice::Auto => Semantics::Both,
    }
}
