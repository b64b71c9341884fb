//! Branch and bound over parts of the input set, the same tree for any number of threads.
//!
//! The open parts form a stack. A round takes a fixed number of them, mostly the newest and a few of the least proved;
//! each becomes a task that searches depth first for a fixed number of steps on its own. Results are merged in the order
//! of the tasks, and all heuristics look at counters, never at clocks, so only a time limit can make two runs differ.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Config, Observer, Progress, Reason};
use crate::numerics::environment;

/// A way to bound parts.
pub trait Method: Sync {
    /// A part of the input set.
    type Part: Send + Sync;
    /// Reusable memory of one thread.
    type Workspace: Send;

    /// Fresh memory.
    fn workspace(&self) -> Self::Workspace;
    /// Forgets what the memory keeps of earlier parts where that could change a bound, be it by a rounding: which thread
    /// bounded what before must not show.
    fn forget(&self, workspace: &mut Self::Workspace);
    /// Bounds one part; if `eager`, also tries harder to find a counterexample in it.
    fn bound(&self, part: Self::Part, eager: bool, workspace: &mut Self::Workspace) -> Step<Self::Part>;
    /// How far the part's parent was from proved.
    fn urgency(&self, part: &Self::Part) -> f64;
    /// How close the network itself came to a counterexample in the part's parent; the larger, the closer.
    fn promise(&self, part: &Self::Part) -> f64;
    /// The part's share of the whole input set.
    fn share(&self, part: &Self::Part) -> f64;
    /// Looks for a counterexample in the whole set, harder each time; called a few times while a search drags on.
    fn assault(&self, effort: u32, workspace: &mut Self::Workspace) -> Option<Vec<f64>>;
    /// Memory that one open part takes, in bytes.
    fn part_size(&self) -> u64;
}

/// What became of a part.
pub enum Step<P> {
    /// Proved, with this margin.
    Closed {
        /// Distance from zero of the worst bound.
        margin: f64,
    },
    /// Split; later ones are looked at first.
    Split(Vec<P>),
    /// A counterexample, found near this point (replayed by the caller).
    Witness(Vec<f64>),
    /// Neither proved nor splittable.
    Stuck {
        /// The worst bound left.
        bound: f64,
        /// The part, for another attempt elsewhere.
        part: P,
    },
}

/// How a search ended.
pub struct Result<P> {
    /// The end.
    pub end: End,
    /// Parts bounded.
    pub steps: u64,
    /// Share of the input set proved.
    pub proved: f64,
    /// The least margin of a closed part.
    pub margin: f64,
    /// The worst bound of what is open.
    pub worst: f64,
    /// Parts that could not be decided.
    pub stuck: Vec<P>,
    /// Parts left where this call paused, or gave up because too many are stuck.
    pub open: Vec<P>,
}

/// The ends of a search.
#[derive(Debug, PartialEq)]
pub enum End {
    /// All parts are closed, except the stuck ones.
    Done,
    /// A counterexample.
    Witness(Vec<f64>),
    /// Stopped early.
    Stopped(Reason),
    /// As many steps as were asked for are done.
    Paused,
}

/// Parts taken per round.
const TASKS: usize = 64;
/// Of these, the ones taken by urgency.
const URGENT: usize = 2;
/// And the ones taken by promise, searched eagerly.
const PROMISING: usize = 2;
/// Steps per task and round.
const STEPS: usize = 128;
/// Time between two reports of progress.
const PERIOD: Duration = Duration::from_millis(200);
/// Steps before the first assault; each later one comes after eight times as many.
const FIRST_ASSAULT: u64 = 500;
/// Assaults of a search.
const MOST_EFFORTS: u32 = 4;
/// Stuck parts kept; more than this and the search is hopeless.
const MOST_STUCK: usize = 64;

/// What one task did.
struct Report<P> {
    open: Vec<P>,
    stuck: Vec<P>,
    witness: Option<Vec<f64>>,
    steps: u64,
    proved: f64,
    margin: f64,
    worst_stuck: f64,
}

/// Searches from `roots` until everything is decided, a counterexample is found or a limit is reached.
pub fn search<M: Method>(
    method: &M,
    roots: Vec<M::Part>,
    config: &Config,
    deadline: Option<Instant>,
    observer: &dyn Observer,
) -> Result<M::Part> {
    search_some(method, roots, 0, u64::MAX, config, deadline, observer)
}

/// As [`search`], continued after `done` steps, and pausing after about `most` more.
pub fn search_some<M: Method>(
    method: &M,
    roots: Vec<M::Part>,
    done: u64,
    most: u64,
    config: &Config,
    deadline: Option<Instant>,
    observer: &dyn Observer,
) -> Result<M::Part> {
    let mut open = roots;
    let mut result = Result {
        end: End::Done,
        steps: 0,
        proved: 0.0,
        margin: f64::INFINITY,
        worst: f64::NEG_INFINITY,
        stuck: Vec::new(),
        open: Vec::new(),
    };
    let ticker = Ticker::new(observer);
    let mut pool = Workers { method, idle: (0..config.threads.max(1)).map(|_| method.workspace()).collect(), ticker: &ticker };
    let due = |efforts: u32, steps: u64| efforts < MOST_EFFORTS && done + steps >= FIRST_ASSAULT << (3 * efforts);
    let mut efforts = (0..MOST_EFFORTS).find(|&e| !due(e, 0)).unwrap_or(MOST_EFFORTS);
    while !open.is_empty() {
        if let Some(reason) = limit(config, deadline, open.len() as u64 * method.part_size()) {
            result.end = End::Stopped(reason);
            break;
        }
        if result.steps >= most {
            result.end = End::Paused;
            break;
        }
        let most_tasks = ((most - result.steps) / STEPS as u64).clamp(1, TASKS as u64) as usize;
        let worst = open.iter().map(|p| method.urgency(p)).fold(f64::NEG_INFINITY, f64::max);
        ticker.set(Progress { subproblems: result.steps, open: open.len() as u64, proved: result.proved, worst_margin: Some(-worst) });
        let tasks = take(method, &mut open, most_tasks);
        for report in pool.run(tasks, deadline, config) {
            result.steps += report.steps;
            result.proved += report.proved;
            result.margin = result.margin.min(report.margin);
            result.worst = result.worst.max(report.worst_stuck);
            open.extend(report.open);
            result.stuck.extend(report.stuck);
            if let Some(point) = report.witness {
                result.end = End::Witness(point);
                return result;
            }
        }
        if due(efforts, result.steps) {
            if let Some(point) = method.assault(efforts, &mut pool.idle[0]) {
                result.end = End::Witness(point);
                return result;
            }
            efforts += 1;
        }
        if result.stuck.len() > MOST_STUCK {
            break;
        }
    }
    if let (End::Done, false, Some(reason)) = (&result.end, result.stuck.is_empty(), limit(config, deadline, 0)) {
        // Parts given up half-way because time ran out say nothing about precision.
        result.end = End::Stopped(reason);
    }
    if result.end != End::Done {
        // After too many stuck parts, those that are merely open say nothing about what is in the way.
        result.worst = open.iter().map(|p| method.urgency(p)).fold(result.worst, f64::max);
    }
    match result.end {
        End::Paused | End::Done => result.open = open,
        _ => result.stuck.append(&mut open),
    }
    result
}

fn limit(config: &Config, deadline: Option<Instant>, memory: u64) -> Option<Reason> {
    if config.stop.load(Ordering::Relaxed) {
        Some(Reason::Stopped)
    } else if deadline.is_some_and(|d| Instant::now() >= d) {
        Some(Reason::Timeout)
    } else if memory > config.max_memory {
        Some(Reason::Memory)
    } else {
        None
    }
}

/// A part to search from in one round.
struct Task<P> {
    part: P,
    eager: bool,
}

/// The parts of the next round: the least proved and the most promising ones, then the newest.
fn take<M: Method>(method: &M, open: &mut Vec<M::Part>, most: usize) -> Vec<Task<M::Part>> {
    let mut tasks = Vec::new();
    if open.len() > most && most > URGENT + PROMISING {
        for turn in 0..URGENT + PROMISING {
            let eager = turn >= URGENT;
            let value = |p: &M::Part| if eager { method.promise(p) } else { method.urgency(p) };
            let most = (0..open.len()).max_by(|&i, &j| value(&open[i]).total_cmp(&value(&open[j])).then(i.cmp(&j)));
            tasks.push(Task { part: open.remove(most.expect("the stack is not empty")), eager });
        }
    }
    let rest = open.len().saturating_sub(most - tasks.len());
    tasks.extend(open.drain(rest..).map(|part| Task { part, eager: false }));
    tasks
}

/// Tells what workers are doing, now and then, also in the middle of a round.
struct Ticker<'o> {
    observer: &'o dyn Observer,
    now: Mutex<(Progress, Instant)>,
}

impl<'o> Ticker<'o> {
    fn new(observer: &'o dyn Observer) -> Ticker<'o> {
        Ticker { observer, now: Mutex::new((Progress { subproblems: 0, open: 0, proved: 0.0, worst_margin: None }, Instant::now())) }
    }

    /// The state at the start of a round.
    fn set(&self, progress: Progress) {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).0 = progress;
    }

    /// One more part was looked at: it left `open` parts and proved this share of the whole.
    fn step(&self, open: u64, proved: f64) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let (progress, told) = &mut *now;
        progress.subproblems += 1;
        progress.open = (progress.open + open).saturating_sub(1);
        progress.proved += proved;
        if told.elapsed() > PERIOD {
            *told = Instant::now();
            self.observer.progress(progress);
        }
    }
}

struct Workers<'m, M: Method> {
    method: &'m M,
    idle: Vec<M::Workspace>,
    ticker: &'m Ticker<'m>,
}

impl<M: Method> Workers<'_, M> {
    /// Runs the tasks, in parallel where it pays; reports are in the order of the tasks.
    fn run(&mut self, tasks: Vec<Task<M::Part>>, deadline: Option<Instant>, config: &Config) -> Vec<Report<M::Part>> {
        let stop = || config.stop.load(Ordering::Relaxed) || deadline.is_some_and(|d| Instant::now() >= d);
        if tasks.len() == 1 || self.idle.len() == 1 {
            let method = self.method;
            let workspace = &mut self.idle[0];
            return tasks.into_iter().map(|task| work(method, task, workspace, self.ticker, &stop)).collect();
        }
        let slots: Vec<_> = tasks.into_iter().map(|task| Mutex::new((Some(task), None))).collect();
        let next = AtomicUsize::new(0);
        let (method, ticker) = (self.method, self.ticker);
        std::thread::scope(|scope| {
            for workspace in &mut self.idle {
                let (slots, next, stop) = (&slots, &next, &stop);
                scope.spawn(move || {
                    while let Some(slot) = slots.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let task = slot.lock().expect("no task panics while holding it").0.take().expect("taken once");
                        let report = work(method, task, workspace, ticker, stop);
                        slot.lock().expect("no task panics while holding it").1 = Some(report);
                    }
                });
            }
        });
        slots.into_iter().map(|slot| slot.into_inner().expect("all tasks ended").1.expect("every task reports")).collect()
    }
}

/// Depth first from one part, a fixed number of steps.
fn work<M: Method>(
    method: &M,
    task: Task<M::Part>,
    workspace: &mut M::Workspace,
    ticker: &Ticker,
    stop: &dyn Fn() -> bool,
) -> Report<M::Part> {
    let mut report = Report {
        open: vec![task.part],
        stuck: Vec::new(),
        witness: None,
        steps: 0,
        proved: 0.0,
        margin: f64::INFINITY,
        worst_stuck: f64::NEG_INFINITY,
    };
    if !environment::is_default() {
        // No bound means anything here: the part stays undecided.
        report.stuck.append(&mut report.open);
        report.worst_stuck = f64::INFINITY;
    }
    method.forget(workspace);
    while report.steps < STEPS as u64 && !stop() {
        let Some(part) = report.open.pop() else { break };
        let share = method.share(&part);
        report.steps += 1;
        match method.bound(part, task.eager, workspace) {
            Step::Closed { margin } => {
                report.proved += share;
                report.margin = report.margin.min(margin);
                ticker.step(0, share);
            }
            Step::Split(parts) => {
                ticker.step(parts.len() as u64, 0.0);
                report.open.extend(parts);
            }
            Step::Witness(point) => {
                report.witness = Some(point);
                break;
            }
            Step::Stuck { bound, part } => {
                report.worst_stuck = report.worst_stuck.max(bound);
                report.stuck.push(part);
            }
        }
    }
    report
}
