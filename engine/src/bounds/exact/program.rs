//! A piecewise-linear network and a question as one sparse program: hinges of sums, and goals to be nonnegative.
//!
//! Variables are the inputs and, after them, the values `h = hinge(a)` of all hinges in order of dependence. Every row
//! reads `sum w z + bias`, and the pre-activation or goal that it stands for lies within `error` of that, whatever the
//! deployed network adds. All errors are fixed once for the root's box, so that nodes of a search compute with plain numbers.

use super::state::{Span, State};
use crate::bounds::chain::{Expression, Objectives, Unrolled, unroll};
use crate::bounds::{Bounds, Deployed};
use crate::graph::{Graph, NodeId};
use crate::numerics::Interval;
use crate::numerics::rounding::gamma;
use crate::ops::{Operation, Ranges, Scalar};

/// Rows of weights on variables, one after the other.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    starts: Vec<usize>,
    terms: Vec<(u32, f64)>,
    /// Constants.
    pub bias: Vec<f64>,
    /// How far what a row stands for may lie from the row's exact value over the root's box.
    pub error: Vec<f64>,
    /// At least the sum of the absolute terms and the constant over the root's box.
    pub size: Vec<f64>,
}

impl Rows {
    fn push(&mut self, terms: impl IntoIterator<Item = (u32, f64)>, bias: f64, error: f64, size: f64) {
        if self.starts.is_empty() {
            self.starts.push(0);
        }
        self.terms.extend(terms);
        self.starts.push(self.terms.len());
        self.bias.push(bias);
        self.error.push(error);
        self.size.push(size);
    }

    /// The terms of row `r`: variables and weights.
    pub fn terms(&self, r: usize) -> &[(u32, f64)] {
        &self.terms[self.starts[r]..self.starts[r + 1]]
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.bias.len()
    }

    /// True if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.bias.is_empty()
    }

    /// What computing with row `r` in `f64` and comparing with numbers up to `size` can lose, the row's own error included.
    pub fn allowance(&self, r: usize) -> f64 {
        let n = self.terms(r).len() + 12;
        (self.error[r] + gamma::<f64>(n) * 2.0 * self.size[r] + n as f64 * f64::MIN_POSITIVE).next_up()
    }
}

/// The graph's part of a program: the same for all boxes and goals.
#[derive(Debug)]
pub struct Skeleton {
    unrolled: Unrolled,
    inputs: usize,
    /// Per hinge the node and element whose value it reads, where it is one of the graph's functions.
    origin: Vec<Option<(NodeId, usize)>>,
    /// Per hinge its activation and element, likewise.
    names: Vec<Option<(usize, usize)>>,
    /// Per hinge the largest deployed error of its function: absolute, and relative to its value.
    own: Vec<(f64, f64)>,
}

impl Skeleton {
    /// The hinges of `graph`; `None` if it has other operators than affine ones and hinges, or is too large to unroll.
    pub fn new(graph: &Graph) -> Option<Skeleton> {
        let unrolled = unroll::<f64>(graph)?;
        // The graph's functions in the order in which the hinges number them.
        let functions: Vec<_> = graph.nodes.iter().filter_map(|n| Some((n.inputs.first()?, scalar(&n.operation)?))).collect();
        let (mut origin, mut names, mut own) = (Vec::new(), Vec::new(), Vec::new());
        for variable in unrolled.variables.iter().filter(|v| v.hinge.is_some()) {
            let function = functions.get(variable.origin.0 as usize).filter(|_| !variable.joined);
            origin.push(function.map(|f| (*f.0, variable.origin.1 as usize)));
            names.push(function.map(|_| (variable.origin.0 as usize, variable.origin.1 as usize)));
            own.push(function.map_or((0.0, 0.0), |f| (f.1.deployed_error().absolute, f.1.deployed_error().relative)));
        }
        Some(Skeleton { inputs: graph.input_len(), origin, names, own, unrolled })
    }

    /// Number of hinges.
    pub fn hinges(&self) -> usize {
        self.own.len()
    }

    /// True if no hinge reads another.
    pub fn is_shallow(&self) -> bool {
        let reads_inputs = |e: &Expression| e.terms.iter().all(|t| t.0 < self.inputs);
        self.unrolled.variables.iter().filter_map(|v| v.hinge.as_ref()).all(|h| reads_inputs(&h.0))
    }

    /// Number of weights.
    pub fn weights(&self) -> usize {
        let of = |e: &Expression| e.terms.len();
        let hinges = self.unrolled.variables.iter().filter_map(|v| v.hinge.as_ref()).map(|h| of(&h.0));
        hinges.chain(self.unrolled.outputs.iter().map(of)).sum()
    }
}

fn scalar(operation: &Operation) -> Option<&dyn Scalar> {
    match operation {
        Operation::Scalar(op) => Some(op.as_ref()),
        _ => None,
    }
}

/// One goal: a counterexample needs it to be nonnegative, or positive if `strict`.
#[derive(Clone, Copy, Debug)]
pub struct Goal {
    /// Needs to be positive.
    pub strict: bool,
}

/// A skeleton over one box with one set of goals.
#[derive(Debug)]
pub struct Program {
    /// Number of input elements.
    pub inputs: usize,
    /// One row per hinge: its pre-activation.
    pub hinges: Rows,
    /// The slope of each hinge below zero.
    pub slope: Vec<f64>,
    /// For each hinge the node and element whose value it reads, where it is one of the graph's functions.
    pub origin: Vec<Option<(NodeId, usize)>>,
    /// Likewise its activation and element.
    pub(super) names: Vec<Option<(usize, usize)>>,
    /// One row per objective.
    pub goals: Rows,
    /// What each goal needs.
    pub needs: Vec<Goal>,
    /// Per disjunct its goals; a counterexample makes all of them nonnegative.
    pub disjuncts: Vec<Vec<usize>>,
    /// Goals that hold in the whole input set.
    pub cuts: Vec<usize>,
    /// At least the absolute value of each variable over the root's box.
    pub size: Vec<f64>,
    /// Per variable the hinges that read it.
    pub readers: Vec<Vec<u32>>,
    /// The root: the box, and ranges of all pre-activations.
    pub root: State,
}

impl Program {
    /// The program of `skeleton` over the box `region`; `known` are proved ranges of the graph's nodes over that box, where
    /// there are any. `None` where some number is not finite.
    pub fn new(
        skeleton: &Skeleton,
        region: &Ranges,
        deployed: Deployed,
        objectives: &Objectives<f64>,
        known: Option<&Bounds>,
    ) -> Option<Program> {
        let mut program = Program {
            inputs: skeleton.inputs,
            hinges: Rows::default(),
            slope: Vec::new(),
            origin: skeleton.origin.clone(),
            names: skeleton.names.clone(),
            goals: Rows::default(),
            needs: Vec::new(),
            disjuncts: objectives.disjuncts.clone(),
            cuts: objectives.cuts.clone(),
            size: (0..region.len()).map(|d| region.at(d).magnitude()).collect(),
            readers: Vec::new(),
            root: State { low: region.low.clone(), high: region.high.clone() },
        };
        let mut own = vec![0.0; skeleton.inputs];
        let hinges = skeleton.unrolled.variables.iter().filter(|v| v.hinge.is_some());
        for (variable, error) in hinges.zip(&skeleton.own) {
            let (e, slope) = variable.hinge.as_ref()?;
            program.push_hinge(e, *slope, deployed, &own);
            let j = program.slope.len() - 1;
            if let (Some((node, i)), Some(bounds)) = (program.origin[j], known) {
                program.meet(j, bounds.ranges[node].at(i));
            }
            program.finish_hinge(j, variable.joined);
            let reach = error.0 + error.1 * program.size[program.inputs + j];
            own.push(if deployed.unit > 0.0 && reach > 0.0 { (reach * 1.001).next_up() } else { 0.0 });
        }
        program.push_goals(skeleton, deployed, objectives, &own);
        program.readers = vec![Vec::new(); program.size.len()];
        for j in 0..program.hinges.len() {
            program.hinges.terms(j).iter().for_each(|t| program.readers[t.0 as usize].push(j as u32));
        }
        let numbers = [&program.size, &program.hinges.error, &program.hinges.size, &program.goals.error, &program.goals.size];
        let finite = numbers.iter().all(|v| v.iter().all(|x| x.is_finite()));
        (finite && program.root.low.iter().chain(&program.root.high).all(|x| x.is_finite())).then_some(program)
    }

    /// Adds a hinge with its rows' interval as its range.
    fn push_hinge(&mut self, e: &Expression, slope: f64, deployed: Deployed, own: &[f64]) {
        let (size, error) = self.errors(e, deployed, own);
        self.hinges.push(e.terms.iter().map(|&(v, w)| (v as u32, w)), e.bias, error, size);
        self.slope.push(slope);
        let j = self.slope.len() - 1;
        let Span { low, high } = self.activity(&self.root, &self.hinges, j);
        let allowance = self.hinges.allowance(j);
        self.root.low.push((low - allowance).next_down());
        self.root.high.push((high + allowance).next_up());
    }

    /// The size of a sum over the root's box, and the error of the deployed network's value of it.
    fn errors(&self, e: &Expression, deployed: Deployed, own: &[f64]) -> (f64, f64) {
        let sum: f64 = e.terms.iter().map(|&(v, w)| w.abs() * self.size[v]).sum();
        let size = (sum + e.bias_magnitude + e.bias.abs()) * (1.0 + gamma::<f64>(e.terms.len() + 8));
        let read: f64 = e.terms.iter().map(|&(v, w)| w.abs() * own[v]).sum();
        let error = (e.bias_error + deployed.error(e.roundings, size) + read) * (1.0 + gamma::<f64>(e.terms.len() + 8));
        (size.next_up(), if error > 0.0 { error.next_up() } else { 0.0 })
    }

    fn meet(&mut self, j: usize, range: Interval) {
        let at = self.inputs + j;
        // A range that is not finite, or contradicts (an empty box), says nothing here.
        if range.low.max(self.root.low[at]) <= range.high.min(self.root.high[at]) {
            self.root.low[at] = self.root.low[at].max(range.low);
            self.root.high[at] = self.root.high[at].min(range.high);
        }
    }

    fn finish_hinge(&mut self, j: usize, joined: bool) {
        let Span { low, high } = self.value(&self.root, self.inputs + j);
        let reach = low.abs().max(high.abs());
        self.size.push(if joined { reach.max(self.hinges.size[j]) } else { reach });
    }

    fn push_goals(&mut self, skeleton: &Skeleton, deployed: Deployed, objectives: &Objectives<f64>, own: &[f64]) {
        let outputs = &skeleton.unrolled.outputs;
        let errors: Vec<(f64, f64)> = outputs.iter().map(|e| self.errors(e, deployed, own)).collect();
        let mut sums = vec![(0.0f64, 0.0f64, 0usize); self.size.len()];
        for objective in &objectives.rows {
            sums.fill((0.0, 0.0, 0));
            let (mut bias, mut size, mut error) = (objective.constant, objective.constant.abs(), 0.0);
            let mut add = |v: usize, w: f64| sums[v] = (sums[v].0 + w, sums[v].1 + w.abs(), sums[v].2 + 1);
            for (d, &w) in objective.inputs.iter().enumerate() {
                add(d, w);
                error += objective.input_error * self.size[d];
            }
            for (o, &q) in objective.outputs.iter().enumerate() {
                error += objective.output_error * (errors[o].0 + errors[o].1);
                if q == 0.0 {
                    continue;
                }
                outputs[o].terms.iter().for_each(|&(v, w)| add(v, q * w));
                bias += q * outputs[o].bias;
                size += (q * outputs[o].bias).abs();
                error += q.abs() * (errors[o].1 + outputs[o].bias.abs() * f64::EPSILON);
            }
            let nonzero = sums.iter().enumerate().filter(|s| s.1.2 > 0);
            for (v, s) in nonzero.clone() {
                size += s.1 * self.size[v];
                error += gamma::<f64>(s.2 + 2) * s.1 * self.size[v] + s.2 as f64 * f64::MIN_POSITIVE * (1.0 + self.size[v]);
            }
            let slack = 1.0 + gamma::<f64>(outputs.len() + sums.len() + 16);
            error += gamma::<f64>(outputs.len() + 8) * size;
            let terms: Vec<(u32, f64)> = nonzero.filter(|s| s.1.0 != 0.0).map(|(v, s)| (v as u32, s.0)).collect();
            self.goals.push(terms, bias, (error * slack).next_up(), (size * slack).next_up());
            self.needs.push(Goal { strict: objective.strict });
        }
    }

    /// The root narrowed to a part of its box and to proved ranges of the graph's nodes there, phases included; `None` if
    /// they contradict each other.
    pub fn state(&self, region: &Ranges, bounds: &Bounds) -> Option<State> {
        let mut state = self.root.clone();
        let of_hinge = |origin: &Option<(NodeId, usize)>| origin.map_or(Interval::WHOLE, |(node, i)| bounds.ranges[node].at(i));
        let ranges = (0..region.len()).map(|d| region.at(d)).chain(self.origin.iter().map(of_hinge));
        for (i, range) in ranges.enumerate() {
            state.low[i] = state.low[i].max(range.low);
            state.high[i] = state.high[i].min(range.high);
        }
        state.low.iter().zip(&state.high).all(|(l, h)| l <= h).then_some(state)
    }

    /// Number of variables.
    pub fn variables(&self) -> usize {
        self.size.len()
    }
}
