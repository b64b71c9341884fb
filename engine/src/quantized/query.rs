//! The question: can an integer input of the box be sent to another class than the label's?

use super::bounds::Range;
use super::network::Network;

/// The first of the largest values.
pub fn first_maximum(values: &[i64]) -> usize {
    (0..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

/// A box of integer inputs and the class that all of them should have; class = first maximum over *all* outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Range of every input, ends included.
    pub input: Vec<Range>,
    /// The class.
    pub label: usize,
}

/// What is wrong with a query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The box has another dimension than the network.
    #[error("the query has {found} inputs, the network {expected}")]
    Inputs {
        /// The network's.
        expected: usize,
        /// The query's.
        found: usize,
    },
    /// No such class.
    #[error("label {label}: the network has only {outputs} outputs, counted from 0")]
    Label {
        /// The label.
        label: usize,
        /// Number of outputs.
        outputs: usize,
    },
    /// A range is empty or leaves the network's input range.
    #[error("input {index}: [{low}, {high}] is not a range inside [{least}, {most}]")]
    Input {
        /// Counted from 0.
        index: usize,
        /// Its low end.
        low: i64,
        /// Its high end.
        high: i64,
        /// Least value that the network takes.
        least: i64,
        /// Greatest value.
        most: i64,
    },
}

impl Query {
    /// All images within `radius` of this one in every pixel, inside the network's input range.
    pub fn around(network: &Network, image: &[i64], radius: i64, label: usize) -> Query {
        let (least, most) = network.input_range();
        let around = |&x: &i64| Range { low: x.saturating_sub(radius).max(least), high: x.saturating_add(radius).min(most) };
        Query { input: image.iter().map(around).collect(), label }
    }

    /// Checks that the query is one about this network.
    pub fn check(&self, network: &Network) -> Result<(), QueryError> {
        let (least, most) = network.input_range();
        if self.input.len() != network.inputs() {
            return Err(QueryError::Inputs { expected: network.inputs(), found: self.input.len() });
        }
        if self.label >= network.outputs() {
            return Err(QueryError::Label { label: self.label, outputs: network.outputs() });
        }
        let outside = |r: &Range| !(least <= r.low && r.low <= r.high && r.high <= most);
        match self.input.iter().position(outside) {
            Some(index) => {
                let Range { low, high } = self.input[index];
                Err(QueryError::Input { index, low, high, least, most })
            }
            None => Ok(()),
        }
    }

    /// True if `x` lies in the box and the network gives it another class.
    pub fn is_broken_by(&self, network: &Network, x: &[i64]) -> bool {
        let inside = x.len() == self.input.len() && x.iter().zip(&self.input).all(|(x, r)| r.low <= *x && *x <= r.high);
        inside && first_maximum(&network.evaluate(x)) != self.label
    }
}

/// One way to break a query: output `class` reaches the label's (beats it, where it comes later).
///
/// In accumulators: for some level `k`, `a_class >= rise(k)` and `a_label <= cap(k)`.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    network: &'a Network,
    /// The wrong class.
    pub class: usize,
    /// The right one.
    pub label: usize,
}

impl<'a> Target<'a> {
    /// Of a query about this network; the classes differ and exist.
    pub fn new(network: &'a Network, class: usize, label: usize) -> Target<'a> {
        Target { network, class, label }
    }

    /// The levels `k` that need looking at: output values that both classes can be compared at.
    pub fn levels(&self) -> Range {
        // `k` = the value of the class will do.
        let class = self.network.last().staircase(self.class);
        Range { low: class.low, high: class.high }
    }

    /// The least accumulator of the class that gives at least `k`, no less than `range.low`; above `range.high` if none does.
    pub fn rise(&self, k: i64, range: Range) -> i64 {
        let staircase = self.network.last().staircase(self.class);
        at_least(staircase, k, range)
    }

    /// The greatest accumulator of the label at which it is beaten at level `k`; below `range.low` if none is.
    pub fn cap(&self, k: i64, range: Range) -> i64 {
        // An earlier class wins ties: the label may be at most k. A later one must beat it: at most k - 1.
        let above = if self.class < self.label { k + 1 } else { k };
        at_least(self.network.last().staircase(self.label), above, range) - 1
    }
}

/// The least accumulator of `range` with a value of at least `k`; `range.high + 1` if there is none.
fn at_least(staircase: &super::Requantise, k: i64, range: Range) -> i64 {
    if k <= staircase.low {
        return range.low;
    }
    let threshold = if k > staircase.high { None } else { staircase.threshold(k) };
    threshold.map_or(range.high + 1, |t| t.clamp(range.low, range.high + 1))
}
