//! Row trees: one linear function of the network bounded over a node's region by splitting that on the signs of neurons, each
//! part with multipliers of its own (beta-CROWN: Wang et al., NeurIPS 2021). The bound is the greatest of the parts' bounds.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::certificate::{Cursor, Fault};
use crate::function::Interval;
use crate::plan::{Plan, Step};
use crate::relax::Relaxed;
use crate::rounding::environment_is_default;
use crate::state::{State, upper_end};
use crate::sweep::Batch;
use crate::tree::MOST_DEPTH;

/// Elements of ReLUs whose lower slope every leaf gives, and of functions for which it says where their line lies closest.
#[derive(Debug, Default)]
pub struct Free {
    /// Slopes per leaf.
    count: usize,
    /// Activations and elements, in the order of a leaf's slopes.
    elements: Vec<(usize, u32)>,
    /// For each node of the plan those of which the lines leave a choice.
    pub places: Vec<Vec<Place>>,
}

/// An element that a leaf chooses something for.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The place in a row.
    pub place: u32,
    /// The number of the choice.
    pub number: u32,
    /// The operand's interval.
    pub on: Interval,
}

/// A neuron on one side of zero, with the multiplier of that fact.
#[derive(Clone, Copy, Debug)]
pub struct Side {
    /// The hinge's node.
    pub node: usize,
    /// The element's place in a row.
    pub place: usize,
    /// `a >= 0`; otherwise `a <= 0`.
    pub active: bool,
    /// At least 0.
    pub beta: f64,
}

/// What a row may choose for itself.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// In 255ths: lower slopes of ReLUs, and where in their intervals the lines of functions lie closest.
    pub slopes: &'a [u8],
    /// The region.
    pub sides: &'a [Side],
}

/// A leaf of a row's tree.
#[derive(Clone, Copy, Debug)]
struct Leaf {
    /// The row.
    owner: usize,
    /// The first slope.
    slopes: usize,
    sides: (usize, usize),
}

/// Whose bounds a tree's leaves give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Single {
    /// One of several rows': their greatest.
    No,
    /// The step's only row's: each leaf's own.
    Whole,
    /// Likewise, and leaves may be open.
    Partial,
}

/// Leaves that are bounded together, for each batch of rows.
const BATCHES: usize = 64;

/// Row trees of one step.
#[derive(Debug, Default)]
pub struct Trees {
    /// The elements with slopes.
    pub free: Free,
    leaves: Vec<Leaf>,
    sides: Vec<Side>,
    /// Slopes of the leaves.
    slopes: Vec<u8>,
    /// The greatest bound of each row's leaves; of a single row, the bound of each of its leaves that are not open.
    pub bounds: Vec<f64>,
    /// Leaves read so far, of all steps.
    pub count: u64,
    /// Of these, open ones.
    pub open: u64,
    batches: Vec<Batch>,
}

/// A row's start: adds it to a batch; false if there is nothing to bound.
pub type Start<'a> = dyn Fn(&mut Batch, usize, usize) -> bool + Sync + 'a;

impl Free {
    /// A bit mask for each of the activations below `end`.
    fn read(&mut self, cursor: &mut Cursor, plan: &Plan, end: usize) -> Result<(), Fault> {
        self.elements.clear();
        for (number, activation) in plan.activations[..end].iter().enumerate() {
            for j in cursor.mask(activation.len)? {
                if !is_relu(plan, number) && !matches!(step_of(plan, number), Step::Curve(..)) {
                    return cursor.fault("only the slopes of ReLUs and of functions of one number are free");
                }
                self.elements.push((number, j));
            }
        }
        self.count = self.elements.len();
        Ok(())
    }

    /// Finds the places. All nodes below the rows must be prepared.
    fn place(&mut self, relaxed: &Relaxed, state: &State) {
        self.places.resize_with(relaxed.plan.nodes.len(), Vec::new);
        self.places.iter_mut().for_each(Vec::clear);
        for (k, &(activation, j)) in self.elements.iter().enumerate() {
            let at = &relaxed.plan.activations[activation];
            let element = at.start + j as usize;
            let on = (state.below[element], state.above[element]);
            let open = if is_relu(relaxed.plan, activation) { on.0 < 0.0 && on.1 > 0.0 } else { on.0 < on.1 };
            if let Some(r) = place_of(relaxed, activation, j as usize).filter(|_| open) {
                self.places[at.node].push(Place { place: r as u32, number: k as u32, on });
            }
        }
    }
}

fn is_relu(plan: &Plan, activation: usize) -> bool {
    matches!(step_of(plan, activation), Step::Hinge(_, 0.0, _))
}

fn step_of(plan: &Plan, activation: usize) -> &Step {
    &plan.nodes[plan.activations[activation].node].step
}

fn place_of(relaxed: &Relaxed, activation: usize, j: usize) -> Option<usize> {
    let node = relaxed.plan.activations[activation].node;
    relaxed.nodes[node].place(relaxed.plan.nodes[node].compressed, j)
}

impl Trees {
    /// Starts a step whose rows lie above the first `end` activations: reads which slopes are given.
    pub fn begin(&mut self, cursor: &mut Cursor, relaxed: &Relaxed, state: &State, end: usize) -> Result<(), Fault> {
        self.bounds.clear();
        self.clear_leaves();
        self.free.read(cursor, relaxed.plan, end)?;
        if !state.void {
            self.free.place(relaxed, state);
        }
        Ok(())
    }

    fn clear_leaves(&mut self) {
        self.leaves.clear();
        self.sides.clear();
        self.slopes.clear();
    }

    /// Reads one row's tree; bounds leaves when many are waiting. Gives the open leaves' share, by halves.
    pub fn read(
        &mut self,
        cursor: &mut Cursor,
        (relaxed, state): (&Relaxed, &State),
        end: usize,
        start: &Start,
        (single, threads): (Single, usize),
    ) -> Result<f64, Fault> {
        let owner = self.bounds.len();
        if single == Single::No {
            self.bounds.push(f64::NEG_INFINITY);
        }
        let (mut path, mut open): (Vec<(usize, usize, bool)>, f64) = (Vec::new(), 0.0);
        loop {
            match cursor.byte()? {
                0 if single == Single::No => self.leaf(cursor, relaxed, state, Some(owner), &path)?,
                0 => {
                    self.bounds.push(f64::NEG_INFINITY);
                    self.leaf(cursor, relaxed, state, Some(self.bounds.len() - 1), &path)?;
                }
                2 if single == Single::Partial => {
                    self.leaf(cursor, relaxed, state, None, &path)?;
                    // However deep it lies, it is open.
                    open += 0.5f64.powi(path.len() as i32).max(f64::MIN_POSITIVE);
                }
                2 => return cursor.fault("a leaf is open, and the step or the certificate is not partial"),
                1 if path.len() >= MOST_DEPTH => return cursor.fault(format!("more than {MOST_DEPTH} splits on one path")),
                1 => {
                    let activation = cursor.index(end, "activation")?;
                    let element = cursor.index(relaxed.plan.activations[activation].len, "element")?;
                    if !is_relu(relaxed.plan, activation) {
                        return cursor.fault("a row's tree splits ReLUs only");
                    }
                    if path.iter().any(|p| (p.0, p.1) == (activation, element)) {
                        return cursor.fault("the path splits this element already");
                    }
                    path.push((activation, element, false));
                    continue;
                }
                _ => return cursor.fault("a row's tree has leaves (0, 2) and splits (1) only"),
            }
            if self.leaves.len() >= BATCHES * batch_rows(relaxed) {
                self.flush(relaxed, state, start, threads);
            }
            // On to the next second child.
            while path.last().is_some_and(|last| last.2) {
                path.pop();
            }
            match path.last_mut() {
                Some(last) => last.2 = true,
                None => return Ok(open),
            }
        }
    }

    /// A leaf's numbers; without an owner they are only read.
    fn leaf(
        &mut self,
        cursor: &mut Cursor,
        relaxed: &Relaxed,
        state: &State,
        owner: Option<usize>,
        path: &[(usize, usize, bool)],
    ) -> Result<(), Fault> {
        self.count += 1;
        self.open += owner.is_none() as u64;
        let first = self.sides.len();
        for &(activation, element, active) in path {
            let beta = cursor.weight()?;
            // Negative zero: this leaf bounds a larger region.
            if state.void || beta.is_sign_negative() {
                continue;
            }
            let at = &relaxed.plan.activations[activation];
            // A neuron that is provably zero passes nothing, whatever its side.
            if let Some(place) = place_of(relaxed, activation, element).filter(|_| state.above[at.start + element] > 0.0) {
                self.sides.push(Side { node: at.node, place, active, beta });
            }
        }
        let slopes = cursor.bytes(self.free.count)?;
        match owner {
            Some(owner) => {
                self.leaves.push(Leaf { owner, slopes: self.slopes.len(), sides: (first, self.sides.len()) });
                self.slopes.extend_from_slice(slopes);
            }
            None => self.sides.truncate(first),
        }
        Ok(())
    }

    /// Bounds the leaves that are waiting, and forgets them.
    pub fn flush(&mut self, relaxed: &Relaxed, state: &State, start: &Start, threads: usize) {
        if !state.void {
            let rows = batch_rows(relaxed);
            let chunks: Vec<&[Leaf]> = self.leaves.chunks(rows).collect();
            let threads = threads.clamp(1, chunks.len().max(1));
            let mut batches = std::mem::take(&mut self.batches);
            batches.resize_with(threads.max(batches.len()), Batch::default);
            let next = AtomicUsize::new(0);
            let this = &*self;
            let work = |batch: &mut Batch| {
                let mut found = Vec::new();
                while let Some(chunk) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    this.bound(chunk, relaxed, state, start, batch, &mut found);
                }
                found
            };
            let found: Vec<Vec<(usize, f64)>> = std::thread::scope(|scope| {
                let (own, others) = batches.split_at_mut(1);
                let others: Vec<_> = others.iter_mut().take(threads - 1).map(|batch| scope.spawn(|| work(batch))).collect();
                let own = work(&mut own[0]);
                others.into_iter().filter_map(|t| t.join().ok()).chain([own]).collect()
            });
            self.batches = batches;
            let expected = self.leaves.len();
            let done: usize = found.iter().map(Vec::len).sum();
            for (owner, bound) in found.into_iter().flatten() {
                self.bounds[owner] = if bound.is_nan() { f64::INFINITY } else { self.bounds[owner].max(bound) };
            }
            if done < expected {
                // A thread that panicked has proved nothing.
                self.bounds.fill(f64::INFINITY);
            }
        }
        self.clear_leaves();
    }

    fn bound(&self, chunk: &[Leaf], relaxed: &Relaxed, state: &State, start: &Start, batch: &mut Batch, found: &mut Vec<(usize, f64)>) {
        batch.start(chunk.len(), relaxed.plan.nodes.len());
        let known = environment_is_default();
        let started: Vec<bool> = chunk.iter().enumerate().map(|(row, leaf)| start(batch, leaf.owner, row) && known).collect();
        let choice =
            |leaf: &Leaf| Choice { slopes: &self.slopes[leaf.slopes..][..self.free.count], sides: &self.sides[leaf.sides.0..leaf.sides.1] };
        let choices: Vec<Choice> = chunk.iter().map(choice).collect();
        batch.descend_freely(relaxed, &self.free, &choices);
        for (row, leaf) in chunk.iter().enumerate() {
            let (v, constant) = batch.form(row);
            let bound = if started[row] { upper_end(v, constant, &state.low, &state.high) } else { f64::INFINITY };
            found.push((leaf.owner, bound));
        }
    }
}

/// Rows of one batch: few enough for the cache, and for memory where nodes are large.
pub fn batch_rows(relaxed: &Relaxed) -> usize {
    let widest = relaxed.plan.nodes.iter().map(|n| n.len).max().unwrap_or(1);
    ((1 << 21) / widest.max(1)).clamp(2, 64)
}
