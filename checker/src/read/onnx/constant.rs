//! Constants: where they come from, integers computed from them, and constants as nodes. Floating-point results of constants are
//! no numbers of the format in general; a constant that takes part in such arithmetic becomes a node, which is exact.

use super::call::Call;
use super::layout::{OUTSIDE, broadcast, steps, walk};
use super::proto::{Attribute, kind};
use super::tensor::{Element, Tensor, count};
use super::{Lowering, Value};
use crate::network::{Linear, Operation};
use crate::read::{Error, not_certified, unreadable};

/// Computed integers beyond this are refused: the file's type may have had 32 bits.
const MOST_INTEGER: i64 = i32::MAX as i64;

impl<'a> Lowering<'a> {
    /// The operand at place `k` as a node with its shape; a constant becomes one.
    pub(super) fn node_at(&mut self, call: &Call<'_, 'a>, k: usize) -> Result<(usize, Vec<usize>), Error> {
        match call.operand(k)? {
            Value::Node { id, shape } => Ok((*id, shape.clone())),
            Value::Constant(tensor) => self.promoted(call.output, tensor),
        }
    }

    /// A constant as a node with its shape.
    pub(super) fn promoted(&mut self, name: &str, tensor: &Tensor) -> Result<(usize, Vec<usize>), Error> {
        let numbers = self.floats(tensor, 0..tensor.len())?;
        self.take(numbers.len())?;
        let shape = tensor.shape.clone();
        match self.add(name, &[], shape.clone(), Operation::Constant(numbers))? {
            Value::Node { id, .. } => Ok((id, shape)),
            Value::Constant(_) => unreadable("a node that is a constant"),
        }
    }

    pub(super) fn constant_of_shape(&mut self, call: &Call<'_, 'a>) -> Result<Value<'a>, Error> {
        let sizes = call.constant(0)?.to_integers()?.iter().map(|&d| usize::try_from(d).ok()).collect::<Option<Vec<_>>>();
        let Some(shape) = sizes else { return unreadable("a negative dimension") };
        let len = count(&shape)?;
        self.take(len)?;
        match call.tensor("value") {
            Some(value) if value.len() == 1 => Ok(Value::Constant(value.pick(&vec![0; len], shape))),
            Some(_) => unreadable("a value that is not one number"),
            None => Ok(Value::Constant(Tensor::single(0.0).pick(&vec![0; len], shape))),
        }
    }

    /// Sum, difference, product or quotient (towards zero) of two constants of integers.
    pub(super) fn integers(&mut self, operator: &str, a: &Tensor, b: &Tensor) -> Result<Value<'a>, Error> {
        let (shape, pairs) = self.aligned(a, b)?;
        let result = |&[a, b]: &[i64; 2]| match operator {
            "Add" => a.checked_add(b),
            "Sub" => a.checked_sub(b),
            "Mul" => a.checked_mul(b),
            "Div" => a.checked_div(b),
            _ => None,
        };
        let results: Option<Vec<i64>> = pairs.iter().map(result).collect();
        match results {
            Some(results) if results.iter().all(|x| (-MOST_INTEGER..=MOST_INTEGER).contains(x)) => {
                Ok(Value::Constant(Tensor::integers(&results, shape)))
            }
            _ => not_certified("integers beyond 32 bits, or a division by 0"),
        }
    }

    /// Which elements of two constants of integers are equal.
    pub(super) fn equal(&mut self, call: &Call<'_, 'a>) -> Result<Value<'a>, Error> {
        let (shape, pairs) = self.aligned(call.constant(0)?, call.constant(1)?)?;
        let equal: Vec<bool> = pairs.iter().map(|[a, b]| a == b).collect();
        Ok(Value::Constant(Tensor::booleans(&equal, shape)))
    }

    /// Pairs of elements of two constants of integers, broadcast to a shape.
    fn aligned(&mut self, a: &Tensor, b: &Tensor) -> Result<(Vec<usize>, Vec<[i64; 2]>), Error> {
        let shape = broadcast(&a.shape, &b.shape)?;
        self.take(2 * count(&shape)?)?;
        let spread = |t: &Tensor| t.pick(&walk(&shape, &steps(&t.shape, shape.len()), 0), Vec::new()).to_integers();
        let pairs = spread(a)?.into_iter().zip(spread(b)?).map(|(a, b)| [a, b]).collect();
        Ok((shape, pairs))
    }

    /// Where: elements of one value or the other, as a constant says.
    pub(super) fn choice(&mut self, call: &Call<'_, 'a>) -> Result<Value<'a>, Error> {
        let (condition, a, b) = (call.constant(0)?, call.operand(1)?, call.operand(2)?);
        let shape = broadcast(&broadcast(&condition.shape, a.shape())?, b.shape())?;
        self.take(count(&shape)?.saturating_mul(3))?;
        let spread = |own: &[usize]| walk(&shape, &steps(own, shape.len()), 0);
        let chosen = condition.pick(&spread(&condition.shape), Vec::new()).to_booleans()?;
        let side = |value: &Value, wanted: bool| -> Vec<u32> {
            spread(value.shape()).iter().zip(&chosen).map(|(&place, &c)| if c == wanted { place } else { OUTSIDE }).collect()
        };
        self.assembled(call.output, &[(a, side(a, true)), (b, side(b, false))], shape)
    }

    /// Elements of several values; each element of the result has a place in one of them, and lies outside of the others.
    pub(super) fn assembled(&mut self, name: &str, operands: &[(&Value<'a>, Vec<u32>)], shape: Vec<usize>) -> Result<Value<'a>, Error> {
        let (mut parts, mut constants) = (Vec::new(), Vec::new());
        for (value, places) in operands {
            match value {
                Value::Node { id, .. } => parts.push((*id, Linear::Select(places.clone()))),
                Value::Constant(tensor) => constants.push((tensor, &places[..])),
            }
        }
        if parts.is_empty() {
            return joined(&constants, shape);
        }
        let mut bias = if constants.is_empty() { Vec::new() } else { vec![0.0; count(&shape)?] };
        for (tensor, places) in constants {
            self.check_floats(tensor)?;
            let inside = bias.iter_mut().zip(places).filter(|(_, place)| **place != OUTSIDE);
            inside.for_each(|(x, &place)| *x = tensor.float(place as usize));
        }
        self.add_affine(name, parts, bias, shape)
    }
}

/// Elements of constants of one element type.
fn joined<'a>(constants: &[(&Tensor<'a>, &[u32])], shape: Vec<usize>) -> Result<Value<'a>, Error> {
    let mut source = vec![0; constants.first().map_or(0, |(_, places)| places.len())];
    let mut before = 0;
    for (tensor, places) in constants {
        let inside = source.iter_mut().zip(*places).filter(|(_, place)| **place != OUTSIDE);
        inside.for_each(|(x, &place)| *x = before + place);
        before += tensor.len() as u32;
    }
    let tensors: Vec<&Tensor> = constants.iter().map(|(tensor, _)| *tensor).collect();
    match Tensor::chain(&tensors) {
        Some(all) => Ok(Value::Constant(all.pick(&source, shape))),
        None => not_certified("constants of different element types side by side"),
    }
}

/// What a Constant node stands for.
pub(super) fn constant<'a>(call: &Call<'_, 'a>) -> Result<Value<'a>, Error> {
    let float = |attribute: &Attribute| attribute.float.map(Tensor::single);
    let tensor = call.tensor("value").cloned();
    let tensor = tensor.or_else(|| call.attribute("value_float", kind::FLOAT).and_then(float));
    let tensor = tensor.or_else(|| call.attribute("value_int", kind::INT).map(|x| Tensor::integers(&[x.int.unwrap_or(0)], Vec::new())));
    let tensor = tensor.or_else(|| call.ints("value_ints").map(|list| Tensor::integers(list, vec![list.len()])));
    tensor.map_or_else(|| not_certified("a constant of another kind than numbers"), |tensor| Ok(Value::Constant(tensor)))
}

/// Casts that change nothing.
pub(super) fn cast<'a>(call: &Call<'_, 'a>, double: bool) -> Result<Value<'a>, Error> {
    let to = call.int("to", 0);
    call.int("saturate", 1);
    let same = match call.operand(0)? {
        Value::Node { .. } => to == if double { 11 } else { 1 },
        Value::Constant(tensor) => matches!((tensor.element, to), (Element::Single, 1) | (Element::Double, 11) | (Element::Integer, 7)),
    };
    if same { call.operand(0).cloned() } else { not_certified(format!("to element type {to}")) }
}
