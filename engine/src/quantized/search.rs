//! Deciding a query: intervals, the relaxation, an attack, then branch and bound, class by class.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::attack::Attack;
use super::bounds::Range;
use super::network::Network;
use super::problem::{Level, Model, Part, Split};
use super::proof::{ClassProof, Proof, Record};
use super::query::{Query, QueryError, Target};
use super::relax::{FirstLayer, Relaxation, Relaxed, Warm, rounded};

/// Limits of a search.
#[derive(Clone, Default)]
pub struct Limits {
    /// When the time began to run.
    pub started: Option<Instant>,
    /// How long it runs.
    pub timeout: Option<Duration>,
    /// Ends the search from outside.
    pub stop: Arc<AtomicBool>,
}

/// The answer to a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// No input of the box leaves the class: proved.
    Robust(Proof),
    /// This input does.
    Vulnerable(Vec<i64>),
    /// Not decided in time.
    Timeout,
}

/// What the search did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// Wrong classes that intervals excluded.
    pub by_interval: usize,
    /// Wrong classes that one relaxation excluded.
    pub by_relaxation: usize,
    /// Wrong classes that needed branching.
    pub by_branching: usize,
    /// Parts bounded.
    pub parts: usize,
}

/// Decides a query.
pub fn decide(network: &Network, query: &Query, limits: &Limits) -> Result<(Answer, Effort), QueryError> {
    query.check(network)?;
    if network.layers().len() != 2 {
        return Err(QueryError::Depth { hidden: network.layers().len() - 1 });
    }
    let mut search = Search { model: &Model::new(network), query, limits, effort: Effort::default() };
    let answer = search.run();
    Ok((answer, search.effort))
}

struct Search<'a> {
    model: &'a Model<'a>,
    query: &'a Query,
    limits: &'a Limits,
    effort: Effort,
}

/// Why a tree ended without a proof.
enum End {
    Broken(Vec<i64>),
    Timeout,
}

/// A part that waits.
struct Open {
    part: Option<Part>,
    first: Rc<FirstLayer>,
    warm: Warm,
}

/// Pivots per relaxation.
const PIVOTS: usize = 400;
/// Neurons that are tried before a split.
const CANDIDATES: usize = 6;
/// Pivots per trial.
const TRIAL_PIVOTS: usize = 12;

impl Search<'_> {
    fn run(&mut self) -> Answer {
        let root = self.model.root(self.query);
        let middle: Vec<i64> = self.query.input.iter().map(|r| r.low + (r.high - r.low) / 2).collect();
        if self.query.is_broken_by(self.model.network, &middle) {
            return Answer::Vulnerable(middle);
        }
        let first = Rc::new(FirstLayer::new(self.model, &root, FirstLayer::unstable(self.model, &root)));
        let mut proofs: Vec<Option<ClassProof>> = Vec::new();
        let mut open = Vec::new();
        for class in (0..self.model.network.outputs()).filter(|c| *c != self.query.label) {
            let proof = self.at_root(&root, &first, class);
            if proof.is_none() {
                open.push((proofs.len(), class));
            }
            proofs.push(proof);
        }
        for &(_, class) in &open {
            let attack = Attack { network: self.model.network, query: self.query, target: self.target(class) };
            if let Some(x) = attack.run(&middle, 4).filter(|x| self.query.is_broken_by(self.model.network, x)) {
                return Answer::Vulnerable(x);
            }
        }
        for (place, class) in open {
            self.effort.by_branching += 1;
            match self.tree(&root, &first, class) {
                Ok(proof) => proofs[place] = Some(proof),
                Err(End::Broken(x)) => return Answer::Vulnerable(x),
                Err(End::Timeout) => return Answer::Timeout,
            }
        }
        Answer::Robust(Proof { shared: Vec::new(), classes: proofs.into_iter().flatten().collect() })
    }

    fn target(&self, class: usize) -> Target<'_> {
        Target::new(self.model.network, class, self.query.label)
    }

    fn is_over(&self) -> bool {
        let late = |limit: Duration| self.limits.started.is_some_and(|s| s.elapsed() >= limit);
        self.limits.stop.load(Ordering::Relaxed) || self.limits.timeout.is_some_and(late)
    }

    fn whole(&self, root: &Part, class: usize) -> Part {
        Part { levels: self.target(class).levels(), ..root.clone() }
    }

    fn warm(&self, root: &Part, first: &FirstLayer) -> Warm {
        Warm { basis: first.start(), near: first.middles(root), weight: 0.5 }
    }

    /// Excludes a class by intervals or one relaxation.
    fn at_root(&mut self, root: &Part, first: &FirstLayer, class: usize) -> Option<ClassProof> {
        let mut part = self.whole(root, class);
        let levels = self.model.levels(&part, self.target(class));
        let Some(record) = (if levels.is_empty() { Some(Record::Empty) } else { None }) else {
            part.levels = Range { low: levels[0].k, high: levels[levels.len() - 1].k };
            let mut warm = self.warm(root, first);
            let relaxed = self.relax(first, &part, class, &levels, &mut warm);
            let record = self.leaf(&part, class, &levels, &relaxed)?;
            self.effort.by_relaxation += 1;
            return Some(ClassProof { class, records: vec![record] });
        };
        self.effort.by_interval += 1;
        Some(ClassProof { class, records: vec![record] })
    }

    fn relax(&mut self, first: &FirstLayer, part: &Part, class: usize, levels: &[Level], warm: &mut Warm) -> Relaxed {
        self.effort.parts += 1;
        Relaxation { model: self.model, target: self.target(class) }.bound(first, part, levels, warm, PIVOTS)
    }

    /// The record of a part whose relaxation is negative, with multipliers as short as will do.
    fn leaf(&self, part: &Part, class: usize, levels: &[Level], relaxed: &Relaxed) -> Option<Record> {
        if relaxed.value >= 0.0 {
            return None;
        }
        let short = [10, 14, 20, 30].into_iter().map(|bits| rounded(relaxed, bits));
        let mut enough = short.filter(|m| self.model.excludes(part, self.target(class), levels, m));
        enough.next().map(Record::Leaf)
    }

    /// Branch and bound for one class.
    fn tree(&mut self, root: &Part, first: &Rc<FirstLayer>, class: usize) -> Result<ClassProof, End> {
        let whole = self.whole(root, class);
        let mut open = vec![Open { part: Some(whole), first: Rc::clone(first), warm: self.warm(root, first) }];
        let mut records = Vec::new();
        while let Some(Open { part, first, mut warm }) = open.pop() {
            if self.is_over() {
                return Err(End::Timeout);
            }
            let Some(part) = part else {
                records.push(Record::Empty);
                continue;
            };
            let levels = self.model.levels(&part, self.target(class));
            if levels.is_empty() {
                records.push(Record::Empty);
                continue;
            }
            let mut relaxed = self.relax(&first, &part, class, &levels, &mut warm);
            if let Some(record) = self.leaf(&part, class, &levels, &relaxed) {
                records.push(record);
                continue;
            }
            self.try_primal(&root.accumulators[0], &first, &part, &relaxed, &warm, class)?;
            let (split, second_first) = self.choose(&first, &part, &levels, &mut relaxed, &warm);
            records.push(Record::Split { split, second_first });
            for second in [!second_first, second_first] {
                let half = self.model.half(&part, split, second);
                let first = match (&split, &half) {
                    (Split::Input { .. }, Some(half)) => Rc::new(FirstLayer::new(self.model, half, first.rows.clone())),
                    _ => Rc::clone(&first),
                };
                let warm = if matches!(split, Split::Input { .. }) {
                    half.as_ref().map_or(warm.clone(), |h| self.warm(h, &first))
                } else {
                    warm.clone()
                };
                open.push(Open { part: half, first, warm });
            }
        }
        Ok(ClassProof { class, records })
    }

    /// Is the primal solution, rounded, a counterexample; or are its hidden values, and can an input be found that has them?
    fn try_primal(&self, root: &[Range], first: &FirstLayer, part: &Part, relaxed: &Relaxed, warm: &Warm, class: usize) -> Result<(), End> {
        let broken = |x: Vec<i64>| if self.query.is_broken_by(self.model.network, &x) { Err(End::Broken(x)) } else { Ok(()) };
        let attack = Attack { network: self.model.network, query: self.query, target: self.target(class) };
        let x = first.rounded(&relaxed.inputs);
        broken(x.clone())?;
        let mut cells = part.accumulators[0].clone();
        let mut middle: Vec<i64> = cells.iter().map(|r| r.low).collect();
        for (&neuron, &a) in first.rows.iter().zip(&relaxed.accumulators) {
            let a = (a.round() as i64).clamp(cells[neuron].low, cells[neuron].high);
            middle[neuron] = a;
            cells[neuron] = cells[neuron].meet(self.model.steps(0, neuron).cell(a));
        }
        if attack.worth_of(&middle) >= 0 {
            // In the middle of the cells there is room for rounding.
            for margin in [96, 48, 24, 12, 6, 0] {
                if let Some(inputs) = first.inside(&cells, root, margin, warm) {
                    attack.repair(first.rounded(&inputs), &cells).map_or(Ok(()), broken)?;
                    break;
                }
            }
        }
        attack.climb(x, 1).map_or(Ok(()), broken)
    }

    /// The split that promises most, and which half to look at first: the one with the larger bound.
    fn choose(&self, first: &FirstLayer, part: &Part, levels: &[Level], relaxed: &mut Relaxed, warm: &Warm) -> (Split, bool) {
        let mut rows: Vec<usize> = (0..relaxed.gaps.len()).collect();
        rows.sort_by(|&a, &b| relaxed.gaps[b].total_cmp(&relaxed.gaps[a]));
        let largest = rows.first().map_or(0.0, |&r| relaxed.gaps[r]);
        let (level_gap, at) = relaxed.level_gap;
        if levels.len() > 1 && level_gap > largest.max(1e-6) {
            let last = if at < levels[levels.len() - 1].k { at } else { at - 1 };
            return (Split::Level { last }, last != at);
        }
        let mut best: Option<(f64, Split, bool)> = None;
        rows.truncate(CANDIDATES);
        rows.retain(|&r| relaxed.gaps[r] > 1e-6_f64.max(0.05 * largest));
        for row in rows {
            let neuron = first.rows[row];
            let range = part.accumulators[0][neuron];
            for last in self.places(neuron, range, relaxed.accumulators[row]) {
                let half = |range: Range, relaxed: &mut Relaxed| first.probe(self.model, relaxed, warm, row, range, TRIAL_PIVOTS);
                let below = half(Range { low: range.low, high: last }, relaxed);
                let above = half(Range { low: last + 1, high: range.high }, relaxed);
                let gain = |value: f64| (relaxed.value - value).clamp(1e-3, relaxed.value.max(0.0) + 1.0);
                let score = gain(below) * gain(above);
                if best.as_ref().is_none_or(|b| score > b.0) {
                    best = Some((score, Split::Hidden { layer: 0, neuron, last }, above > below));
                }
            }
        }
        best.map_or_else(|| self.last_resort(first, part, levels, relaxed), |(_, split, second_first)| (split, second_first))
    }

    /// Places to split a neuron's range: at the saturation limits, and beside the step of the primal solution.
    fn places(&self, neuron: usize, range: Range, a: f64) -> Vec<i64> {
        let steps = self.model.steps(0, neuron);
        let at = steps.value((a.round() as i64).clamp(range.low, range.high));
        let staircase = self.model.network.layers()[0].staircase(neuron);
        let mut places: Vec<i64> = [staircase.low, staircase.high - 1, at, at - 1].map(|value| steps.last_with(value)).to_vec();
        places.retain(|&last| range.low <= last && last < range.high);
        places.sort_unstable();
        places.dedup();
        places
    }

    /// All neurons are exact at the primal solution: split levels, then inputs.
    fn last_resort(&self, first: &FirstLayer, part: &Part, levels: &[Level], relaxed: &Relaxed) -> (Split, bool) {
        if levels.len() > 1 {
            return (Split::Level { last: levels[(levels.len() - 1) / 2].k }, false);
        }
        if let Some((index, last)) = first.fractional(&relaxed.inputs) {
            return (Split::Input { index, last }, false);
        }
        let widest = (0..part.input.len()).max_by_key(|&p| part.input[p].high - part.input[p].low).expect("a network has inputs");
        let range = part.input[widest];
        (Split::Input { index: widest, last: range.low + (range.high - range.low) / 2 }, false)
    }
}
