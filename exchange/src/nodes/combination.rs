//! What follows for one element from the claims about its operands, and how far a claim is from it.

use super::arithmetic::Arithmetic;
use super::claims::{Ends, Side};
use crate::json::Number;

/// A factor: a constant of the network, or a claimed number.
#[derive(Clone, Debug)]
pub enum Factor<'c> {
    /// A finite double.
    Double(f64),
    /// A claimed number.
    Claimed(&'c Number),
    /// A claimed number, negated.
    Minus(&'c Number),
    /// The difference of two claimed numbers.
    Difference(&'c Number, &'c Number),
}

impl Factor<'_> {
    /// The factor as a number.
    pub fn value<A: Arithmetic>(&self) -> A {
        match self {
            Factor::Double(x) => A::of_f64(*x),
            Factor::Claimed(x) => A::of(x),
            Factor::Minus(x) => A::of(x).negated(),
            Factor::Difference(x, y) => {
                let mut d = A::of(x);
                d.add_product(&A::of_f64(1.0), &A::of(y).negated());
                d
            }
        }
    }
}

/// An affine function of the input.
#[derive(Clone, Copy, Debug)]
pub enum Line<'c> {
    /// A claimed one.
    Affine(&'c [Number], &'c Number),
    /// A number.
    Constant(&'c Number),
    /// An element of the input.
    Unit(usize),
}

/// `scale value <= sum factor line + sum of products` (or `>=`): what follows for an element's value, `scale > 0`.
#[derive(Clone, Debug)]
pub struct Combination<'c> {
    /// What the value is multiplied by.
    pub scale: Factor<'c>,
    /// Functions and their factors.
    pub terms: Vec<(Factor<'c>, Line<'c>)>,
    /// Products that make the constant.
    pub constant: Vec<[Factor<'c>; 2]>,
}

impl<'c> Combination<'c> {
    /// The function `sum factor line`.
    pub fn sum(terms: Vec<(Factor<'c>, Line<'c>)>) -> Combination<'c> {
        Combination { scale: Factor::Double(1.0), terms, constant: Vec::new() }
    }

    /// One function as it is.
    pub fn one(line: Line<'c>) -> Combination<'c> {
        Combination::sum(vec![(Factor::Double(1.0), line)])
    }

    /// A double.
    pub fn constant(x: f64) -> Combination<'c> {
        Combination { constant: vec![[Factor::Double(x), Factor::Double(1.0)]], ..Combination::sum(Vec::new()) }
    }

    /// Multiplications of a comparison over `width` inputs.
    pub fn work(&self, width: usize) -> usize {
        (self.terms.len() + 2).saturating_mul(width + 1)
    }

    /// How much the claimed function `coefficients . x + constant` leaves, at least, over the box: at least 0 means that it is
    /// implied. Units are those of the value times `scale`.
    ///
    /// For an upper function: the least of `scale claimed - combination`, which is affine, so every input stands at one end.
    pub fn gap<A: Arithmetic>(&self, side: Side, coefficients: &[Number], constant: &Number, input: Option<&Ends>) -> A {
        let scale = self.scale.value::<A>();
        let mut difference = self.differences::<A>(coefficients, &scale, input.map_or(0, Ends::len));
        let mut least = A::ZERO;
        least.add_product(&scale, &A::of(constant));
        for (factor, line) in &self.terms {
            let part = match line {
                Line::Affine(_, constant) | Line::Constant(constant) => A::of(constant),
                Line::Unit(_) => continue,
            };
            least.add_product(&factor.value::<A>().negated(), &part);
        }
        for [a, b] in &self.constant {
            least.add_product(&a.value::<A>().negated(), &b.value());
        }
        if side == Side::Lower {
            least = least.negated();
            difference = difference.into_iter().map(A::negated).collect();
        }
        for (k, d) in difference.into_iter().enumerate() {
            let Some(ends) = input else { break };
            let (mut at_low, mut at_high) = (A::ZERO, A::ZERO);
            at_low.add_product(&d, &A::of(&ends.low[k]));
            at_high.add_product(&d, &A::of(&ends.high[k]));
            least.add_product(&A::of_f64(1.0), &at_low.least(at_high));
        }
        least
    }

    /// Coefficients of `scale claimed - combination`; those of a missing claim count as 0.
    fn differences<A: Arithmetic>(&self, coefficients: &[Number], scale: &A, width: usize) -> Vec<A> {
        let mut parts = vec![(scale.clone(), coefficients)];
        let minus = |factor: &Factor| factor.value::<A>().negated();
        parts.extend(self.terms.iter().filter_map(|(factor, line)| match line {
            Line::Affine(own, _) => Some((minus(factor), *own)),
            _ => None,
        }));
        let mut difference = A::weighted(&parts, width);
        for (factor, line) in &self.terms {
            if let Line::Unit(k) = line
                && let Some(d) = difference.get_mut(*k)
            {
                d.add_product(&minus(factor), &A::of_f64(1.0));
            }
        }
        difference
    }

    /// The combination's coefficients divided by `scale`, about: for a producer, who may choose freely.
    pub fn coefficients(&self, width: usize) -> Vec<f64> {
        use engine::numerics::Interval;
        let scale = self.scale.value::<Interval>().middle();
        let minus = self.differences::<Interval>(&[], &Interval::point(scale), width);
        minus.into_iter().map(|d| -d.middle() / scale).collect()
    }
}
