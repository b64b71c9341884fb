//! What a node's bounds leave for a certificate: every weighted sum that excluded it or narrowed a range (docs/certificate.md).

use std::sync::Arc;

use super::cut::Cut;
use super::lagrangian::Multipliers;
use super::node::Aid;
use super::program::Program;
use crate::proof::{Fact, NodeId, Steps};

/// The steps of a node.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    /// Its number in the log.
    pub node: NodeId,
    /// What is to be written.
    pub steps: Steps,
    /// Upper bounds of hinges on the path from the root.
    pub caps: usize,
}

impl Trail {
    /// The start of a child.
    pub fn child(&self, node: NodeId) -> Trail {
        Trail { node, steps: Steps::default(), caps: self.caps }
    }

    /// Row `j` narrowed what it is about, or its terms.
    pub(super) fn row(&mut self, program: &Program, j: usize) {
        let Some(name) = program.name(j) else { return };
        for sign in [1.0, -1.0] {
            self.steps.narrow(false, std::iter::empty(), &[(name, false, sign)]);
        }
    }

    /// Goal `goal` alone, with default slopes.
    pub(super) fn goal(&mut self, program: &Program, disjunct: usize, goal: usize) {
        self.steps.narrow(true, program.fact(disjunct, goal).map(|fact| (fact, 1.0)).into_iter(), &[]);
    }

    /// A sum with these multipliers; upper bounds of hinges that are used first are written before it.
    pub(super) fn sum(&mut self, program: &Program, disjunct: usize, multipliers: &Multipliers, aid: &mut Aid) {
        for &(k, _) in &multipliers.cuts {
            let (cut, number) = &mut aid.cuts[k as usize];
            if number.is_none() && self.cap(program, cut).is_some() {
                *number = Some(self.caps);
                self.caps += 1;
            }
        }
        let goals = multipliers.goals.iter().filter_map(|&(g, theta)| Some((program.fact(disjunct, g)?, theta as f32)));
        let cuts = multipliers.cuts.iter().filter_map(|&(k, y)| Some((Fact::Cap(aid.cuts[k as usize].1?), y as f32)));
        let given = |j: usize| {
            let (slope, add) = (multipliers.slope[j], multipliers.add[j]);
            (add != 0.0 || !slope.is_nan()).then(|| program.name(j).map(|name| (name, slope.is_nan(), add as f32))).flatten()
        };
        let given: Vec<_> = (0..multipliers.slope.len()).filter_map(given).collect();
        self.steps.narrow(true, goals.chain(cuts), &given);
    }

    fn cap(&mut self, program: &Program, cut: &Arc<Cut>) -> Option<()> {
        let hinge = program.name(cut.hinge as usize)?;
        let variable = |&(v, g): &(u32, f64)| match (v as usize).checked_sub(program.inputs) {
            None => Some((None, v as usize, g as f32)),
            Some(j) => program.name(j).map(|(activation, element)| (Some(activation), element, g as f32)),
        };
        let terms: Option<Vec<_>> = cut.terms.iter().map(variable).collect();
        self.steps.cap(hinge, &terms?);
        Some(())
    }
}

impl Program {
    /// How a certificate names hinge `j`: activation and element.
    pub fn name(&self, j: usize) -> Option<(usize, usize)> {
        self.names[j]
    }

    fn fact(&self, disjunct: usize, goal: usize) -> Option<Fact> {
        let row = self.disjuncts[disjunct].iter().position(|&g| g == goal).map(Fact::Row);
        row.or_else(|| self.cuts.iter().position(|&g| g == goal).map(Fact::Cut))
    }
}
