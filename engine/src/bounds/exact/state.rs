//! What is known in one node of a search: the ranges of the inputs and of all pre-activations.

use super::program::{Program, Rows};

/// Ranges: the inputs first, then the pre-activation of every hinge.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Lower ends.
    pub low: Vec<f64>,
    /// Upper ends.
    pub high: Vec<f64>,
}

impl State {
    /// True if hinge range `i` has its kink strictly inside.
    pub fn is_open(&self, i: usize) -> bool {
        self.low[i] < 0.0 && self.high[i] > 0.0
    }

    /// Meets range `i` with `span`.
    pub fn meet(&mut self, i: usize, span: Span) -> Met {
        let (low, high) = (self.low[i], self.high[i]);
        let (new_low, new_high) = (low.max(span.low), high.min(span.high));
        if !(new_low <= new_high) {
            return Met::Empty;
        }
        let gain = (new_low - low) + (high - new_high);
        let decided = low < 0.0 && high > 0.0 && (new_low >= 0.0 || new_high <= 0.0);
        if gain > 0.0 && (decided || gain > WORTHWHILE * (high - low)) {
            (self.low[i], self.high[i]) = (new_low, new_high);
            return Met::Narrowed;
        }
        Met::Same
    }
}

/// What meeting a range with another did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// Nothing is left.
    Empty,
    /// It is worth following up.
    Narrowed,
    /// No or too little gain; the range is as it was.
    Same,
}

/// A range is narrowed when at least this share of it goes, or its kink leaves it: tiny steps may go on for ever.
const WORTHWHILE: f64 = 0.02;

/// A closed range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Program {
    /// The range of variable `v`: of an input as it is, of a hinge through its function, rounded outward.
    pub fn value(&self, state: &State, v: usize) -> Span {
        let (low, high) = (state.low[v], state.high[v]);
        let Some(&s) = v.checked_sub(self.inputs).and_then(|j| self.slope.get(j)) else { return Span { low, high } };
        let below = |a: f64| match s {
            0.0 => Span { low: 0.0, high: 0.0 },
            1.0 => Span { low: a, high: a },
            _ => Span { low: (s * a).next_down(), high: (s * a).next_up() },
        };
        if low >= 0.0 {
            return Span { low, high };
        }
        let (l, h) = (below(low), if high < 0.0 { below(high) } else { Span { low: 0.0, high: 0.0 } });
        Span { low: l.low.min(h.low), high: l.high.max(h.high).max(if high > 0.0 { high } else { f64::NEG_INFINITY }) }
    }

    /// The range of a row's sum with its constant, to nearest; see [`Rows::allowance`].
    pub fn activity(&self, state: &State, rows: &Rows, r: usize) -> Span {
        let mut sum = Span { low: rows.bias[r], high: rows.bias[r] };
        for &(v, w) in rows.terms(r) {
            let z = self.value(state, v as usize);
            let (a, b) = (w * z.low, w * z.high);
            sum.low += a.min(b);
            sum.high += a.max(b);
        }
        sum
    }
}
