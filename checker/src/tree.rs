//! The trees of a proof, checked by several threads: the length of each first child says where the second one starts.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use crate::Semantics;
use crate::case::Prepared;
use crate::certificate::{Cursor, Fault, Source};
use crate::plan::Plan;
use crate::query::Query;
use crate::relax::Relaxed;
use crate::rounding::{Deployed, environment_is_default};
use crate::state::{Phase, State};
use crate::steps::{End, Split, Stepper};
use crate::{Accepted, Rejection};

/// A path from the root longer than this is refused: every open node on it takes memory.
pub const MOST_DEPTH: usize = 4096;

/// A subtree to check.
struct Subtree {
    case: usize,
    /// `None` for a root.
    state: Option<State>,
    start: usize,
    end: usize,
}

/// Everything that the threads share.
struct Shared<'a> {
    source: Source<'a>,
    plan: &'a Plan,
    deployed: Deployed,
    cases: &'a [Prepared],
    partial: bool,
    /// Go on after a rejected node.
    all: bool,
    queue: Mutex<Queue>,
    changed: Condvar,
    waiting: AtomicUsize,
    stop: AtomicBool,
}

#[derive(Default)]
struct Queue {
    subtrees: Vec<Subtree>,
    busy: usize,
    found: Found,
}

/// What the threads found.
#[derive(Debug, Default)]
pub struct Found {
    /// Rejected nodes.
    pub rejections: Vec<Rejection>,
    /// Nodes of all trees.
    pub nodes: u64,
    /// Leaves of all trees.
    pub leaves: u64,
    /// Leaves of row trees, and how many of them are open.
    pub row_leaves: (u64, u64),
    /// Cases and disjuncts that are open somewhere.
    pub open_disjuncts: BTreeSet<(usize, u32)>,
    /// Open or rejected share of the root boxes, added up over the cases.
    pub open: f64,
}

/// Checks the payload of a proof, which starts at `offset` in `bytes`.
pub fn check(
    (source, offset): (Source, usize),
    plan: &Plan,
    query: &Query,
    (semantics, partial, all): (Semantics, bool, bool),
    threads: usize,
) -> Result<Found, Rejection> {
    let deployed = Deployed::new(semantics, plan.double);
    let refuse = |fault: Fault| Rejection { case: 0, path: Vec::new(), node: fault.at, at: fault.at, reason: fault.reason };
    if query.outputs != plan.outputs.len() || query.inputs != plan.inputs {
        return Err(refuse(Fault { at: 0, reason: "the query is about another number of inputs or outputs".into() }));
    }
    let trees = read_trees(source, offset, query.cases.len()).map_err(refuse)?;
    let prepare = |c| Prepared::new(c, plan, semantics, deployed).map_err(|reason| refuse(Fault { at: offset, reason }));
    let cases: Vec<Prepared> = query.cases.iter().map(prepare).collect::<Result<_, _>>()?;
    let subtree = |(case, (start, end)): (usize, (usize, usize))| Subtree { case, state: None, start, end };
    let subtrees: Vec<Subtree> = trees.into_iter().enumerate().map(subtree).rev().collect();
    let queue = Mutex::new(Queue { subtrees, ..Queue::default() });
    let shared = Shared {
        source,
        plan,
        deployed,
        cases: &cases,
        partial,
        all,
        queue,
        changed: Condvar::new(),
        waiting: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.clamp(1, 1024) {
            scope.spawn(|| work(&shared));
        }
        work(&shared);
    });
    let mut found = shared.queue.into_inner().unwrap_or_else(PoisonError::into_inner).found;
    found.rejections.sort_by_key(|r| r.at);
    Ok(found)
}

/// Where the trees lie.
fn read_trees(source: Source, offset: usize, cases: usize) -> Result<Vec<(usize, usize)>, Fault> {
    let mut cursor = Cursor::new(source, offset, source.len());
    let count = cursor.varint()?;
    if count != cases as u64 {
        return cursor.fault(format!("the certificate has {count} cases, the query {cases}"));
    }
    let mut trees = Vec::with_capacity(cases);
    for _ in 0..cases {
        let length = cursor.length()?;
        trees.push((cursor.at, cursor.at + length));
        cursor.at += length;
    }
    if cursor.left() > 0 {
        return cursor.fault("bytes are left after the last tree");
    }
    Ok(trees)
}

impl Shared<'_> {
    fn next(&self) -> Option<Subtree> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return None;
            }
            if let Some(subtree) = queue.subtrees.pop() {
                queue.busy += 1;
                return Some(subtree);
            }
            if queue.busy == 0 {
                return None;
            }
            self.waiting.fetch_add(1, Ordering::Relaxed);
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn give(&self, subtree: Subtree) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).subtrees.push(subtree);
        self.changed.notify_one();
    }

    fn finish(&self, found: Found) {
        if !found.rejections.is_empty() && !self.all {
            self.stop.store(true, Ordering::Relaxed);
        }
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.busy -= 1;
        queue.found.rejections.extend(found.rejections);
        queue.found.nodes += found.nodes;
        queue.found.leaves += found.leaves;
        queue.found.row_leaves.0 += found.row_leaves.0;
        queue.found.row_leaves.1 += found.row_leaves.1;
        queue.found.open_disjuncts.extend(found.open_disjuncts);
        queue.found.open += found.open;
        drop(queue);
        self.changed.notify_all();
    }
}

/// One thread.
fn work(shared: &Shared) {
    let mut worker = Worker {
        stepper: Stepper::new(Relaxed::new(shared.plan, shared.deployed)),
        cursor: Cursor::new(shared.source, 0, 0),
        spare: Vec::new(),
    };
    while let Some(subtree) = shared.next() {
        let mut found = Found::default();
        if environment_is_default() {
            worker.subtree(shared, subtree, &mut found);
            let trees = &mut worker.stepper.trees;
            found.row_leaves = (std::mem::take(&mut trees.count), std::mem::take(&mut trees.open));
        } else {
            let reason = "this thread's floating-point environment is not the default one".into();
            found.rejections.push(Rejection { case: subtree.case, path: Vec::new(), node: subtree.start, at: subtree.start, reason });
        }
        shared.finish(found);
    }
}

struct Worker<'p> {
    stepper: Stepper<'p>,
    cursor: Cursor<'p>,
    spare: Vec<State>,
}

impl Worker<'_> {
    /// Depth first, the first child before the second; the memory is that of one path.
    fn subtree(&mut self, shared: &Shared, subtree: Subtree, found: &mut Found) {
        let case = subtree.case;
        let state = subtree.state.unwrap_or_else(|| shared.cases[case].root(&mut self.stepper.relaxed, &mut self.stepper.batch));
        let mut stack = vec![(state, subtree.start, subtree.end)];
        while let Some((mut state, start, end)) = stack.pop() {
            if shared.stop.load(Ordering::Relaxed) {
                return;
            }
            found.nodes += 1;
            let cursor = &mut self.cursor;
            cursor.go(start, end);
            self.stepper.threads = 1 + shared.waiting.load(Ordering::Relaxed);
            let result = self.stepper.node(cursor, &shared.cases[case], shared.partial, &mut state);
            match result.and_then(|e| end_node(e, cursor, &state)) {
                Ok(Next::Done(open)) => {
                    found.leaves += 1;
                    found.open += open;
                    found.note_open(case, if open > 0.0 { &state.open } else { &[] });
                    self.spare.push(state);
                }
                Ok(Next::Children(split, middle)) => {
                    let mut first = self.spare.pop().unwrap_or_default();
                    first.clone_from(&state);
                    divide(shared.plan, split, &mut first, &mut state);
                    stack.push((state, middle, end));
                    stack.push((first, cursor.at, middle));
                }
                Err(fault) => {
                    found.open += state.share;
                    found.note_open(case, &state.open);
                    let (path, at, reason) = (state.path.clone(), fault.at, fault.reason);
                    found.rejections.push(Rejection { case, path, node: start, at, reason });
                    self.spare.push(state);
                }
            }
            if stack.len() > 1 && shared.waiting.load(Ordering::Relaxed) > 0 {
                let (state, start, end) = stack.remove(0);
                shared.give(Subtree { case, state: Some(state), start, end });
            }
        }
    }
}

/// A leaf must end where its range ends; a path must not become too long.
fn end_node(end: End, cursor: &Cursor, state: &State) -> Result<Next, Fault> {
    match end {
        End::Leaf | End::Open if cursor.left() > 0 => cursor.fault("bytes are left after the end of the node"),
        End::Leaf => Ok(Next::Done(0.0)),
        // A part without volume is open all the same.
        End::Open => Ok(Next::Done(state.open_share().max(f64::MIN_POSITIVE))),
        End::Split(..) if state.path.len() >= MOST_DEPTH => cursor.fault(format!("more than {MOST_DEPTH} splits on one path")),
        End::Split(split, length) => Ok(Next::Children(split, cursor.at + length)),
    }
}

enum Next {
    /// With the share that stays open.
    Done(f64),
    /// Where the second child starts; the first one follows the node.
    Children(Split, usize),
}

/// Makes two copies of a node its children. An input is split at a number of its range: one outside is taken as the end
/// that it lies beyond, so both children are boxes and cover the node.
pub fn divide(plan: &Plan, split: Split, first: &mut State, second: &mut State) {
    let share = match split {
        Split::Input(d, at) => {
            let (low, high) = (first.low[d], first.high[d]);
            let at = at.max(low).min(high);
            first.high[d] = at;
            second.low[d] = at;
            (first.settled, second.settled) = (false, false);
            let part = (at - low) / (high - low);
            if part.is_finite() { part } else { 0.5 }
        }
        Split::Neuron(activation, element) => {
            first.fix(plan, Phase { activation, element, active: false });
            second.fix(plan, Phase { activation, element, active: true });
            0.5
        }
        Split::Disjunct(d) => {
            let share = 1.0 / first.open.len() as f64;
            second.open.retain(|&other| other != d);
            first.open = vec![d];
            share
        }
    };
    let whole = first.share;
    (first.share, second.share) = (whole * share, whole * (1.0 - share));
    first.path.push(false);
    second.path.push(true);
}

impl Found {
    fn note_open(&mut self, case: usize, open: &[u32]) {
        self.open_disjuncts.extend(open.iter().map(|&d| (case, d)));
    }

    /// The verdict on the query's trees. However little is open, the proved share is then below 1.
    pub fn accepted(&self, query: &Query) -> Accepted {
        let most = if self.open > 0.0 { 1.0f64.next_down() } else { 1.0 };
        let disjuncts = query.cases.iter().map(|case| case.disjuncts.len()).sum::<usize>();
        Accepted {
            nodes: self.nodes,
            leaves: self.leaves,
            row_leaves: self.row_leaves.0,
            open_row_leaves: self.row_leaves.1,
            disjuncts,
            excluded: disjuncts - self.open_disjuncts.len(),
            proved: (1.0 - self.open / query.cases.len().max(1) as f64).min(most),
        }
    }
}
