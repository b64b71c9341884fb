//! What is neither affine nor a hinge: functions of one number, products of two values, and what is made of them.

use super::call::Call;
use super::layout::{OUTSIDE, broadcast, steps, walk};
use super::tensor::{Element, count};
use super::{Lowering, Value};
use crate::function::Function;
use crate::network::{Linear, Operation};
use crate::read::{Error, not_certified, unreadable};

/// Elements of a node, in the order in which a product reads them.
pub(super) type Picked = (usize, Vec<u32>);

impl<'a> Lowering<'a> {
    /// A function of the only operand.
    pub(super) fn curve(&mut self, call: &Call<'_, 'a>, function: Function) -> Result<Value<'a>, Error> {
        let (id, shape) = self.node_at(call, 0)?;
        self.add(call.output, &[id], shape, Operation::Curve(function))
    }

    /// Pow, where all exponents are the same integer.
    pub(super) fn power(&mut self, call: &Call<'_, 'a>) -> Result<Value<'a>, Error> {
        let exponents = call.constant(1)?;
        let shape = call.operand(0)?.shape();
        if exponents.len() == 0 || broadcast(shape, &exponents.shape)? != shape {
            return not_certified(format!("exponents of shape {:?} for an operand of shape {shape:?}", exponents.shape));
        }
        let numbers: Vec<f64> = match exponents.element {
            Element::Integer => exponents.to_integers()?.iter().map(|&n| n as f64).collect(),
            _ => self.floats(exponents, 0..exponents.len())?,
        };
        let exponent = numbers[0];
        if !(2.0..=16.0).contains(&exponent) || exponent.fract() != 0.0 || numbers.iter().any(|&n| n != exponent) {
            return not_certified(format!("exponent {exponent}, or several: one integer from 2 to 16 is"));
        }
        self.curve(call, Function::Power(exponent as u8))
    }

    /// Clip: the ends are attributes up to operator set 10, operands from 11 on; one that is missing limits nothing.
    pub(super) fn clip(&mut self, call: &Call<'_, 'a>) -> Result<Value<'a>, Error> {
        let end = |name: &str, k: usize, none: f64| match self.opset < 11 {
            true => Ok(call.optional_float(name).map_or(none, f64::from)),
            false => match call.optional_constant(k)? {
                Some(tensor) if tensor.len() == 1 => self.floats(tensor, 0..1).map(|ends| ends[0]),
                Some(_) => unreadable(format!("operand {k} is not one number")),
                None => Ok(none),
            },
        };
        let (low, high) = (end("min", 1, f64::NEG_INFINITY)?, end("max", 2, f64::INFINITY)?);
        // False for NaN too.
        match low <= high {
            true => self.curve(call, Function::Clip(low, high)),
            false => not_certified(format!("ends {low} and {high}")),
        }
    }

    /// The product of elements of two nodes, pair by pair.
    pub(super) fn multiplied(&mut self, name: &str, a: Picked, b: Picked, shape: Vec<usize>) -> Result<Value<'a>, Error> {
        let len = a.1.len();
        self.take(len.saturating_mul(4))?;
        if a == b {
            let Value::Node { id, .. } = self.picked(name, vec![a], len)? else { return unreadable("a node that is a constant") };
            return self.add(name, &[id], shape, Operation::Curve(Function::Power(2)));
        }
        let parts = match a.0 == b.0 {
            true => vec![(a.0, [a.1, b.1].concat())],
            false => vec![(a.0, [a.1, vec![OUTSIDE; len]].concat()), (b.0, [vec![OUTSIDE; len], b.1].concat())],
        };
        let Value::Node { id, .. } = self.picked(name, parts, 2 * len)? else { return unreadable("a node that is a constant") };
        self.add(name, &[id], shape, Operation::Product)
    }

    /// Elements of nodes side by side; those outside come from another one.
    fn picked(&mut self, name: &str, parts: Vec<Picked>, len: usize) -> Result<Value<'a>, Error> {
        if let [(id, source)] = &parts[..]
            && self.network.nodes[*id].len == len
            && source.iter().zip(0..).all(|(&i, o): (_, u32)| i == o)
        {
            return Ok(Value::Node { id: *id, shape: vec![len] });
        }
        let parts = parts.into_iter().map(|(id, source)| (id, Linear::Select(source))).collect();
        self.add_affine(name, parts, Vec::new(), vec![len])
    }

    /// A value or constant over a value: times its reciprocal.
    pub(super) fn quotient(
        &mut self,
        call: &Call<'_, 'a>,
        (dividend, places): (&Value<'a>, Vec<u32>),
        (divisor, source): Picked,
        shape: Vec<usize>,
    ) -> Result<Value<'a>, Error> {
        let len = self.network.nodes[divisor].len;
        let inverse = self.add(call.output, &[divisor], vec![len], Operation::Curve(Function::Reciprocal))?;
        let Value::Node { id: inverse, .. } = inverse else { return Ok(inverse) };
        match dividend {
            Value::Node { id, .. } => self.multiplied(call.output, (*id, places), (inverse, source), shape),
            Value::Constant(c) => {
                let weights = self.floats(c, places.iter().map(|&i| i as usize))?;
                self.take(weights.len())?;
                let map = Linear::Sparse { starts: (0..=source.len()).collect(), columns: source, weights };
                self.add_affine(call.output, vec![(inverse, map)], Vec::new(), shape)
            }
        }
    }

    /// MatMul of two values: products of pairs, then sums. Leading axes are broadcast; a vector is a row on the left and a column
    /// on the right.
    pub(super) fn bilinear(&mut self, call: &Call<'_, 'a>, a: (usize, &[usize]), b: (usize, &[usize])) -> Result<Value<'a>, Error> {
        let fail = || unreadable(format!("a product of shapes {:?} and {:?}", a.1, b.1));
        let (stack_a, rows, inner) = match a.1 {
            [] => return fail(),
            [k] => (&[][..], 1, *k),
            [stack @ .., m, k] => (stack, *m, *k),
        };
        let (stack_b, below, columns) = match b.1 {
            [] => return fail(),
            [k] => (&[][..], *k, 1),
            [stack @ .., k, n] => (stack, *k, *n),
        };
        if inner != below {
            return fail();
        }
        let stack = broadcast(stack_a, stack_b)?;
        let outer = |own: &[usize], size: usize| -> Vec<i64> { steps(own, stack.len()).iter().map(|s| s * size as i64).collect() };
        let all = [&stack[..], &[rows, columns, inner]].concat();
        let terms = count(&all)?;
        self.take(terms.saturating_mul(2))?;
        // One place per row, column and term.
        let left = walk(&all, &[outer(stack_a, rows * inner), vec![inner as i64, 0, 1]].concat(), 0);
        let right = walk(&all, &[outer(stack_b, inner * columns), vec![0, 1, columns as i64]].concat(), 0);
        let products = self.multiplied(call.output, (a.0, left), (b.0, right), vec![terms])?;
        let Value::Node { id, .. } = products else { return Ok(products) };
        let mut shape = stack;
        shape.extend((a.1.len() > 1).then_some(rows));
        shape.extend((b.1.len() > 1).then_some(columns));
        let map = self.rows(terms / inner, inner, terms, |o, t| (o * inner + t, 1.0))?;
        self.add_affine(call.output, vec![(id, map)], Vec::new(), shape)
    }
}
