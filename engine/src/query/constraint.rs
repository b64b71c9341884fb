//! Linear constraints of a query and their exact evaluation.

use dashu::integer::IBig;
use dashu::rational::RBig;

use crate::numerics::Decimal;

/// `sum terms + constant >= 0`, or `> 0` if strict, over flat element indices:
/// the inputs `0..n` in order of declaration, then the outputs `n..n+m`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Constraint {
    /// (element, coefficient), ascending, no zero coefficient.
    pub terms: Vec<(usize, Decimal)>,
    /// The constant.
    pub constant: Decimal,
    /// True for `> 0`.
    pub strict: bool,
}

impl Constraint {
    /// The left-hand side, exactly.
    pub fn evaluate_exact(&self, values: impl Fn(usize) -> RBig) -> RBig {
        self.terms.iter().fold(self.constant.to_rational(), |sum, (element, c)| sum + c.to_rational() * values(*element))
    }

    /// True if the left-hand side is positive, or zero where that is enough.
    pub fn holds(&self, values: impl Fn(usize) -> RBig) -> bool {
        let value = self.evaluate_exact(values);
        let positive = *value.numerator() > IBig::ZERO;
        positive || (!self.strict && value.is_zero())
    }

    /// The left-hand side at decimal values, exactly.
    pub fn evaluate_decimal<'a>(&self, values: impl Fn(usize) -> &'a Decimal) -> Decimal {
        self.terms.iter().fold(self.constant.clone(), |sum, (element, c)| &sum + &(c * values(*element)))
    }

    /// [`Constraint::holds`] at decimal values.
    pub fn holds_decimal<'a>(&self, values: impl Fn(usize) -> &'a Decimal) -> bool {
        let sign = self.evaluate_decimal(values).sign();
        sign > 0 || (!self.strict && sign == 0)
    }
}
