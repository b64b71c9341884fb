//! All cases of a query under one semantics: attack each, then prove each.

use std::sync::Arc;
use std::time::Instant;

use checker::Semantics;

use super::attack::{Attack, Effort};
use super::chain::{AnyPart, ChainMethod};
use super::tree::{self, End};
use super::{Config, Observer, Reason, Report, Statistics, Verdict, Witness, problem, wide, witness};
use crate::bounds::chain::{Bounder, compile};
use crate::graph::Graph;
use crate::numerics::Real;
use crate::proof::{Log, Proof};
use crate::query::{Case, DeclaredElement, Query};

/// A query being decided.
pub struct Solver<'a> {
    /// The network.
    pub network: &'a Graph,
    /// The query.
    pub query: &'a Query,
    /// Options.
    pub config: &'a Config,
    /// Receives progress.
    pub observer: &'a dyn Observer,
    /// When to stop.
    pub deadline: Option<Instant>,
}

/// What an attempt under one semantics led to.
pub enum Attempt {
    /// Proved.
    Holds {
        /// The least margin.
        margin: f64,
        /// Work done.
        statistics: Statistics,
        /// What was recorded.
        recorded: Recorded,
    },
    /// Refuted.
    Fails(Box<(Witness, Statistics)>),
    /// Undecided.
    Open {
        /// Why.
        reason: Reason,
        /// The worst bound left, where known.
        bound: Option<f64>,
        /// Work done.
        statistics: Statistics,
        /// What was recorded.
        recorded: Recorded,
    },
}

/// What an attempt recorded for a certificate.
#[derive(Debug, Default)]
pub struct Recorded {
    /// One tree per case, as far as they were reached; those beyond are open.
    trees: Vec<Arc<Log>>,
    /// Why there can be no certificate.
    obstacle: Option<String>,
}

impl Recorded {
    /// The proof, where one was asked for, or a note that says why there is none.
    fn proof(self, semantics: Semantics, partial: bool) -> (Option<Proof>, Vec<String>) {
        match self.obstacle {
            Some(why) => (None, vec![format!("not certified: {why}")]),
            None if self.trees.is_empty() => (None, Vec::new()),
            None => (Some(Proof { semantics, trees: self.trees, partial }), Vec::new()),
        }
    }
}

impl Attempt {
    /// The report of this attempt.
    pub fn report(self, semantics: Semantics) -> Report {
        match self {
            Attempt::Holds { margin, statistics, recorded } => {
                let (proof, notes) = recorded.proof(semantics, false);
                let verdict = Verdict::Holds { margin: margin.is_finite().then_some(margin) };
                Report { verdict, semantics: Some(semantics), notes, statistics, proof }
            }
            Attempt::Fails(found) => {
                let (witness, statistics) = *found;
                let semantics = Some(witness.semantics());
                Report { verdict: Verdict::Fails(Box::new(witness)), semantics, notes: Vec::new(), statistics, proof: None }
            }
            Attempt::Open { reason, bound, statistics, recorded } => {
                let (proof, notes) = recorded.proof(semantics, true);
                Report { statistics, proof, notes, ..Report::unknown(reason, bound.filter(|b| b.is_finite()).map(|b| -b)) }
            }
        }
    }
}

/// The chain engines of a network, if it is one.
pub(super) struct Chains {
    single: Option<Bounder<f32>>,
    double: Bounder<f64>,
}

/// Inputs up to which lines in all inputs are kept per neuron.
const MOST_CHAIN_INPUTS: usize = 64;

impl Solver<'_> {
    /// Tries to decide the query under `semantics`.
    pub fn attempt(&self, semantics: Semantics) -> Attempt {
        let mut statistics = Statistics::default();
        let found = if self.config.attack { self.attack_all(semantics, &mut statistics) } else { None };
        if let Some(witness) = found {
            statistics.method = "attack".into();
            return Attempt::Fails(Box::new((witness, statistics)));
        }
        self.prove(semantics, statistics)
    }

    /// Attacks every case in order.
    pub fn attack_all(&self, semantics: Semantics, statistics: &mut Statistics) -> Option<Witness> {
        let mut first = 0;
        self.query.cases.iter().find_map(|case| {
            let witness = self.attack(case, first, semantics, statistics);
            first += case.disjuncts.len();
            witness
        })
    }

    fn prove(&self, semantics: Semantics, mut statistics: Statistics) -> Attempt {
        let chains = self.chains();
        let wide_chain = if chains.is_none() { compile::<f32>(self.network) } else { None };
        let mut margin = f64::INFINITY;
        let mut first = 0;
        let total = self.query.cases.len() as f64;
        let mut recorded = Recorded::default();
        if self.config.record {
            recorded.trees.resize_with(self.query.cases.len(), Arc::default);
        }
        for (done, case) in self.query.cases.iter().enumerate() {
            let outcome = match &chains {
                Some(chains) => self.search_chain(chains, case, first, semantics, recorded.trees.get(done), &mut statistics),
                None => {
                    if self.config.record {
                        recorded.obstacle = Some("proofs of networks that are no small chain of hinges are not recorded yet".into());
                    }
                    wide::decide(self, wide_chain.as_ref(), case, first, semantics, &mut statistics)
                }
            };
            match outcome {
                CaseOutcome::Proved(least) => margin = margin.min(least),
                CaseOutcome::Refuted(witness) => return Attempt::Fails(Box::new((*witness, statistics))),
                CaseOutcome::Open(reason, bound) => {
                    statistics.proved = (done as f64 + statistics.proved) / total;
                    return Attempt::Open { reason, bound, statistics, recorded };
                }
            }
            first += case.disjuncts.len();
        }
        statistics.proved = 1.0;
        Attempt::Holds { margin, statistics, recorded }
    }

    /// The replayed witness at `point`, if it counts under `semantics`.
    pub(super) fn check(&self, case: &Case, first: usize, semantics: Semantics, point: &[f64]) -> Option<Witness> {
        witness::replay(self.network, case, first, point).filter(|w| match semantics {
            Semantics::Real => w.breaks_real,
            Semantics::Float32 => w.breaks_float32,
            _ => w.breaks_float32 || (w.breaks_real && self.query.declared_element() == DeclaredElement::Real),
        })
    }

    pub(super) fn stopped(&self) -> bool {
        self.config.stop.load(std::sync::atomic::Ordering::Relaxed) || self.deadline.is_some_and(|d| Instant::now() >= d)
    }

    /// Why [`Solver::stopped`] says so.
    pub(super) fn why_stopped(&self) -> Reason {
        if self.config.stop.load(std::sync::atomic::Ordering::Relaxed) { Reason::Stopped } else { Reason::Timeout }
    }

    fn attack(&self, case: &Case, first: usize, semantics: Semantics, statistics: &mut Statistics) -> Option<Witness> {
        let objectives = problem::objectives::<f32>(case, self.network);
        let (low, high) = problem::region_box(case, semantics, self.network.element);
        let (low, high): (Vec<f32>, Vec<f32>) = (low.iter().map(|&x| x as f32).collect(), high.iter().map(|&x| x as f32).collect());
        let aims: Vec<usize> = (0..case.disjuncts.len()).collect();
        let attack = Attack { graph: self.network, objectives: &objectives, low: &low, high: &high, seed: self.config.seed, aims: &aims };
        let check = |x: &[f64]| self.check(case, first, semantics, x).is_some();
        let effort = Effort { restarts: 24.max(3 * case.disjuncts.len().min(32)), steps: 20 };
        let (point, evaluations) = attack.run(effort, &[], &check, &|| self.stopped());
        statistics.evaluations += evaluations;
        self.check(case, first, semantics, &point?)
    }

    fn chains(&self) -> Option<Chains> {
        if self.network.input_len() > MOST_CHAIN_INPUTS {
            return None;
        }
        let nothing = crate::bounds::Deployed::REAL;
        let single = compile::<f32>(self.network).map(|c| Bounder::new(c, Default::default(), nothing));
        let double = match &single {
            Some(bounder) => bounder.chain.convert(),
            None => compile::<f64>(self.network)?,
        };
        Some(Chains { single, double: Bounder::new(double, Default::default(), nothing) })
    }

    fn search_chain(
        &self,
        chains: &Chains,
        case: &Case,
        first: usize,
        semantics: Semantics,
        log: Option<&Arc<Log>>,
        statistics: &mut Statistics,
    ) -> CaseOutcome {
        let deployed = problem::deployed(semantics, self.network.element);
        let (low, high) = problem::region_box(case, semantics, self.network.element);
        let single = chains.single.as_ref().map(|b| b.with(problem::objectives(case, self.network), deployed));
        let double = chains.double.with(problem::objectives(case, self.network), deployed);
        let root = match &single {
            Some(bounder) => {
                let down = low.iter().map(|&x| f32::from_f64_down(x)).collect();
                AnyPart::Single(bounder.root(down, high.iter().map(|&x| f32::from_f64_up(x)).collect()))
            }
            None => AnyPart::Double(double.root(low, high)),
        };
        let check = |x: &[f64]| self.check(case, first, semantics, x).is_some();
        let method = ChainMethod {
            single,
            double,
            check: &check,
            root: root.clone(),
            deadline: self.deadline,
            seed: self.config.seed,
            attack: self.config.attack,
            log: log.cloned(),
        };
        let result = tree::search(&method, vec![root], self.config, self.deadline, self.observer);
        statistics.subproblems += result.steps;
        statistics.proved = result.proved;
        statistics.method = "branch and bound on inputs and neurons".into();
        match result.end {
            End::Witness(point) => match self.check(case, first, semantics, &point) {
                Some(witness) => CaseOutcome::Refuted(Box::new(witness)),
                None => CaseOutcome::Open(Reason::Precision("a counterexample could not be replayed".into()), None),
            },
            End::Stopped(reason) => CaseOutcome::Open(reason, Some(result.worst)),
            End::Done if result.stuck.is_empty() => CaseOutcome::Proved(result.margin),
            End::Done => {
                let word = semantics.word();
                let count = result.stuck.len();
                let why = format!("{word}: {count} parts are too small to split; the worst bound there is {:e}", result.worst);
                CaseOutcome::Open(Reason::Precision(why), Some(result.worst))
            }
        }
    }
}

/// What became of a case.
pub enum CaseOutcome {
    /// Proved with this margin.
    Proved(f64),
    /// Refuted.
    Refuted(Box<Witness>),
    /// Undecided: the reason and the worst bound left.
    Open(Reason, Option<f64>),
}
