//! The steps of a node (docs/certificate.md): each derives facts or excludes a disjunct, or the node is rejected.

use crate::case::{self, Prepared};
use crate::certificate::{Cursor, Fault};
use crate::facts::Facts;
use crate::intervals;
use crate::plan::Step;
use crate::relax::{Relaxed, keep, pick};
use crate::rows::{Single, Trees, batch_rows};
use crate::state::State;
use crate::sweep::Batch;

/// How a node ends.
#[derive(Debug, PartialEq)]
pub enum End {
    /// Proved.
    Leaf,
    /// Nothing is claimed.
    Open,
    /// Two children; the first one has this many bytes.
    Split(Split, usize),
}

/// A split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Split {
    /// An input, at a number.
    Input(usize, f64),
    /// A hinge's element, at 0.
    Neuron(u32, u32),
    /// This disjunct's counterexamples, and those of the others.
    Disjunct(u32),
}

/// Memory for the steps of one thread.
#[derive(Debug)]
pub struct Stepper<'p> {
    /// The network as the present node sees it.
    pub relaxed: Relaxed<'p>,
    /// Rows under way.
    pub batch: Batch,
    /// Threads for the row trees of one step.
    pub threads: usize,
    facts: Facts,
    /// Row trees of the step under way.
    pub trees: Trees,
    elements: Vec<u32>,
    pub(crate) weights: Vec<(Reference, f64)>,
    /// Facts have changed since the network was prepared.
    stale: bool,
    /// The step before was a sum with multipliers.
    narrowing: bool,
    rows: Vec<usize>,
}

/// A fact that sums weigh.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Reference {
    Row(usize),
    Cut(usize),
    Phase(usize),
    Cap(usize),
}

impl<'p> Stepper<'p> {
    /// Fresh memory.
    pub fn new(relaxed: Relaxed<'p>) -> Stepper<'p> {
        let (batch, facts, trees) = (Batch::default(), Facts::default(), Trees::default());
        let (elements, weights, rows) = (Vec::new(), Vec::new(), Vec::new());
        Stepper { relaxed, batch, threads: 1, facts, trees, elements, weights, stale: true, narrowing: false, rows }
    }

    /// Takes the steps of one node.
    pub fn node(&mut self, cursor: &mut Cursor, case: &Prepared, partial: bool, state: &mut State) -> Result<End, Fault> {
        self.begin();
        loop {
            if let Some(end) = self.step(cursor, case, partial, state)? {
                return Ok(end);
            }
        }
    }

    /// Starts a node.
    pub fn begin(&mut self) {
        (self.stale, self.narrowing) = (true, false);
    }

    /// Takes lines over the present box, as the next step would: what `relaxed` prepares is then what that step sees.
    pub fn settle(&mut self, state: &mut State) {
        if self.stale {
            self.renew(state);
        }
    }

    /// Takes lines over the present box; everything else is prepared again when it is needed.
    fn renew(&mut self, state: &mut State) {
        self.relaxed.forget_from(0);
        if !state.void {
            state.concretise();
        }
        self.stale = false;
    }

    /// One step of the node that was begun; `Some` if it ends the node.
    pub fn step(&mut self, cursor: &mut Cursor, case: &Prepared, partial: bool, state: &mut State) -> Result<Option<End>, Fault> {
        let code = cursor.byte()?;
        // Sums with multipliers take intervals as they are, and the rest as it was made when the first of them began.
        if self.stale && !(self.narrowing && matches!(code, 0x14 | 0x31)) {
            self.renew(state);
        }
        self.narrowing = matches!(code, 0x14 | 0x31);
        self.stale |= self.narrowing;
        let named = |fault: Fault| Fault { reason: format!("{}: {}", name(code), fault.reason), ..fault };
        self.take(code, cursor, case, partial, state).map_err(named)
    }

    fn take(&mut self, code: u8, cursor: &mut Cursor, case: &Prepared, partial: bool, state: &mut State) -> Result<Option<End>, Fault> {
        match code {
            0x10 => self.refresh_all(state),
            0x11 => self.refresh_some(cursor, state)?,
            0x12 => self.refresh_by_trees(cursor, state)?,
            0x13 => self.refresh_by_intervals(cursor, state)?,
            0x14 => self.narrow(cursor, case, state)?,
            0x20 => self.drop_by_row(cursor, case, state)?,
            0x21 => self.drop_by_sum(cursor, case, state, false)?,
            0x22 => self.drop_by_sum(cursor, case, state, true)?,
            0x23 => self.drop_by_tree(cursor, case, partial, state)?,
            0x30 => self.clip(cursor, case, state)?,
            0x31 => self.cap(cursor, state)?,
            0x40 => {
                let input = cursor.index(state.low.len(), "input")?;
                let at = cursor.number()?;
                return Ok(Some(End::Split(Split::Input(input, at), cursor.length()?)));
            }
            0x41 => {
                let activation = cursor.index(self.relaxed.plan.activations.len(), "activation")?;
                let element = cursor.index(self.relaxed.plan.activations[activation].len, "element")?;
                if !matches!(self.step_of(activation), Step::Hinge(..)) {
                    return cursor.fault("only hinges are split");
                }
                return Ok(Some(End::Split(Split::Neuron(activation as u32, element as u32), cursor.length()?)));
            }
            0x42 => {
                let disjunct = open_disjunct(cursor, case, state)?;
                return Ok(Some(End::Split(Split::Disjunct(disjunct as u32), cursor.length()?)));
            }
            0x50 if state.open.is_empty() || state.void => return Ok(Some(End::Leaf)),
            0x50 => return cursor.fault(format!("disjunct {} is still open", state.open[0])),
            0x51 if state.void => return Ok(Some(End::Leaf)),
            0x51 => return cursor.fault("no interval is empty"),
            0x52 if partial => return Ok(Some(End::Open)),
            0x52 => return cursor.fault("the certificate is not partial"),
            _ => return cursor.fault("there is no such step"),
        }
        Ok(None)
    }

    fn step_of(&self, activation: usize) -> &'p Step {
        &self.relaxed.plan.nodes[self.relaxed.plan.activations[activation].node].step
    }

    fn refresh_all(&mut self, state: &mut State) {
        for activation in 0..self.relaxed.plan.activations.len() {
            if state.void {
                return;
            }
            self.choose(activation, state);
            self.refresh(activation, state);
        }
    }

    fn refresh_some(&mut self, cursor: &mut Cursor, state: &mut State) -> Result<(), Fault> {
        let activation = cursor.index(self.relaxed.plan.activations.len(), "activation")?;
        self.elements = cursor.mask(self.relaxed.plan.activations[activation].len)?;
        if !state.void {
            self.refresh(activation, state);
        }
        Ok(())
    }

    fn refresh_by_intervals(&mut self, cursor: &mut Cursor, state: &mut State) -> Result<(), Fault> {
        let activation = cursor.index(self.relaxed.plan.activations.len(), "activation")?;
        if !state.void {
            self.prepare(activation, state);
            intervals::refresh(&self.relaxed, activation, state);
            self.relaxed.forget_from(self.relaxed.plan.activations[activation].node);
        }
        Ok(())
    }

    /// Each row is the upper or the negated lower end of an element of the activation's operand.
    fn refresh_by_trees(&mut self, cursor: &mut Cursor, state: &mut State) -> Result<(), Fault> {
        let activation = cursor.index(self.relaxed.plan.activations.len(), "activation")?;
        let place = &self.relaxed.plan.activations[activation];
        if !state.void {
            self.prepare(activation, state);
        }
        let (relaxed, trees) = (&self.relaxed, &mut self.trees);
        trees.begin(cursor, relaxed, state, activation)?;
        let count = cursor.length()?;
        let mut ends = Vec::new();
        for _ in 0..count {
            ends.push(cursor.index(2 * place.len, "end")?);
            let of_end = from_end(relaxed, place.node, &ends);
            trees.read(cursor, (relaxed, state), activation, &of_end, (Single::No, self.threads))?;
        }
        trees.flush(relaxed, state, &from_end(relaxed, place.node, &ends), self.threads);
        if !state.void {
            ends.iter().zip(&trees.bounds).for_each(|(end, &bound)| state.meet(place.start + end / 2, end % 2 == 1, bound));
            state.notice_empty();
        }
        self.relaxed.forget_from(place.node);
        Ok(())
    }

    /// Each leaf's bound must exclude the row there; where leaves are open, so is the disjunct.
    fn drop_by_tree(&mut self, cursor: &mut Cursor, case: &Prepared, partial: bool, state: &mut State) -> Result<(), Fault> {
        let disjunct = open_disjunct(cursor, case, state)?;
        let row = cursor.index(case.disjuncts[disjunct].len(), "row")?;
        let row = &case.disjuncts[disjunct][row];
        if !state.void {
            self.relaxed.prepare(self.relaxed.plan.nodes.len(), state);
        }
        let (relaxed, trees, end) = (&self.relaxed, &mut self.trees, self.relaxed.plan.activations.len());
        let present = &*state;
        let start = |batch: &mut Batch, _: usize, at: usize| {
            row.start(relaxed, batch, at, present);
            true
        };
        trees.begin(cursor, relaxed, present, end)?;
        let single = if partial { Single::Partial } else { Single::Whole };
        let open = trees.read(cursor, (relaxed, present), end, &start, (single, self.threads))?;
        trees.flush(relaxed, present, &start, self.threads);
        if let Some(bound) = trees.bounds.iter().find(|&&bound| !state.void && !case::excludes(bound, row.strict)) {
            return cursor.fault(format!("disjunct {disjunct} is not excluded: the bound of a leaf is {bound:e}"));
        }
        if open > 0.0 {
            state.exclude_in_part(disjunct, open)
        } else {
            state.exclude(disjunct)
        }
        Ok(())
    }

    /// Everything below an activation, and what it reads.
    fn prepare(&mut self, activation: usize, state: &State) {
        let node = self.relaxed.plan.activations[activation].node;
        self.relaxed.prepare(node, state);
        self.relaxed.prepare_operand(node, state);
    }

    fn refresh(&mut self, activation: usize, state: &mut State) {
        if self.elements.is_empty() {
            return;
        }
        self.prepare(activation, state);
        refresh(&mut self.relaxed, activation, &self.elements, state, &mut self.batch);
    }

    /// The elements that refreshing all activations would choose of this one.
    pub fn open_elements(&mut self, activation: usize, state: &State) -> Vec<u32> {
        self.choose(activation, state);
        self.elements.clone()
    }

    /// The elements whose sign (of a maximum: whose place) is open, and those of fixed phase.
    fn choose(&mut self, activation: usize, state: &State) {
        let place = &self.relaxed.plan.activations[activation];
        let (below, above) = (&state.below[place.start..][..place.len], &state.above[place.start..][..place.len]);
        self.elements.clear();
        match self.step_of(activation) {
            _ if place.shallow && self.relaxed.plan.lined => (),
            Step::Hinge(_, slope, _) => {
                let (fixed, open) = (&state.fixed[place.start..][..place.len], *slope != 1.0);
                keep(place.len, |j| ((below[j] < 0.0) & (above[j] > 0.0) & open) | fixed[j], &mut self.elements);
            }
            Step::Maximum(_, groups, _) => {
                for group in groups {
                    let pick = pick(group, below, above);
                    let least = below[pick.element as usize];
                    self.elements.extend(group.iter().filter(|&&i| !pick.dominates && above[i as usize] > least));
                }
                self.elements.sort_unstable();
                self.elements.dedup();
            }
            Step::Curve(..) | Step::Product(..) => keep(place.len, |j| below[j] < above[j], &mut self.elements),
            _ => (),
        }
    }

    fn drop_by_row(&mut self, cursor: &mut Cursor, case: &Prepared, state: &mut State) -> Result<(), Fault> {
        let disjunct = open_disjunct(cursor, case, state)?;
        let row = cursor.index(case.disjuncts[disjunct].len(), "row")?;
        self.weights.clear();
        self.weights.push((Reference::Row(row), 1.0));
        self.drop(cursor, case, state, disjunct, false)
    }

    fn drop_by_sum(&mut self, cursor: &mut Cursor, case: &Prepared, state: &mut State, clips: bool) -> Result<(), Fault> {
        let disjunct = open_disjunct(cursor, case, state)?;
        self.read_weights(cursor, [case.disjuncts[disjunct].len(), case.cuts.len(), state.phases.len(), 0])?;
        if clips {
            self.add_other_facts(case, state, disjunct);
        }
        self.drop(cursor, case, state, disjunct, clips)
    }

    fn drop(&mut self, cursor: &Cursor, case: &Prepared, state: &mut State, disjunct: usize, clips: bool) -> Result<(), Fault> {
        if !state.void {
            self.sweep_rows(case, state, disjunct, 0..self.weights.len());
            self.collect_facts(case, state, disjunct, 0..self.weights.len(), 0);
            let bound = self.facts.bound(&state.low, &state.high);
            let excluded = match clips {
                true => self.facts.clip(&state.low, &state.high).is_none(),
                false => case::excludes(bound, self.facts.strict),
            };
            if !excluded {
                return cursor.fault(format!("disjunct {disjunct} is not excluded: the bound is {bound:e}"));
            }
        }
        state.exclude(disjunct);
        Ok(())
    }

    fn clip(&mut self, cursor: &mut Cursor, case: &Prepared, state: &mut State) -> Result<(), Fault> {
        let mut hull: Option<(Vec<f64>, Vec<f64>)> = None;
        for disjunct in state.open.clone() {
            self.read_weights(cursor, [case.disjuncts[disjunct as usize].len(), case.cuts.len(), state.phases.len(), 0])?;
            if state.void {
                continue;
            }
            self.add_other_facts(case, state, disjunct as usize);
            self.sweep_rows(case, state, disjunct as usize, 0..self.weights.len());
            self.collect_facts(case, state, disjunct as usize, 0..self.weights.len(), 0);
            let Some((low, high)) = self.facts.clip(&state.low, &state.high) else { continue };
            match &mut hull {
                None => hull = Some((low, high)),
                Some((least, most)) => {
                    least.iter_mut().zip(&low).for_each(|(a, &b)| *a = a.min(b));
                    most.iter_mut().zip(&high).for_each(|(a, &b)| *a = a.max(b));
                }
            }
        }
        match hull {
            Some((low, high)) => (state.low, state.high, state.settled) = (low, high, false),
            None => state.void |= !state.open.is_empty(),
        }
        Ok(())
    }

    /// Weights of facts, of which there are `limits` of each kind: rows, cuts, phases, caps.
    pub(crate) fn read_weights(&mut self, cursor: &mut Cursor, limits: [usize; 4]) -> Result<(), Fault> {
        let count = cursor.length()?;
        self.weights.clear();
        for _ in 0..count {
            let code = cursor.varint()?;
            let i = usize::try_from(code / 4).unwrap_or(usize::MAX);
            let kind = (code % 4) as usize;
            if i >= limits[kind] {
                return cursor.fault(format!("fact {i} of {} does not exist", limits[kind]));
            }
            let reference = [Reference::Row, Reference::Cut, Reference::Phase, Reference::Cap][kind](i);
            self.weights.push((reference, cursor.weight()?));
        }
        Ok(())
    }

    /// Clipping uses every fact alone, whether the certificate weighs it or not.
    fn add_other_facts(&mut self, case: &Prepared, state: &State, disjunct: usize) {
        let rows = (0..case.disjuncts[disjunct].len()).map(Reference::Row);
        let others = (0..case.cuts.len()).map(Reference::Cut).chain((0..state.phases.len()).map(Reference::Phase));
        let named = self.weights.len();
        for fact in rows.chain(others) {
            if !self.weights[..named].iter().any(|w| w.0 == fact) {
                self.weights.push((fact, 0.0));
            }
        }
    }

    /// Sweeps the rows among some of the weights; each distinct one once, in the order of first appearance.
    fn sweep_rows(&mut self, case: &Prepared, state: &State, disjunct: usize, range: std::ops::Range<usize>) {
        self.rows.clear();
        for (reference, _) in &self.weights[range] {
            if let Reference::Row(row) = reference
                && !self.rows.contains(row)
            {
                self.rows.push(*row);
            }
        }
        if self.rows.is_empty() {
            return;
        }
        self.relaxed.prepare(self.relaxed.plan.nodes.len(), state);
        self.batch.start(self.rows.len(), self.relaxed.plan.nodes.len());
        for (at, &row) in self.rows.iter().enumerate() {
            case.disjuncts[disjunct][row].start(&self.relaxed, &mut self.batch, at, state);
        }
        self.batch.descend(&self.relaxed);
    }

    fn collect_facts(&mut self, case: &Prepared, state: &State, disjunct: usize, range: std::ops::Range<usize>, first: usize) {
        let dims = state.low.len();
        self.facts.clear();
        for &(reference, weight) in &self.weights[range] {
            match reference {
                Reference::Row(row) => {
                    let at = first + self.rows.iter().position(|&r| r == row).unwrap_or(0);
                    let (v, k) = self.batch.form(at);
                    self.facts.push(v, k, weight, case.disjuncts[disjunct][row].strict);
                }
                Reference::Cut(i) => self.facts.push(&case.cuts[i].0, case.cuts[i].1, weight, false),
                Reference::Cap(_) => (),
                Reference::Phase(i) => {
                    let line = &state.phase_lines[i * (dims + 1)..][..dims + 1];
                    self.facts.push(&line[..dims], line[dims], weight, false);
                }
            }
        }
    }
}

fn name(code: u8) -> String {
    let names = [
        (0x10, "refresh all"),
        (0x11, "refresh some"),
        (0x12, "refresh by trees"),
        (0x13, "refresh by intervals"),
        (0x14, "narrow"),
        (0x20, "drop, one row"),
        (0x21, "drop, combined"),
        (0x22, "drop, clipped"),
        (0x23, "drop by a tree"),
        (0x30, "clip"),
        (0x31, "cap"),
        (0x40, "split input"),
        (0x41, "split neuron"),
        (0x42, "split disjuncts"),
        (0x50, "leaf"),
        (0x51, "empty"),
        (0x52, "open"),
    ];
    names.iter().find(|n| n.0 == code).map_or(format!("step {code:#04x}"), |n| n.1.to_string())
}

fn open_disjunct(cursor: &mut Cursor, case: &Prepared, state: &State) -> Result<usize, Fault> {
    let disjunct = cursor.index(case.disjuncts.len(), "disjunct")?;
    if state.open.binary_search(&(disjunct as u32)).is_err() {
        return cursor.fault(format!("disjunct {disjunct} is not open"));
    }
    Ok(disjunct)
}

/// Starts the rows of a step at ends of the operand of the activation at `node`: `2 j` is the upper end of element `j`, `2 j + 1` the
/// negated lower one.
fn from_end<'a>(relaxed: &'a Relaxed, node: usize, ends: &'a [usize]) -> impl Fn(&mut Batch, usize, usize) -> bool + Sync + 'a {
    move |batch, owner, row| {
        let sign = if ends[owner] % 2 == 1 { -1.0 } else { 1.0 };
        batch.add_operand(relaxed, node, ends[owner] / 2, &[(row, sign)])
    }
}

/// Sweeps both lines of some elements of an activation's operand, which must be prepared, and keeps what is better.
pub fn refresh(relaxed: &mut Relaxed, activation: usize, elements: &[u32], state: &mut State, batch: &mut Batch) {
    let plan = relaxed.plan;
    let (node, start) = (plan.activations[activation].node, plan.activations[activation].start);
    for chunk in elements.chunks(batch_rows(relaxed) / 2) {
        batch.start(2 * chunk.len(), plan.nodes.len());
        let mut swept = [true; 32];
        for (at, &j) in chunk.iter().enumerate() {
            swept[at] = batch.add_operand(relaxed, node, j as usize, &[(2 * at, 1.0), (2 * at + 1, -1.0)]);
        }
        batch.descend(relaxed);
        for (at, &j) in chunk.iter().enumerate().filter(|c| swept[c.0]) {
            for lower in [false, true] {
                let (v, constant) = batch.form(2 * at + lower as usize);
                state.adopt(plan, start + j as usize, lower, v, constant);
            }
        }
    }
    relaxed.forget_from(node);
}
