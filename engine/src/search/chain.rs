//! The search method for small piecewise-linear networks: the chain engine in `f32`, in `f64` where that is not enough.

use std::sync::Arc;

use super::tree::{Method, Step};
use crate::bounds::chain::{Bounder, Outcome, Part, Workspace};
use crate::proof::Log;

/// A part in the working type that it needs.
#[derive(Clone, Debug)]
pub enum AnyPart {
    /// Bounded in `f32`.
    Single(Part<f32>),
    /// Bounded in `f64`.
    Double(Part<f64>),
}

impl AnyPart {
    /// The part in `f64`.
    pub fn double(self) -> Part<f64> {
        match self {
            AnyPart::Single(part) => part.widen(),
            AnyPart::Double(part) => part,
        }
    }
}

/// Both working types of one query.
pub struct ChainMethod<'a> {
    /// The bounder in `f32`, where the network fits it.
    pub single: Option<Bounder<f32>>,
    /// The bounder in `f64`.
    pub double: Bounder<f64>,
    /// Says whether a point is a counterexample; called on the relaxation's worst points.
    pub check: &'a (dyn Fn(&[f64]) -> bool + Sync),
    /// The whole set.
    pub root: AnyPart,
    /// When to stop.
    pub deadline: Option<std::time::Instant>,
    /// Seed of random points.
    pub seed: u64,
    /// Look at those points at all.
    pub attack: bool,
    /// Where the proof is recorded, if it is.
    pub log: Option<Arc<Log>>,
}

/// Memory of one thread.
#[derive(Default)]
pub struct ChainWorkspace {
    single: Workspace<f32>,
    double: Workspace<f64>,
}

impl Method for ChainMethod<'_> {
    type Part = AnyPart;
    type Workspace = ChainWorkspace;

    fn workspace(&self) -> ChainWorkspace {
        let mut workspace = ChainWorkspace::default();
        (workspace.single.deadline, workspace.double.deadline) = (self.deadline, self.deadline);
        (workspace.single.log, workspace.double.log) = (self.log.clone(), self.log.clone());
        workspace
    }

    fn forget(&self, workspace: &mut ChainWorkspace) {
        workspace.single.forget();
        workspace.double.forget();
    }

    fn bound(&self, part: AnyPart, eager: bool, workspace: &mut ChainWorkspace) -> Step<AnyPart> {
        match part {
            AnyPart::Single(part) => {
                let bounder = self.single.as_ref().expect("single parts come from the single bounder");
                let outcome = bounder.bound(part, eager && self.attack, &mut workspace.single);
                if let Some(witness) = self.witness(&outcome, &workspace.single.candidates) {
                    return Step::Witness(witness);
                }
                match outcome {
                    Outcome::Closed { margin } => Step::Closed { margin },
                    Outcome::Split(parts) => Step::Split(parts.map(AnyPart::Single).into()),
                    Outcome::Exhausted { part, .. } => Step::Split(vec![AnyPart::Double(part.widen())]),
                }
            }
            AnyPart::Double(part) => {
                let outcome = self.double.bound(part, eager && self.attack, &mut workspace.double);
                if let Some(witness) = self.witness(&outcome, &workspace.double.candidates) {
                    return Step::Witness(witness);
                }
                match outcome {
                    Outcome::Closed { margin } => Step::Closed { margin },
                    Outcome::Split(parts) => Step::Split(parts.map(AnyPart::Double).into()),
                    Outcome::Exhausted { bound, part } => Step::Stuck { bound, part: AnyPart::Double(*part) },
                }
            }
        }
    }

    fn urgency(&self, part: &AnyPart) -> f64 {
        match part {
            AnyPart::Single(p) => p.bound,
            AnyPart::Double(p) => p.bound,
        }
    }

    fn promise(&self, part: &AnyPart) -> f64 {
        match part {
            AnyPart::Single(p) => p.promise,
            AnyPart::Double(p) => p.promise,
        }
    }

    fn share(&self, part: &AnyPart) -> f64 {
        match part {
            AnyPart::Single(p) => p.share,
            AnyPart::Double(p) => p.share,
        }
    }

    fn assault(&self, effort: u32, workspace: &mut ChainWorkspace) -> Option<Vec<f64>> {
        if !self.attack {
            return None;
        }
        let count = 4096 << (2 * effort);
        let candidates = match (&self.single, &self.root) {
            (Some(bounder), AnyPart::Single(root)) => bounder.sample(&root.low, &root.high, count, self.seed, &mut workspace.single),
            (_, AnyPart::Double(root)) => self.double.sample(&root.low, &root.high, count, self.seed, &mut workspace.double),
            _ => return None,
        };
        candidates.into_iter().find(|x| (self.check)(x))
    }

    fn part_size(&self) -> u64 {
        self.double.part_size()
    }
}

impl ChainMethod<'_> {
    fn witness<P>(&self, outcome: &Outcome<P>, candidates: &[Vec<f64>]) -> Option<Vec<f64>> {
        if !self.attack || matches!(outcome, Outcome::Closed { .. }) {
            return None;
        }
        candidates.iter().find(|x| (self.check)(x)).cloned()
    }
}
