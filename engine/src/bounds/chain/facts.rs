//! What is known about the neurons in a part of the input set.

use super::Chain;
use crate::kernels::Kernel;

/// A hinge fixed to one side of its kink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Hidden layer.
    pub layer: u32,
    /// Neuron in the layer.
    pub neuron: u32,
    /// True for `a >= 0`, false for `a <= 0`.
    pub active: bool,
}

/// Proved intervals of all hidden pre-activations, and for the layers above the first a linear lower and upper bound
/// in the inputs. Valid for every counterexample inside the box (and phases) it was derived for, so also for any part.
#[derive(Debug, Default)]
pub struct Facts<F> {
    /// Lower ends, all hidden layers one after the other.
    pub low: Vec<F>,
    /// Upper ends.
    pub high: Vec<F>,
    /// Lower lines of the neurons above the first layer: coefficient of input `d` of neuron `j` at `d * n + j`, constants last.
    pub lower: Vec<F>,
    /// Upper lines, in the same order.
    pub upper: Vec<F>,
}

impl<F: Clone> Clone for Facts<F> {
    fn clone(&self) -> Facts<F> {
        Facts { low: self.low.clone(), high: self.high.clone(), lower: self.lower.clone(), upper: self.upper.clone() }
    }

    /// Field by field, so that memory is used again.
    fn clone_from(&mut self, other: &Facts<F>) {
        self.low.clone_from(&other.low);
        self.high.clone_from(&other.high);
        self.lower.clone_from(&other.lower);
        self.upper.clone_from(&other.upper);
    }
}

impl<F: Kernel> Facts<F> {
    /// Nothing known yet: infinite intervals, and lines that say so.
    pub fn nothing(chain: &Chain<F>) -> Facts<F> {
        let hidden: usize = chain.hidden().iter().map(|l| l.neurons).sum();
        let lined = hidden - chain.hidden().first().map_or(0, |l| l.neurons);
        let infinity = F::from_f64(f64::INFINITY);
        let mut lower = vec![F::ZERO; lined * (chain.inputs + 1)];
        let mut upper = lower.clone();
        lower[lined * chain.inputs..].fill(-infinity);
        upper[lined * chain.inputs..].fill(infinity);
        Facts { low: vec![-infinity; hidden], high: vec![infinity; hidden], lower, upper }
    }

    /// The same facts in a wider type.
    pub fn widen<G: Kernel>(&self) -> Facts<G> {
        let turn = |v: &[F]| v.iter().map(|x| G::from_f64(x.to_f64())).collect();
        Facts { low: turn(&self.low), high: turn(&self.high), lower: turn(&self.lower), upper: turn(&self.upper) }
    }
}
