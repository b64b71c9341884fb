//! A slow prover: it tries the steps on the checker itself and writes down those that were accepted.

use checker::Semantics;
use checker::case::Prepared;
use checker::certificate::{Container, Cursor, Kind, write_varint};
use checker::exact::Rational;
use checker::network::Network;
use checker::plan::Plan;
use checker::query::{Case, Constraint, Query};
use checker::relax::Relaxed;
use checker::rounding::Deployed;
use checker::state::{Phase, State};
use checker::steps::{End, Stepper};

use super::{Random, exact};

/// A query of one case over a box.
pub fn query(low: &[f64], high: &[f64], outputs: usize, disjuncts: Vec<Vec<Constraint>>) -> Query {
    let exact_all = |x: &[f64]| x.iter().map(|&x| exact(x)).collect();
    let case = Case { low: exact_all(low), high: exact_all(high), cuts: vec![], disjuncts };
    Query { inputs: low.len(), outputs, cases: vec![case] }
}

/// `sum c_i y_i + constant >= 0`.
pub fn constraint(outputs: &[(usize, f64)], constant: f64, strict: bool) -> Constraint {
    let outputs: Vec<(usize, Rational)> = outputs.iter().map(|&(i, c)| (i, exact(c))).collect();
    Constraint { inputs: vec![], outputs, constant: exact(constant), strict }
}

/// A certificate around a payload.
pub fn container(payload: &[u8], semantics: Semantics, partial: bool) -> Vec<u8> {
    Container { kind: Kind::Proof, semantics, partial, network: [0; 32], query: [0; 32], payload }.write()
}

/// A payload with one tree.
pub fn payload(tree: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1];
    write_varint(&mut bytes, tree.len() as u64);
    bytes.extend(tree);
    bytes
}

pub struct Prover<'p> {
    plan: &'p Plan,
    case: Prepared,
    stepper: Stepper<'p>,
    random: Random,
    budget: usize,
}

/// A certificate's bytes, if the query's first case could be proved within `budget` nodes.
pub fn prove(network: &Network, query: &Query, semantics: Semantics, budget: usize, seed: u64) -> Option<Vec<u8>> {
    let plan = Plan::new(network).expect("a network");
    let deployed = Deployed::new(semantics, plan.double);
    let case = Prepared::new(&query.cases[0], &plan, semantics, deployed).expect("a case");
    let mut stepper = Stepper::new(Relaxed::new(&plan, deployed));
    let root = case.root(&mut stepper.relaxed, &mut stepper.batch);
    let mut prover = Prover { plan: &plan, case, stepper, random: Random(seed), budget };
    let tree = prover.tree(root)?;
    Some(container(&payload(&tree), semantics, false))
}

impl Prover<'_> {
    /// Accepts the bytes of one step on `state`, or leaves it as it was.
    fn attempt(&mut self, step: &[u8], state: &mut State) -> bool {
        let mut copy = state.clone();
        let bytes: Vec<u8> = step.iter().copied().chain([0x52]).collect();
        let mut cursor = Cursor::new(&bytes, 0, bytes.len());
        let accepted = self.stepper.node(&mut cursor, &self.case, true, &mut copy) == Ok(End::Open);
        if accepted {
            *state = copy;
        }
        accepted
    }

    fn weights(&mut self, disjunct: usize, state: &State) -> Vec<u8> {
        let rows = (0..self.case.disjuncts[disjunct].len()).map(|i| 4 * i as u64);
        let cuts = (0..self.case.cuts.len()).map(|i| 4 * i as u64 + 1);
        let phases = (0..state.phases.len()).map(|i| 4 * i as u64 + 2);
        let all: Vec<u64> = rows.chain(cuts).chain(phases).collect();
        let mut bytes = Vec::new();
        write_varint(&mut bytes, all.len() as u64);
        for reference in all {
            write_varint(&mut bytes, reference);
            bytes.extend((self.random.unit().abs() as f32).to_le_bytes());
        }
        bytes
    }

    /// Intervals and row trees of some activations.
    fn row_trees(&mut self) -> Vec<Vec<u8>> {
        let mut steps = Vec::new();
        for activation in 0..self.plan.activations.len() {
            if self.random.below(2) == 0 {
                steps.push(vec![0x13, activation as u8]);
            }
            let ends = 2 * self.plan.activations[activation].len;
            let count = 1 + self.random.below(ends);
            let trees = super::trees::random(self.plan, activation, count, &mut self.random, |row| vec![row as u8]);
            steps.push([&[0x12, activation as u8][..], &trees].concat());
        }
        steps
    }

    fn tree(&mut self, mut state: State) -> Option<Vec<u8>> {
        self.budget = self.budget.checked_sub(1)?;
        let mut bytes = Vec::new();
        let masked = self.random.below(2) == 0;
        let refreshes: Vec<Vec<u8>> = if masked {
            let mask = |a: usize| {
                let len = self.plan.activations[a].len;
                let byte = |first: usize| if len - first < 8 { (1u8 << (len - first)) - 1 } else { 255 };
                let mut step = vec![0x11, a as u8];
                step.extend((0..len).step_by(8).map(byte));
                step
            };
            (0..self.plan.activations.len()).map(mask).collect()
        } else {
            vec![vec![0x10]]
        };
        for step in refreshes {
            assert!(self.attempt(&step, &mut state));
            bytes.extend(step);
        }
        if self.random.below(3) == 0 {
            for step in self.row_trees() {
                assert!(self.attempt(&step, &mut state));
                bytes.extend(step);
            }
        }
        if self.random.below(2) == 0 {
            let rows = if let [d] = state.open[..] { self.case.disjuncts[d as usize].len() } else { 0 };
            for step in super::narrows::several(self.plan, [rows, self.case.cuts.len()], state.caps.len(), &mut self.random) {
                assert!(self.attempt(&step, &mut state));
                bytes.extend(step);
            }
        }
        if state.void {
            bytes.push(0x51);
            return Some(bytes);
        }
        for disjunct in state.open.clone() {
            for row in 0..self.case.disjuncts[disjunct as usize].len() {
                let step = vec![0x20, disjunct as u8, row as u8];
                if state.open.contains(&disjunct) && self.attempt(&step, &mut state) {
                    bytes.extend(step);
                }
            }
            if state.open.contains(&disjunct) && self.random.below(2) == 0 {
                let head = [0x23, disjunct as u8, 0];
                let tree = super::trees::random(self.plan, self.plan.activations.len(), 0, &mut self.random, |_| vec![]);
                let step = [&head[..], &tree].concat();
                if !self.case.disjuncts[disjunct as usize].is_empty() && self.attempt(&step, &mut state) {
                    bytes.extend(step);
                }
            }
            for code in [0x21, 0x22] {
                let mut step = vec![code, disjunct as u8];
                step.extend(self.weights(disjunct as usize, &state));
                if state.open.contains(&disjunct) && self.attempt(&step, &mut state) {
                    bytes.extend(step);
                }
            }
        }
        if state.open.is_empty() {
            bytes.push(0x50);
            return Some(bytes);
        }
        if self.random.below(2) == 0 {
            let mut step = vec![0x30];
            for &disjunct in &state.open.clone() {
                step.extend(self.weights(disjunct as usize, &state));
            }
            assert!(self.attempt(&step, &mut state));
            bytes.extend(step);
        }
        self.split(state, bytes)
    }

    fn split(&mut self, state: State, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
        let (mut first, mut second) = (state.clone(), state.clone());
        let unstable = |&(j, (l, u)): &(usize, (&f64, &f64))| *l < 0.0 && *u > 0.0 && !state.fixed[j];
        let open: Vec<usize> =
            state.below.iter().zip(&state.above).take(self.plan.elements).enumerate().filter(unstable).map(|x| x.0).collect();
        let hinge = |j: usize| {
            let a = self.plan.activations.iter().position(|a| (a.start..a.start + a.len).contains(&j)).expect("an element");
            let is_hinge = matches!(self.plan.nodes[self.plan.activations[a].node].step, checker::plan::Step::Hinge(..));
            (a, j - self.plan.activations[a].start, is_hinge)
        };
        let choice = (self.random.below(3) == 0 && !open.is_empty()).then(|| hinge(open[self.random.below(open.len())])).filter(|c| c.2);
        if state.open.len() > 1 && self.random.below(2) == 0 {
            let d = state.open[self.random.below(state.open.len())];
            bytes.extend([0x42, d as u8]);
            first.open = vec![d];
            second.open.retain(|&other| other != d);
        } else if let Some((activation, element, _)) = choice {
            bytes.extend([0x41, activation as u8, element as u8]);
            let phase = |active| Phase { activation: activation as u32, element: element as u32, active };
            first.fix(self.plan, phase(false));
            second.fix(self.plan, phase(true));
        } else {
            let d = (0..state.low.len()).max_by(|&a, &b| (state.high[a] - state.low[a]).total_cmp(&(state.high[b] - state.low[b])))?;
            let at = 0.5 * state.low[d] + 0.5 * state.high[d];
            bytes.extend([0x40, d as u8]);
            bytes.extend(at.to_le_bytes());
            (first.high[d], second.low[d]) = (at, at);
        }
        let (left, right) = (self.tree(first)?, self.tree(second)?);
        write_varint(&mut bytes, left.len() as u64);
        bytes.extend(left);
        bytes.extend(right);
        Some(bytes)
    }
}
