//! The greatest and the least of several values, and HardSigmoid. Nothing here rounds but HardSigmoid's line.

use super::call::Call;
use super::layout::{OUTSIDE, broadcast, steps, walk};
use super::tensor::count;
use super::{Lowering, Value};
use crate::function::Function;
use crate::network::{Linear, Operation};
use crate::read::{Error, unreadable};

impl<'a> Lowering<'a> {
    /// Max and Min with broadcasting; Min is the negated greatest of the negated values.
    pub(super) fn extremum(&mut self, call: &Call<'_, 'a>) -> Result<Value<'a>, Error> {
        if let Some((k, limit)) = self.only_limit(call)? {
            let function = match call.operator {
                "Max" => Function::Clip(limit, f64::INFINITY),
                _ => Function::Clip(f64::NEG_INFINITY, limit),
            };
            let (id, shape) = self.node_at(call, k)?;
            return self.add(call.output, &[id], shape, Operation::Curve(function));
        }
        let operands = (0..call.operands.len()).map(|k| self.node_at(call, k)).collect::<Result<Vec<_>, _>>()?;
        let Some((_, first)) = operands.first() else { return unreadable("no operand") };
        let shape = operands.iter().try_fold(first.clone(), |shape, (_, own)| broadcast(&shape, own))?;
        let (len, many) = (count(&shape)?, operands.len());
        self.take(count(&[len, many, many + 2])?)?;
        let negative = call.operator == "Min";
        let part = |(k, (id, own)): (usize, &(usize, Vec<usize>))| {
            let places = walk(&shape, &steps(own, shape.len()), 0);
            let source = [vec![OUTSIDE; k * len], places, vec![OUTSIDE; (many - 1 - k) * len]].concat();
            (*id, Linear::Select(source))
        };
        let parts = operands.iter().enumerate().map(part).collect();
        let mut all = self.add_affine(call.output, parts, Vec::new(), vec![many * len])?;
        if negative {
            all = self.negated(call.output, &all)?;
        }
        let Value::Node { id, .. } = all else { return unreadable("a node that is a constant") };
        let groups = (0..len).map(|j| (0..many).map(|k| (k * len + j) as u32).collect()).collect();
        let greatest = self.add(call.output, &[id], shape, Operation::Maximum(groups))?;
        if negative { self.negated(call.output, &greatest) } else { Ok(greatest) }
    }

    /// One number, given as a constant beside one value of at least its rank: the value's place and the number.
    fn only_limit(&self, call: &Call<'_, 'a>) -> Result<Option<(usize, f64)>, Error> {
        if call.operands.len() != 2 {
            return Ok(None);
        }
        let (k, shape, constant) = match (call.operand(0)?, call.operand(1)?) {
            (Value::Node { shape, .. }, Value::Constant(c)) => (0, shape, c),
            (Value::Constant(c), Value::Node { shape, .. }) => (1, shape, c),
            _ => return Ok(None),
        };
        let fits = constant.len() > 0 && broadcast(shape, &constant.shape)? == *shape;
        let numbers = self.floats(constant, 0..constant.len())?;
        Ok((fits && numbers.iter().all(|x| *x == numbers[0])).then(|| (k, numbers[0])))
    }

    fn negated(&mut self, name: &str, value: &Value<'a>) -> Result<Value<'a>, Error> {
        let Value::Node { id, shape } = value else { return unreadable("a node that is a constant") };
        let part = (*id, Linear::Scale(vec![-1.0; count(shape)?]));
        self.add_affine(name, vec![part], Vec::new(), shape.clone())
    }

    /// `max(0, min(1, alpha x + beta))`.
    pub(super) fn hard_sigmoid(&mut self, call: &Call<'_, 'a>) -> Result<Value<'a>, Error> {
        let (alpha, beta) = (f64::from(call.float("alpha", 0.2)), f64::from(call.float("beta", 0.5)));
        if !alpha.is_finite() || !beta.is_finite() {
            return unreadable(format!("alpha {alpha} and beta {beta}"));
        }
        let (id, shape) = self.node_at(call, 0)?;
        let len = count(&shape)?;
        let line = self.add_affine(call.output, vec![(id, Linear::Scale(vec![alpha; len]))], vec![beta; len], shape.clone())?;
        let Value::Node { id, .. } = line else { return unreadable("a node that is a constant") };
        self.add(call.output, &[id], shape, Operation::Curve(Function::Clip(0.0, 1.0)))
    }
}
