//! All cases of a query under one semantics: attack each, then prove each.

use std::sync::Arc;
use std::time::Instant;

use checker::Semantics;

use super::attack::{Attack, Effort};
use super::chain::{AnyPart, ChainMethod};
use super::small::BY_PHASES;
use super::wide::Record;
use super::{Config, Observer, Reason, Report, Statistics, Verdict, Witness, phases, problem, small, wide, witness};
use crate::bounds::chain::{Bounder, Workspace, compile};
use crate::bounds::exact::Skeleton;
use crate::bounds::neurons::Known;
use crate::graph::Graph;
use crate::numerics::Real;
use crate::proof::{Log, NodeId, OpenNode, Proof};
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
    /// A proof to go on from.
    pub begun: Option<Begun>,
}

/// A proof that is not complete, and how to go on from its open nodes.
#[derive(Clone, Debug)]
pub struct Begun {
    /// What is proved so far.
    pub proof: Proof,
    /// How to go on.
    pub how: Continue,
    /// For each case what the steps of its open root show, where it has some.
    pub known: Vec<Option<Known>>,
}

/// How to go on from open nodes of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continue {
    /// As if the search had not been interrupted.
    Resume,
    /// In `f64`: the checker has rejected what was there.
    Mend {
        /// Without anything inherited: whatever is used is then derived at the node itself.
        fresh: bool,
        /// Halve the nodes first, as they have been rejected before.
        halve: bool,
        /// How often this was done before: trees of neuron splits leave more room each time.
        round: usize,
    },
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
    /// Nodes that the checker has not accepted yet, where it has looked at the others.
    fresh: Option<Vec<Vec<NodeId>>>,
    /// Why there can be no certificate.
    obstacle: Option<String>,
}

impl Recorded {
    /// The proof, where one was asked for, or a note that says why there is none.
    fn proof(self, semantics: Semantics, partial: bool) -> (Option<Proof>, Vec<String>) {
        match self.obstacle {
            Some(why) => (None, vec![format!("not certified: {why}")]),
            None if self.trees.is_empty() => (None, Vec::new()),
            None => (Some(Proof { semantics, trees: self.trees, partial, fresh: self.fresh }), Vec::new()),
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

fn unrecorded(method: &str) -> String {
    format!("proofs by {method} are recorded for networks of affine operators and ReLUs only")
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

    /// Proves every case in order.
    pub fn prove(&self, semantics: Semantics, mut statistics: Statistics) -> Attempt {
        if let Some(recorded) = self.all_shown() {
            (statistics.proved, statistics.method) = (1.0, "replay of an earlier proof".into());
            return Attempt::Holds { margin: f64::INFINITY, statistics, recorded };
        }
        let chains = self.chains();
        let skeleton = phases::skeleton(self.network, chains.is_some());
        let wide_chain = if chains.is_none() && skeleton.is_none() { compile::<f32>(self.network) } else { None };
        let mut margin = f64::INFINITY;
        let mut first = 0;
        let total = self.query.cases.len() as f64;
        let mut recorded = Recorded::default();
        if let Some(begun) = &self.begun {
            recorded.trees.clone_from(&begun.proof.trees);
            recorded.fresh.clone_from(&begun.proof.fresh);
        } else if let Some(files) = &self.config.record {
            let lens = files.read().and_then(|read| read.lens()).unwrap_or_default();
            recorded.trees.resize_with(self.query.cases.len(), || Arc::new(Log::about(&lens)));
        }
        for (done, case) in self.query.cases.iter().enumerate() {
            if semantics == Semantics::Real && self.config.record.is_none() && witness::excludes_point(self.network, case) {
                margin = margin.min(0.0);
                first += case.disjuncts.len();
                continue;
            }
            // Two searches by turns, two logs; what one proves alone is the proof.
            let by_phases = recorded.trees.get(done).filter(|_| self.begun.is_none()).map(|_| Arc::<Log>::default());
            let small = Small {
                chains: chains.as_ref(),
                skeleton: skeleton.as_ref(),
                log: recorded.trees.get(done),
                by_phases: by_phases.as_deref(),
            };
            let outcome = self.search_small(&small, case, first, semantics, &mut statistics).unwrap_or_else(|| {
                let known = self.begun.as_ref().and_then(|begun| begun.known.get(done)?.as_ref());
                let record = recorded.trees.get(done).map(|log| Record { log, case: done, known });
                wide::decide(self, wide_chain.as_ref(), case, first, semantics, record, &mut statistics)
            });
            if let (Some(log), Some(by_phases)) = (recorded.trees.get_mut(done), by_phases)
                && statistics.method == BY_PHASES
            {
                *log = by_phases;
            }
            if let Some(log) = recorded.trees.get(done) {
                let proved = matches!(outcome, CaseOutcome::Proved(_));
                let unrecorded = || (proved && log.has_gaps()).then(|| unrecorded(&statistics.method));
                recorded.obstacle = recorded.obstacle.or_else(|| log.failure()).or_else(unrecorded);
            }
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

    /// The proof that was begun, if the checker has accepted all of it for this query: then no network need be prepared.
    fn all_shown(&self) -> Option<Recorded> {
        let proof = &self.begun.as_ref()?.proof;
        let all = proof.fresh.as_ref()?.iter().all(Vec::is_empty);
        let sound = all && proof.trees.iter().all(|log| !log.has_gaps() && log.failure().is_none());
        sound.then(|| Recorded { trees: proof.trees.clone(), fresh: proof.fresh.clone(), ..Recorded::default() })
    }

    /// The replayed witness at `point`, if it counts under `semantics`.
    pub(super) fn check(&self, case: &Case, first: usize, semantics: Semantics, point: &[f64]) -> Option<Witness> {
        witness::replay(self.network, case, first, point).filter(|w| match semantics {
            Semantics::Real => w.breaks_real,
            Semantics::Float32 => w.breaks_float32,
            _ => w.breaks_float32 || (w.breaks_real && self.query.declared_element() == DeclaredElement::Real),
        })
    }

    /// How many times its own allowance for rounding a bound must lie beyond zero: the checker has refused less.
    pub(super) fn caution(&self) -> f64 {
        match self.begun.as_ref().map(|begun| begun.how) {
            Some(Continue::Mend { round, .. }) => 0.25 * 2f64.powi(round.min(20) as i32),
            _ => 0.0,
        }
    }

    pub(super) fn stopped(&self) -> bool {
        self.config.stop.load(std::sync::atomic::Ordering::Relaxed) || self.deadline.is_some_and(|d| Instant::now() >= d)
    }

    /// Why [`Solver::stopped`] says so.
    pub(super) fn why_stopped(&self) -> Reason {
        if self.config.stop.load(std::sync::atomic::Ordering::Relaxed) { Reason::Stopped } else { Reason::Timeout }
    }

    fn attack(&self, case: &Case, first: usize, semantics: Semantics, statistics: &mut Statistics) -> Option<Witness> {
        let objectives = problem::objectives::<f32>(case, self.network, semantics);
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

    /// By the chain engine and on phases, where the network is made for them; `None` if it is for neither.
    fn search_small(
        &self,
        small: &Small,
        case: &Case,
        first: usize,
        semantics: Semantics,
        statistics: &mut Statistics,
    ) -> Option<CaseOutcome> {
        let check = |x: &[f64]| self.check(case, first, semantics, x).is_some();
        // A proof is gone on with by the chain engine, which takes a node as it finds it.
        let skeleton = small.skeleton.filter(|_| self.begun.is_none());
        let build = || skeleton.and_then(|s| phases::program(self, s, case, semantics));
        let chain = small.chains.map(|chains| self.chain_method(chains, case, semantics, small.log, &check));
        let starts = chain.as_ref().map(|method| self.starts(method, case.disjuncts.len())).transpose();
        let with_starts = match starts {
            Ok(starts) => chain.as_ref().zip(starts),
            Err(why) => return Some(CaseOutcome::Open(Reason::Unsupported(why), None)),
        };
        Some(small::search(self, with_starts, (&build, small.by_phases), &check, statistics)?.outcome(self, case, first, semantics))
    }

    fn chain_method<'a>(
        &'a self,
        chains: &Chains,
        case: &Case,
        semantics: Semantics,
        log: Option<&Arc<Log>>,
        check: &'a (dyn Fn(&[f64]) -> bool + Sync),
    ) -> ChainMethod<'a> {
        let deployed = problem::deployed(semantics, self.network.element);
        let (low, high) = problem::region_box(case, semantics, self.network.element);
        let single = chains.single.as_ref().map(|b| b.with(problem::objectives(case, self.network, semantics), deployed));
        let mut double = chains.double.with(problem::objectives(case, self.network, semantics), deployed);
        if self.begun.as_ref().is_some_and(|b| b.how != Continue::Resume) {
            double.least_crossing = 1e-7;
        }
        let root = match &single {
            Some(bounder) => {
                let down = low.iter().map(|&x| f32::from_f64_down(x)).collect();
                AnyPart::Single(bounder.root(down, high.iter().map(|&x| f32::from_f64_up(x)).collect()))
            }
            None => AnyPart::Double(double.root(low, high)),
        };
        let (deadline, seed, attack) = (self.deadline, self.config.seed, self.config.attack);
        ChainMethod { single, double, check, root, deadline, seed, attack, log: log.cloned() }
    }

    /// Where the search begins: at the root, or at the open nodes of a proof; and what share is proved already.
    fn starts(&self, method: &ChainMethod, disjuncts: usize) -> Result<small::Starts, String> {
        let ChainMethod { single, double, root, log, .. } = method;
        let (Some(begun), Some(log)) = (&self.begun, log) else { return Ok(small::Starts { parts: vec![root.clone()], proved: 0.0 }) };
        let open = log.frontier(disjuncts).map_err(|e| e.to_string())?;
        let left: f64 = open.iter().map(|node| 0.5f64.powi(node.turns.len() as i32)).sum();
        let strange = || "the proof splits neurons or inputs that this network does not have".to_string();
        let mut parts = Vec::new();
        match (root, single) {
            (AnyPart::Single(root), Some(single)) if begun.how == Continue::Resume => {
                let (mut workspace, mut trail) = (Workspace::default(), Vec::new());
                for node in &open {
                    let part = single.follow_on(&mut trail, root, node, false, &mut workspace);
                    parts.push(AnyPart::Single(part.ok_or_else(strange)?));
                }
            }
            _ => {
                let (root, mut workspace, mut trail) = (root.clone().double(), Workspace::default(), Vec::new());
                let (fresh, halve) = match begun.how {
                    Continue::Mend { fresh, halve, .. } => (fresh, halve),
                    Continue::Resume => (false, false),
                };
                let mut follow = |node: &OpenNode| double.follow_on(&mut trail, &root, node, fresh, &mut workspace).ok_or_else(strange);
                for node in open {
                    let part = follow(&node)?;
                    let nodes = if halve { double.halve(node, &part, log) } else { vec![node] };
                    for node in &nodes {
                        parts.push(AnyPart::Double(follow(node)?));
                    }
                }
            }
        }
        Ok(small::Starts { parts, proved: 1.0 - left })
    }
}

/// What a small network is searched with.
struct Small<'a> {
    chains: Option<&'a Chains>,
    skeleton: Option<&'a Skeleton>,
    log: Option<&'a Arc<Log>>,
    by_phases: Option<&'a Log>,
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
