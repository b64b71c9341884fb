//! Deciding a query: intervals, the relaxation, an attack, then branch and bound, class by class.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::attack::Attack;
use super::bounds::Range;
use super::branch::Choice;
use super::first_layer::FirstLayer;
use super::network::Network;
use super::problem::{Level, Model, Part, Split};
use super::proof::{ClassProof, Proof, Record};
use super::query::{Query, QueryError, Target};
use super::relax::{self, Relaxation, Relaxed, Warm, rounded, whole};

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
    /// Not decided in time; so much is proved.
    Timeout(Proof),
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
    search(network, query, limits, None)
}

/// As [`decide`], from what is open in a proof about the same network and query. What it closes is taken over unseen: the checker
/// must have accepted it.
pub fn go_on(network: &Network, query: &Query, limits: &Limits, begun: Proof) -> Result<(Answer, Effort), QueryError> {
    search(network, query, limits, Some(begun))
}

fn search(network: &Network, query: &Query, limits: &Limits, begun: Option<Proof>) -> Result<(Answer, Effort), QueryError> {
    query.check(network)?;
    let mut search = Search { model: &Model::new(network), query, limits, effort: Effort::default() };
    let answer = search.run(begun);
    Ok((answer, search.effort))
}

struct Search<'a> {
    model: &'a Model<'a>,
    query: &'a Query,
    limits: &'a Limits,
    effort: Effort,
}

/// An input that breaks the query.
struct Broken(Vec<i64>);

/// A part that waits; none where nothing is left.
struct Open {
    part: Option<Part>,
    /// Its records are those of an earlier proof.
    begun: bool,
    first: Rc<FirstLayer>,
    warm: Warm,
}

/// Effort per part; the rounds count where there are several hidden layers.
const EFFORT: relax::Effort = relax::Effort { pivots: 400, rounds: 40 };
/// Effort for the whole query.
const ROOT_EFFORT: relax::Effort = relax::Effort { pivots: 400, rounds: 100 };
/// Parts from whose primal solution every input is tried; later every eighth.
const CLIMBED: usize = 64;
/// Neurons above the first layer whose ranges are narrowed anew in a part.
const NARROWED: usize = 6;

impl Search<'_> {
    fn run(&mut self, begun: Option<Proof>) -> Answer {
        let mut root = self.model.root(self.query);
        let middle: Vec<i64> = self.query.input.iter().map(|r| r.low + (r.high - r.low) / 2).collect();
        if self.query.is_broken_by(self.model.network, &middle) {
            return Answer::Vulnerable(middle);
        }
        let first = Rc::new(FirstLayer::of(self.model, &root));
        let mut proof = match begun {
            Some(proof) => self.retrace_shared(proof, &mut root),
            None => self.without_branching(&mut root, &first),
        };
        for open in proof.classes.iter().filter(|c| c.is_open()) {
            let attack = Attack { network: self.model.network, query: self.query, target: self.target(open.class) };
            if let Some(x) = attack.run(&middle, 4).filter(|x| self.query.is_broken_by(self.model.network, x)) {
                return Answer::Vulnerable(x);
            }
        }
        for open in proof.classes.iter_mut().filter(|c| c.is_open()) {
            self.effort.by_branching += 1;
            match self.tree(&root, &first, open) {
                Ok(records) => open.records = records,
                Err(Broken(x)) => return Answer::Vulnerable(x),
            }
        }
        if proof.is_open() { Answer::Timeout(proof) } else { Answer::Robust(proof) }
    }

    /// What intervals and one relaxation per class prove of the whole box; the other classes are open.
    fn without_branching(&mut self, root: &mut Part, first: &Rc<FirstLayer>) -> Proof {
        let classes: Vec<usize> = (0..self.model.network.outputs()).filter(|c| *c != self.query.label).collect();
        let mut proofs: Vec<Option<ClassProof>> = classes.iter().map(|&class| self.by_intervals(root, class)).collect();
        self.effort.by_interval = proofs.iter().flatten().count();
        let shared = if proofs.iter().all(Option::is_some) { Vec::new() } else { self.narrow(root, first) };
        for (proof, &class) in proofs.iter_mut().zip(&classes).filter(|(p, _)| p.is_none()) {
            *proof = self.by_relaxation(root, first, class);
            self.effort.by_relaxation += usize::from(proof.is_some());
        }
        let open = |(proof, &class): (Option<ClassProof>, &usize)| proof.unwrap_or(ClassProof { class, records: vec![Record::Open] });
        Proof { shared, classes: proofs.into_iter().zip(&classes).map(open).collect() }
    }

    /// Narrows the root as an earlier proof does.
    fn retrace_shared(&self, proof: Proof, root: &mut Part) -> Proof {
        let mut part = Some(root.clone());
        proof.shared.iter().for_each(|record| self.tighten_again(&mut part, record));
        // What is narrowed to nothing is left to the trees.
        *root = part.unwrap_or_else(|| root.clone());
        proof
    }

    fn tighten_again(&self, part: &mut Option<Part>, record: &Record) {
        let (Some(own), Record::Tighten { layer, neuron, sign, unit, multipliers }) = (part.as_mut(), record) else { return };
        let reach = self.model.reach(own, *layer, *neuron, *sign, *unit, multipliers);
        if !self.model.tighten(own, *layer, *neuron, side(*sign, reach)) {
            *part = None;
        }
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
        Warm { basis: first.start(), near: first.middles(root), weight: 0.5, upper: Vec::new() }
    }

    fn by_intervals(&self, root: &Part, class: usize) -> Option<ClassProof> {
        let levels = self.model.levels(&self.whole(root, class), self.target(class));
        levels.is_empty().then(|| ClassProof { class, records: vec![Record::Empty] })
    }

    fn by_relaxation(&mut self, root: &Part, first: &FirstLayer, class: usize) -> Option<ClassProof> {
        let part = self.whole(root, class);
        let levels = self.model.levels(&part, self.target(class));
        if levels.is_empty() {
            return Some(ClassProof { class, records: vec![Record::Empty] });
        }
        let mut warm = self.warm(root, first);
        let relaxed = self.relax(first, &part, class, &levels, &mut warm, ROOT_EFFORT);
        let record = self.leaf(&part, class, &levels, &relaxed)?;
        Some(ClassProof { class, records: vec![record] })
    }

    fn relax(
        &mut self,
        first: &FirstLayer,
        part: &Part,
        class: usize,
        levels: &[Level],
        warm: &mut Warm,
        effort: relax::Effort,
    ) -> Relaxed {
        self.effort.parts += 1;
        Relaxation { model: self.model, first, part }.exclude(self.target(class), levels, warm, effort)
    }

    /// The record of a part whose relaxation is negative, with multipliers as short as will do.
    fn leaf(&self, part: &Part, class: usize, levels: &[Level], relaxed: &Relaxed) -> Option<Record> {
        if relaxed.bound.value >= 0.0 {
            return None;
        }
        let short = [10, 14, 20, 30].into_iter().map(|bits| rounded(relaxed, bits));
        let mut enough = short.filter(|m| self.model.excludes(part, self.target(class), levels, m));
        enough.next().map(Record::Leaf)
    }

    /// Narrows the accumulators of the hidden layers above the first, layer by layer.
    fn narrow(&self, root: &mut Part, first: &FirstLayer) -> Vec<Record> {
        let mut records = Vec::new();
        for layer in 1..self.model.hidden() {
            let mut warm = self.warm(root, first);
            for neuron in 0..root.accumulators[layer].len() {
                if self.is_over() {
                    return records;
                }
                // What is narrowed to nothing is left to the trees: an empty box has no counterexample.
                if !self.narrow_one(root, first, (layer, neuron), &mut warm, ROOT_EFFORT, &mut records) {
                    return records;
                }
            }
        }
        records
    }

    /// Narrows one accumulator from both sides, where that gains something; false if nothing is left.
    fn narrow_one(
        &self,
        part: &mut Part,
        first: &FirstLayer,
        (layer, neuron): (usize, usize),
        warm: &mut Warm,
        effort: relax::Effort,
        records: &mut Vec<Record>,
    ) -> bool {
        let steps = self.model.steps(layer, neuron);
        for sign in [1, -1] {
            let range = part.accumulators[layer][neuron];
            if steps.value(range.low) == steps.value(range.high) {
                return true;
            }
            let row = self.model.network.layers()[layer].row(neuron);
            let objective: Vec<f64> = row.iter().map(|&w| sign as f64 * f64::from(w)).collect();
            warm.upper.clear();
            let bound = Relaxation { model: self.model, first, part }.maximise(&objective, layer, warm, f64::NEG_INFINITY, effort);
            let (bits, unit) = (14, 1 << 14);
            let multipliers = whole(&bound.multipliers, bits);
            let reach = self.model.reach(part, layer, neuron, sign, unit, &multipliers);
            let side = side(sign, reach);
            let length = |r: Range| r.high - r.low;
            if length(range.meet(side)) as f64 > 0.98 * length(range) as f64 {
                continue;
            }
            records.push(Record::Tighten { layer, neuron, sign, unit, multipliers });
            if !self.model.tighten(part, layer, neuron, side) {
                return false;
            }
        }
        true
    }

    /// Branch and bound for one class, from what is open of its tree; what is still open when the time is over stays so.
    fn tree(&mut self, root: &Part, first: &Rc<FirstLayer>, begun: &ClassProof) -> Result<Vec<Record>, Broken> {
        let (class, mut earlier, mut records) = (begun.class, begun.records.iter(), Vec::new());
        let whole = Some(self.whole(root, class));
        let mut open = vec![Open { part: whole, begun: true, first: Rc::clone(first), warm: self.warm(root, first) }];
        while let Some(Open { mut part, begun, first, mut warm }) = open.pop() {
            let record = if begun { self.retrace(&mut part, &mut earlier, &mut records) } else { Record::Open };
            let searched = record == Record::Open;
            let record = match (record, &mut part) {
                (Record::Open, None) => Record::Empty,
                (Record::Open, Some(part)) if !self.is_over() => self.node(root, &first, part, class, &mut warm, &mut records)?,
                (record, _) => record,
            };
            records.push(record);
            let Some(&Record::Split { split, second_first }) = records.last() else { continue };
            for second in [!second_first, second_first] {
                let half = part.as_ref().and_then(|part| self.model.half(part, split, second));
                let first = match (&split, &half) {
                    (Split::Input { .. }, Some(half)) => Rc::new(first.over(self.model, half)),
                    _ => Rc::clone(&first),
                };
                open.push(Open { part: half, begun: !searched, first, warm: warm.clone() });
            }
        }
        Ok(records)
    }

    /// Takes over the tightenings of a node of an earlier tree; gives the record after them.
    fn retrace<'r>(&self, part: &mut Option<Part>, earlier: &mut impl Iterator<Item = &'r Record>, records: &mut Vec<Record>) -> Record {
        loop {
            match earlier.next() {
                Some(record @ Record::Tighten { .. }) => {
                    self.tighten_again(part, record);
                    records.push(record.clone());
                }
                record => return record.cloned().unwrap_or(Record::Open),
            }
        }
    }

    /// Records how a part is narrowed; gives the record that closes or splits it.
    fn node(
        &mut self,
        root: &Part,
        first: &FirstLayer,
        part: &mut Part,
        class: usize,
        warm: &mut Warm,
        records: &mut Vec<Record>,
    ) -> Result<Record, Broken> {
        for narrowed in [false, true] {
            let levels = self.model.levels(part, self.target(class));
            if levels.is_empty() {
                return Ok(Record::Empty);
            }
            let mut relaxed = self.relax(first, part, class, &levels, warm, EFFORT);
            if let Some(record) = self.leaf(part, class, &levels, &relaxed) {
                return Ok(record);
            }
            self.try_primal(&root.accumulators[0], first, part, &relaxed, warm, class)?;
            if narrowed || self.model.hidden() < 2 {
                let branch = super::branch::Branch { model: self.model, first, part, target: self.target(class), levels: &levels };
                let Choice { split, second_first } = branch.choose(&mut relaxed, warm);
                return Ok(Record::Split { split, second_first });
            }
            for neuron in worst(&relaxed.bound.gaps) {
                let mut own = Warm { upper: Vec::new(), ..warm.clone() };
                if !self.narrow_one(part, first, neuron, &mut own, EFFORT, records) {
                    return Ok(Record::Empty);
                }
            }
        }
        unreachable!("the second round returns")
    }

    /// Is the primal solution, rounded, a counterexample; or are its hidden values, and can an input be found that has them?
    fn try_primal(
        &self,
        root: &[Range],
        first: &FirstLayer,
        part: &Part,
        relaxed: &Relaxed,
        warm: &Warm,
        class: usize,
    ) -> Result<(), Broken> {
        let broken = |x: Vec<i64>| if self.query.is_broken_by(self.model.network, &x) { Err(Broken(x)) } else { Ok(()) };
        let attack = Attack { network: self.model.network, query: self.query, target: self.target(class) };
        let x = first.rounded(&relaxed.bound.inputs);
        broken(x.clone())?;
        if self.model.hidden() > 0 {
            let mut cells = part.accumulators[0].clone();
            let mut inner: Vec<i64> = cells.iter().map(|r| r.low).collect();
            for &neuron in &first.rows {
                let a = relaxed.bound.accumulators[0][neuron];
                let a = (a.round() as i64).clamp(cells[neuron].low, cells[neuron].high);
                inner[neuron] = a;
                cells[neuron] = cells[neuron].meet(self.model.steps(0, neuron).cell(a));
            }
            if attack.worth_of(&inner) >= 0 {
                // In the middle of the cells there is room for rounding.
                let mut margins = [96, 48, 24, 12, 6, 0].into_iter();
                let inputs = margins.find_map(|margin| first.inside(&cells, root, margin, warm));
                let found = inputs.and_then(|inputs| attack.repair(first.rounded(&inputs), &cells));
                found.map_or(Ok(()), broken)?;
            }
        }
        match self.effort.parts {
            parts if parts < CLIMBED || parts.is_multiple_of(8) => attack.climb(x, 1).map_or(Ok(()), broken),
            _ => Ok(()),
        }
    }
}

/// The accumulators that a bound in the direction of `sign` allows.
fn side(sign: i64, reach: i64) -> Range {
    if sign > 0 { Range { low: i64::MIN, high: reach } } else { Range { low: -reach, high: i64::MAX } }
}

/// The neurons above the first layer with the largest gaps.
fn worst(gaps: &[Vec<f64>]) -> Vec<(usize, usize)> {
    let mut all: Vec<(usize, usize)> = (1..gaps.len()).flat_map(|k| (0..gaps[k].len()).map(move |j| (k, j))).collect();
    all.retain(|&(k, j)| gaps[k][j] > 0.0);
    all.sort_by(|a, b| gaps[b.0][b.1].total_cmp(&gaps[a.0][a.1]));
    all.truncate(NARROWED);
    // From the bottom: what is narrowed there narrows what is above.
    all.sort_unstable();
    all
}
