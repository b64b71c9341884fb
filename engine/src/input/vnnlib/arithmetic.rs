//! Linear arithmetic of assertions: exact, with a limit on the work that a hostile file can ask for.

use super::error::{Fault, QueryErrorKind};
use super::formula::{Atom, Claim, Element, Linear};
use super::symbols::Reference;
use crate::numerics::Decimal;

/// Largest size in bits of an intermediate constant.
const MAX_BITS: u64 = 400_000;

/// An arithmetic expression read so far.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    Constant(Decimal),
    Element(Reference),
    /// A sum; `type_number` is that of its variables, or `None` if it has none.
    Sum(Linear, Option<u32>),
}

impl Operand {
    fn into_linear(self) -> Linear {
        match self {
            Operand::Constant(constant) => Linear { terms: Vec::new(), constant: Some(constant) },
            Operand::Element(reference) => Linear { terms: vec![(reference.element, Decimal::ONE)], constant: None },
            Operand::Sum(linear, _) => linear,
        }
    }

    fn is_constant(&self) -> bool {
        matches!(self, Operand::Constant(_) | Operand::Sum(_, None))
    }

    /// Element type of the variables in it.
    pub fn type_number(&self) -> Option<u32> {
        match self {
            Operand::Constant(_) => None,
            Operand::Element(reference) => Some(reference.type_number),
            Operand::Sum(_, type_number) => *type_number,
        }
    }

    fn terms(&self) -> usize {
        match self {
            Operand::Constant(_) => 0,
            Operand::Element(_) => 1,
            Operand::Sum(linear, _) => linear.terms.len(),
        }
    }
}

/// Why operands cannot be combined.
#[derive(Debug)]
pub(super) enum Refusal {
    /// A product of two variables.
    Product,
    /// Variables of two element types.
    MixedTypes,
    /// Numbers or sums beyond all measure.
    TooLarge,
}

impl Refusal {
    pub fn fault(&self, at: usize) -> Fault {
        match self {
            Refusal::Product => Fault::new(QueryErrorKind::Unsupported, at, PRODUCT),
            Refusal::MixedTypes => Fault::declaration(at, "variables of different element types in one comparison: there is no coercion"),
            Refusal::TooLarge => {
                Fault::new(QueryErrorKind::TooLarge, at, "this arithmetic is too large: write sums flat, with short constants")
            }
        }
    }
}

const PRODUCT: &str = "a product of variables is not supported: constraints must be linear";

/// Does arithmetic and counts its cost.
#[derive(Debug)]
pub(super) struct Arithmetic {
    budget: u64,
}

impl Arithmetic {
    /// A budget that no honest text of this length exceeds.
    pub fn new(text_len: usize) -> Arithmetic {
        Arithmetic { budget: 10_000_000 + 16 * text_len as u64 }
    }

    /// The sum of all operands, those after the first negated if `subtract`; a single one is negated.
    pub fn sum(&mut self, mut operands: Vec<Operand>, subtract: bool) -> Result<Operand, Refusal> {
        let type_number = common_type(&operands)?;
        if subtract {
            let kept = usize::from(operands.len() > 1);
            for operand in &mut operands[kept..] {
                let taken = std::mem::replace(operand, Operand::Constant(Decimal::ZERO));
                *operand = self.scaled(taken, &Decimal::from(-1))?;
            }
        }
        // The largest operand takes up the others: deep one-sided nesting stays cheap.
        let largest = (0..operands.len()).max_by_key(|&i| operands[i].terms()).expect("at least one operand");
        let mut total = operands.swap_remove(largest).into_linear();
        for operand in operands {
            let Linear { terms, constant } = operand.into_linear();
            self.spend(terms.len() as u64 + 1)?;
            total.terms.extend(terms);
            if let Some(constant) = constant {
                total.constant = Some(self.add(total.constant.as_ref().unwrap_or(&Decimal::ZERO), &constant)?);
            }
        }
        Ok(Operand::Sum(total, type_number))
    }

    /// The product of all operands, of which at most one may have variables.
    pub fn product(&mut self, operands: Vec<Operand>) -> Result<Operand, Refusal> {
        common_type(&operands)?;
        let (constants, mut others): (Vec<_>, Vec<_>) = operands.into_iter().partition(Operand::is_constant);
        let mut factor = Decimal::ONE;
        for constant in constants {
            let value = constant.into_linear().constant.unwrap_or(Decimal::ZERO);
            factor = self.multiply(&factor, &value)?;
        }
        match (others.pop(), others.is_empty()) {
            (None, _) => Ok(Operand::Constant(factor)),
            (Some(only), true) => self.scaled(only, &factor),
            (Some(_), false) => Err(Refusal::Product),
        }
    }

    fn scaled(&mut self, operand: Operand, by: &Decimal) -> Result<Operand, Refusal> {
        let type_number = operand.type_number();
        let mut linear = operand.into_linear();
        for (_, coefficient) in &mut linear.terms {
            *coefficient = self.multiply(coefficient, by)?;
        }
        if let Some(constant) = &mut linear.constant {
            *constant = self.multiply(constant, by)?;
        }
        Ok(match (linear.terms.is_empty(), type_number) {
            (true, None) => Operand::Constant(linear.constant.unwrap_or(Decimal::ZERO)),
            _ => Operand::Sum(linear, type_number),
        })
    }

    /// The atom `greater >= less`, or `>` if strict.
    pub fn compare(&mut self, greater: Operand, less: Operand, strict: bool, at: usize) -> Result<Vec<Atom>, Refusal> {
        let single = |claim| Ok(vec![Atom { claim, strict, at }]);
        match (greater, less) {
            (Operand::Element(x), Operand::Constant(c)) => single(Claim::Lower(x.element, c)),
            (Operand::Constant(c), Operand::Element(x)) => single(Claim::Upper(x.element, c)),
            (greater, less) => {
                let difference = self.sum(vec![greater, less], true)?.into_linear();
                let difference = self.normalise(difference)?;
                Ok(claims(difference, strict).into_iter().map(|(claim, strict)| Atom { claim, strict, at }).collect())
            }
        }
    }

    /// Terms ascending, distinct and not zero.
    fn normalise(&mut self, mut linear: Linear) -> Result<Linear, Refusal> {
        linear.terms.sort_by_key(|(element, _)| *element);
        let mut merged: Vec<(Element, Decimal)> = Vec::with_capacity(linear.terms.len());
        for (element, coefficient) in linear.terms {
            match merged.last_mut() {
                Some((last, sum)) if *last == element => *sum = self.add(sum, &coefficient)?,
                _ => merged.push((element, coefficient)),
            }
        }
        merged.retain(|(_, coefficient)| !coefficient.is_zero());
        Ok(Linear { terms: merged, constant: linear.constant })
    }

    fn add(&mut self, a: &Decimal, b: &Decimal) -> Result<Decimal, Refusal> {
        self.checked(a + b, a.bits() + b.bits())
    }

    fn multiply(&mut self, a: &Decimal, b: &Decimal) -> Result<Decimal, Refusal> {
        self.checked(a * b, a.bits() + b.bits())
    }

    fn checked(&mut self, result: Decimal, operand_bits: u64) -> Result<Decimal, Refusal> {
        self.spend(1 + operand_bits / 256)?;
        if result.bits() > MAX_BITS { Err(Refusal::TooLarge) } else { Ok(result) }
    }

    fn spend(&mut self, cost: u64) -> Result<(), Refusal> {
        self.budget = self.budget.checked_sub(cost).ok_or(Refusal::TooLarge)?;
        Ok(())
    }
}

/// The element type of all variables, which must be one.
pub(super) fn common_type(operands: &[Operand]) -> Result<Option<u32>, Refusal> {
    let mut types = operands.iter().filter_map(Operand::type_number);
    let first = types.next();
    if types.any(|other| Some(other) != first) { Err(Refusal::MixedTypes) } else { Ok(first) }
}

/// `linear >= 0` (or `> 0`) as bounds where it has one variable.
///
/// `3 x >= 1` has no decimal bound: for an input, a decimal just below 1/3 bounds the box, and the inequality stands beside it.
fn claims(linear: Linear, strict: bool) -> Vec<(Claim, bool)> {
    let constant = linear.constant.clone().unwrap_or(Decimal::ZERO);
    let [(element, coefficient)] = &linear.terms[..] else {
        let sign = constant.sign();
        let claim =
            if linear.terms.is_empty() { Claim::Truth(sign > 0 || (sign == 0 && !strict)) } else { Claim::Linear(Box::new(linear)) };
        return vec![(claim, strict)];
    };
    let (element, positive, right) = (*element, coefficient.sign() > 0, -constant);
    let bound = |value| if positive { Claim::Lower(element, value) } else { Claim::Upper(element, value) };
    if let Some(exact) = right.quotient(coefficient) {
        return vec![(bound(exact), strict)];
    }
    if !matches!(element, Element::Input(_)) {
        return vec![(Claim::Linear(Box::new(linear)), strict)];
    }
    let outward = if positive { right.quotient_down(coefficient) } else { right.quotient_up(coefficient) };
    let outward = bound(outward.expect("the coefficient is not zero"));
    vec![(outward, false), (Claim::Linear(Box::new(linear)), strict)]
}
