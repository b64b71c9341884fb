//! Ranges that follow from each other row by row, forwards and backwards, all rounding outward.
//!
//! Forwards, a pre-activation lies in the range of its row. Backwards, what is known about it bounds each term by what
//! the others can at most make up for (feasibility-based bound tightening of mixed-integer programming).

use super::program::{Program, Rows};
use super::state::{Met, Span, State};
use super::trail::Trail;

/// Reusable memory of [`Program::propagate`].
#[derive(Clone, Debug, Default)]
pub struct Queue {
    rows: std::collections::VecDeque<u32>,
    waiting: Vec<bool>,
    /// Ranges narrowed so far.
    narrowed: u64,
    /// Terms looked at.
    pub work: u64,
}

impl Queue {
    fn push(&mut self, row: u32) {
        if !std::mem::replace(&mut self.waiting[row as usize], true) {
            self.rows.push_back(row);
        }
    }

    fn pop(&mut self) -> Option<u32> {
        let row = self.rows.pop_front()?;
        self.waiting[row as usize] = false;
        Some(row)
    }

    fn clear(&mut self, hinges: usize) {
        self.rows.clear();
        self.waiting.clear();
        self.waiting.resize(hinges, false);
    }
}

/// Terms looked at by one call, as a multiple of the program's.
const MOST_PASSES: u64 = 12;

impl Program {
    /// Takes the ranges of `state` to each other's consequences, starting from the entries `changed` (all if `None`).
    /// False if nothing is left. What narrows a range goes into `trail`.
    pub fn propagate(&self, state: &mut State, changed: Option<&[u32]>, queue: &mut Queue, trail: &mut Option<Trail>) -> bool {
        queue.clear(self.hinges.len());
        match changed {
            None => (0..self.hinges.len()).for_each(|j| queue.push(j as u32)),
            Some(entries) => entries.iter().for_each(|&v| self.wake(v as usize, queue)),
        }
        let terms: u64 = (0..self.hinges.len()).map(|j| self.hinges.terms(j).len() as u64).sum();
        let most = queue.work + MOST_PASSES * (terms + 16);
        while let Some(row) = queue.pop() {
            queue.work += 2 * self.hinges.terms(row as usize).len() as u64 + 2;
            let before = queue.narrowed;
            let left = self.visit(state, row as usize, queue);
            if let Some(trail) = trail.as_mut().filter(|_| !left || queue.narrowed > before) {
                trail.row(self, row as usize);
            }
            if !left {
                return false;
            }
            if queue.work > most {
                break;
            }
        }
        true
    }

    /// The rows that an entry concerns: those that read it, and its own.
    fn wake(&self, entry: usize, queue: &mut Queue) {
        self.readers[entry].iter().for_each(|&j| queue.push(j));
        if entry >= self.inputs {
            queue.push((entry - self.inputs) as u32);
        }
    }

    fn visit(&self, state: &mut State, j: usize, queue: &mut Queue) -> bool {
        let sum = self.activity(state, &self.hinges, j);
        let allowance = self.hinges.allowance(j);
        let (low, high) = ((sum.low - allowance).next_down(), (sum.high + allowance).next_up());
        let own = self.inputs + j;
        if !self.narrow(state, own, Span { low, high }, queue) {
            return false;
        }
        let known = Span { low: state.low[own], high: state.high[own] };
        if known.low <= low && known.high >= high {
            return true;
        }
        self.back(state, &self.hinges, j, known, sum, queue)
    }

    /// Bounds each term of a row by the row's range `known` and what the other terms can make up for; `sum` is the row's
    /// activity.
    fn back(&self, state: &mut State, rows: &Rows, r: usize, known: Span, sum: Span, queue: &mut Queue) -> bool {
        let allowance = rows.allowance(r);
        // How much the terms may rise over their least sum, and fall below their greatest.
        let up = |x: f64| x + 4.0 * f64::EPSILON * x.abs();
        let (rise, fall) = (up(known.high - sum.low + allowance), up(sum.high - known.low + allowance));
        if rise < 0.0 || fall < 0.0 {
            return false;
        }
        for &(v, w) in rows.terms(r) {
            let v = v as usize;
            let z = self.value(state, v);
            let (up, down) = ((rise / w.abs()).next_up(), (fall / w.abs()).next_up());
            let span = match w > 0.0 {
                true => Span { low: (z.high - down).next_down(), high: (z.low + up).next_up() },
                false => Span { low: (z.high - up).next_down(), high: (z.low + down).next_up() },
            };
            if span.low <= z.low && span.high >= z.high {
                continue;
            }
            if !self.narrow_value(state, v, span, queue) {
                return false;
            }
        }
        true
    }

    /// Meets the value of variable `v` with `span`.
    fn narrow_value(&self, state: &mut State, v: usize, span: Span, queue: &mut Queue) -> bool {
        let Some(j) = v.checked_sub(self.inputs) else { return self.narrow(state, v, span, queue) };
        let s = self.slope[j];
        if s < 0.0 {
            // Two sides reach the same value: only the upper end says something, about both.
            let low = if span.high >= 0.0 { (span.high / s).next_down() } else { f64::INFINITY };
            return self.narrow(state, v, Span { low, high: span.high }, queue);
        }
        let below = |z: f64, empty: f64| match s {
            0.0 => empty,
            _ => z / s,
        };
        // `h >= z > 0` and `h <= z >= 0` are about the side above the kink, the rest about the side below it.
        let low = if span.low > 0.0 { span.low } else { below(span.low, f64::NEG_INFINITY).next_down() };
        let high = if span.high >= 0.0 { span.high } else { below(span.high, f64::NEG_INFINITY).next_up() };
        if s == 0.0 && span.high < 0.0 {
            return false;
        }
        self.narrow(state, v, Span { low, high }, queue)
    }

    fn narrow(&self, state: &mut State, entry: usize, span: Span, queue: &mut Queue) -> bool {
        match state.meet(entry, span) {
            Met::Empty => return false,
            Met::Narrowed => {
                queue.narrowed += 1;
                self.wake(entry, queue);
            }
            Met::Same => {}
        }
        true
    }
}
