//! Operators whose results are weighted sums: arithmetic with constants, matrix products, reductions, BatchNormalization.

use super::call::{Call, axis};
use super::layout::{broadcast, steps, walk};
use super::tensor::{Element, Tensor, count};
use super::{Lowering, Value};
use crate::network::Linear;
use crate::read::{Error, not_certified, unreadable};

/// Weights below this may have lost their relative accuracy to underflow.
const LEAST_WEIGHT: f64 = 1e-200;

/// A matrix over the elements of a value.
struct Matrix<'v, 'a> {
    value: &'v Value<'a>,
    size: [usize; 2],
    /// Distance of neighbouring rows and columns.
    steps: [usize; 2],
}

impl Matrix<'_, '_> {
    fn at(&self, row: usize, column: usize) -> usize {
        row * self.steps[0] + column * self.steps[1]
    }

    fn transposed_if(self, flag: bool) -> Self {
        let ([rows, columns], [down, right]) = (self.size, self.steps);
        if flag { Matrix { size: [columns, rows], steps: [right, down], ..self } } else { self }
    }
}

impl<'a> Lowering<'a> {
    /// Add, Sub, Mul and Div with broadcasting.
    pub(super) fn arithmetic(&mut self, call: &Call<'_, 'a>) -> Result<Value<'a>, Error> {
        let (a, b) = (call.operand(0)?, call.operand(1)?);
        let shape = broadcast(a.shape(), b.shape())?;
        self.take(2 * count(&shape)?)?;
        let spread = |value: &Value| walk(&shape, &steps(value.shape(), shape.len()), 0);
        let sign = if call.operator == "Sub" { -1.0 } else { 1.0 };
        let promoted;
        let a = match (a, b) {
            (Value::Constant(x), Value::Constant(y)) if (x.element, y.element) == (Element::Integer, Element::Integer) => {
                return self.integers(call.operator, x, y);
            }
            (Value::Constant(x), Value::Constant(_)) => {
                let (id, shape) = self.promoted(call.output, x)?;
                promoted = Value::Node { id, shape };
                &promoted
            }
            _ => a,
        };
        match (call.operator, a, b) {
            ("Add" | "Sub", Value::Node { id, .. }, Value::Node { id: other, .. }) => {
                let parts = vec![(*id, scaled(spread(a), |_| 1.0)), (*other, scaled(spread(b), |_| sign))];
                self.add_affine(call.output, parts, Vec::new(), shape)
            }
            ("Add" | "Sub", Value::Node { id, .. }, Value::Constant(c)) => {
                let bias = self.floats(c, spread(b).iter().map(|&i| i as usize))?;
                let part = (*id, scaled(spread(a), |_| 1.0));
                self.add_affine(call.output, vec![part], bias.iter().map(|x| sign * x).collect(), shape)
            }
            ("Add" | "Sub", Value::Constant(c), Value::Node { id, .. }) => {
                let bias = self.floats(c, spread(a).iter().map(|&i| i as usize))?;
                self.add_affine(call.output, vec![(*id, scaled(spread(b), |_| sign))], bias, shape)
            }
            ("Mul", Value::Node { id, .. }, Value::Constant(c)) => self.scale(call, (*id, spread(a)), (c, spread(b)), shape),
            ("Mul", Value::Constant(c), Value::Node { id, .. }) => self.scale(call, (*id, spread(b)), (c, spread(a)), shape),
            ("Div", Value::Node { id, .. }, Value::Constant(c)) => self.scale(call, (*id, spread(a)), (c, spread(b)), shape),
            ("Div", _, Value::Node { id, .. }) => self.quotient(call, (a, spread(a)), (*id, spread(b)), shape),
            (_, Value::Node { id, .. }, Value::Node { id: other, .. }) => {
                self.multiplied(call.output, (*id, spread(a)), (*other, spread(b)), shape)
            }
            _ => unreadable("arithmetic between constants"),
        }
    }

    /// Each element times or over a constant.
    fn scale(
        &mut self,
        call: &Call<'_, 'a>,
        (id, source): (usize, Vec<u32>),
        (constant, places): (&Tensor, Vec<u32>),
        shape: Vec<usize>,
    ) -> Result<Value<'a>, Error> {
        let mut factors = self.floats(constant, places.iter().map(|&i| i as usize))?;
        let mut relative_error = 0.0;
        if call.operator == "Div" {
            let exact = |x: &f64| x.to_bits() << 12 == 0;
            relative_error = if factors.iter().all(exact) { 0.0 } else { f64::EPSILON };
            factors.iter_mut().for_each(|x| *x = 1.0 / *x);
            if !factors.iter().all(|x| x.is_normal()) {
                return not_certified("a divisor of absurd size");
            }
        }
        let part = (id, scaled(source, |o| factors[o]));
        self.add_rounded(call.output, vec![part], Vec::new(), shape, relative_error)
    }

    pub(super) fn negate(&mut self, call: &Call<'_, 'a>) -> Result<Value<'a>, Error> {
        let (id, shape) = self.node_at(call, 0)?;
        let part = (id, Linear::Scale(vec![-1.0; count(&shape)?]));
        self.add_affine(call.output, vec![part], Vec::new(), shape)
    }

    /// `alpha A B + beta C`, A and B perhaps transposed.
    pub(super) fn gemm(&mut self, call: &Call<'_, 'a>) -> Result<Value<'a>, Error> {
        let (alpha, beta) = (f64::from(call.float("alpha", 1.0)), f64::from(call.float("beta", 1.0)));
        // A product of two binary32 numbers is a binary64 number.
        if (alpha != 1.0 || beta != 1.0) && self.network.double {
            return not_certified("alpha or beta other than 1 in binary64");
        }
        let matrix = |k: usize, flag: &str| match call.operand(k)?.shape() {
            &[rows, columns] => {
                let plain = Matrix { value: call.operand(k)?, size: [rows, columns], steps: [columns, 1] };
                Ok(plain.transposed_if(call.int(flag, 0) != 0))
            }
            shape => unreadable(format!("operand {k} of shape {shape:?}, expected a matrix")),
        };
        let (a, b) = (matrix(0, "transA")?, matrix(1, "transB")?);
        let shape = vec![a.size[0], b.size[1]];
        let bias = match call.optional_constant(2)? {
            Some(c) if broadcast(c.shape.as_slice(), &shape)? == shape => {
                self.take(count(&shape)?)?;
                let places = walk(&shape, &steps(&c.shape, 2), 0);
                self.floats(c, places.iter().map(|&i| i as usize))?.iter().map(|x| beta * x).collect()
            }
            Some(c) => return unreadable(format!("a bias of shape {:?} for {shape:?}", c.shape)),
            None => Vec::new(),
        };
        let part = self.product(a, b, alpha)?;
        self.add_affine(call.output, vec![part], bias, shape)
    }

    /// The product of two values, or of a value and a constant, in either order, where a batch of matrices stands on the left.
    pub(super) fn matmul(&mut self, call: &Call<'_, 'a>) -> Result<Value<'a>, Error> {
        let (a, b) = (call.operand(0)?, call.operand(1)?);
        let promoted;
        let a = match (a, b) {
            (Value::Node { id, shape }, Value::Node { id: other, shape: below }) => {
                return self.bilinear(call, (*id, shape), (*other, below));
            }
            (Value::Constant(constant), Value::Constant(_)) => {
                let (id, shape) = self.promoted(call.output, constant)?;
                promoted = Value::Node { id, shape };
                &promoted
            }
            _ => a,
        };
        let (&[ref lead @ .., inner], &[.., last]) = (a.shape(), b.shape()) else { return unreadable("a product of scalars") };
        let (batch, below, columns) = match b.shape() {
            [batch @ .., inner, _] => (batch, *inner, last),
            _ => (&[][..], last, 1),
        };
        if inner != below {
            return unreadable(format!("a product of shapes {:?} and {:?}", a.shape(), b.shape()));
        }
        if batch.iter().any(|&d| d != 1) {
            return not_certified("a batch of matrices on the right");
        }
        let mut shape = vec![1; (batch.len() + 1).saturating_sub(lead.len().max(1))];
        shape.extend_from_slice(lead);
        if b.shape().len() > 1 {
            shape.push(columns);
        }
        let rows = count(lead)?;
        let left = Matrix { value: a, size: [rows, inner], steps: [inner, 1] };
        let right = Matrix { value: b, size: [inner, columns], steps: [columns, 1] };
        let part = self.product(left, right, 1.0)?;
        self.add_affine(call.output, vec![part], Vec::new(), shape)
    }

    /// `factor a b` as a linear map of the one that is not constant.
    fn product(&mut self, a: Matrix<'_, 'a>, b: Matrix<'_, 'a>, factor: f64) -> Result<(usize, Linear), Error> {
        let ([rows, terms], [below, columns]) = (a.size, b.size);
        if terms != below || rows == 0 || terms == 0 || columns == 0 {
            return unreadable(format!("a product of matrices of sizes {:?} and {:?}", a.size, b.size));
        }
        let (id, constant) = match (a.value, b.value) {
            (Value::Node { id, .. }, Value::Constant(c)) | (Value::Constant(c), Value::Node { id, .. }) => (*id, c),
            (Value::Constant(_), Value::Constant(_)) => return not_certified("a product of two constants"),
            _ => return not_certified("a product of two values"),
        };
        self.check_floats(constant)?;
        let left = matches!(a.value, Value::Node { .. });
        let term = |o: usize, t: usize| {
            let (x, y) = (a.at(o / columns, t), b.at(t, o % columns));
            if left { (x, factor * constant.float(y)) } else { (y, factor * constant.float(x)) }
        };
        let len = if left { rows * terms } else { terms * columns };
        Ok((id, self.rows(count(&[rows, columns])?, terms, len, term)?))
    }

    /// The linear map of `columns` elements whose row `o` has the terms `term(o, t)`, columns ascending.
    pub(super) fn rows(
        &mut self,
        rows: usize,
        terms: usize,
        columns: usize,
        term: impl Fn(usize, usize) -> (usize, f64),
    ) -> Result<Linear, Error> {
        let all = count(&[rows, terms])?;
        let nonzero = (0..all).filter(|&i| term(i / terms, i % terms).1 != 0.0).count();
        if terms == columns && 2 * nonzero > all {
            self.take(all)?;
            return Ok(Linear::Dense((0..all).map(|i| term(i / terms, i % terms).1).collect()));
        }
        self.take(nonzero.saturating_mul(2).saturating_add(rows))?;
        let (mut starts, mut indices, mut weights) = (vec![0], Vec::with_capacity(nonzero), Vec::with_capacity(nonzero));
        for o in 0..rows {
            for (column, weight) in (0..terms).map(|t| term(o, t)).filter(|(_, weight)| *weight != 0.0) {
                indices.push(column as u32);
                weights.push(weight);
            }
            starts.push(weights.len());
        }
        Ok(Linear::Sparse { starts, columns: indices, weights })
    }

    /// Sums or means over axes.
    pub(super) fn reduce(&mut self, call: &Call<'_, 'a>) -> Result<Value<'a>, Error> {
        let (id, from) = call.node(0)?;
        let mut reduced = vec![false; from.len()];
        let list = if call.operator == "GlobalAveragePool" { Some((2..from.len() as i64).collect()) } else { call.list("axes", 1)? };
        match list.filter(|list| !list.is_empty()) {
            Some(list) => list.iter().try_for_each(|&a| axis(a, from.len()).map(|a| reduced[a] = true))?,
            None if call.int("noop_with_empty_axes", 0) != 0 => {}
            None => reduced.fill(true),
        }
        let own = steps(from, from.len());
        let part =
            |flag: bool| -> (Vec<usize>, Vec<i64>) { (0..from.len()).filter(|&a| reduced[a] == flag).map(|a| (from[a], own[a])).unzip() };
        let ((kept, kept_steps), (summed, summed_steps)) = (part(false), part(true));
        self.take(count(from)?)?;
        let (starts, offsets) = (walk(&kept, &kept_steps, 0), walk(&summed, &summed_steps, 0));
        let mean = call.operator != "ReduceSum";
        let terms = offsets.len().max(1);
        let weight = if mean { 1.0 / terms as f64 } else { 1.0 };
        let term = |o: usize, t: usize| (starts[o] as usize + offsets[t] as usize, weight);
        let map = self.rows(starts.len(), terms, count(from)?, term)?;
        let shape = match call.int("keepdims", 1) {
            0 => kept,
            _ => from.iter().zip(&reduced).map(|(&d, &flag)| if flag { 1 } else { d }).collect(),
        };
        let error = if mean && !terms.is_power_of_two() { f64::EPSILON } else { 0.0 };
        self.add_rounded(call.output, vec![(id, map)], Vec::new(), shape, error)
    }

    /// `scale (x - mean) / sqrt(variance + epsilon) + B`, as two nodes: `x - mean` is exact, the factor is not.
    pub(super) fn batch_normalization(&mut self, call: &Call<'_, 'a>) -> Result<Value<'a>, Error> {
        let (id, shape) = call.node(0)?;
        let &[_, channels, ..] = shape else { return unreadable("an operand without channels") };
        if call.int("training_mode", 0) != 0 || call.int("spatial", 1) != 1 {
            return not_certified("training_mode or spatial");
        }
        call.float("momentum", 0.9);
        let epsilon = f64::from(call.float("epsilon", 1e-5));
        let (len, plane) = (count(shape)?, count(&shape[2..])?);
        self.take(4 * len)?;
        let parameter = |k: usize| match call.constant(k)? {
            c if c.len() == channels => self.floats(c, (0..len).map(|o| o / plane % channels)),
            c => unreadable(format!("operand {k} has {} elements for {channels} channels", c.len())),
        };
        let (scale, bias, mean, variance) = (parameter(1)?, parameter(2)?, parameter(3)?, parameter(4)?);
        // Three roundings of at most half a unit: the sum (halved by the root), the root, the quotient.
        let factors: Vec<f64> = scale.iter().zip(&variance).map(|(s, v)| s / (v + epsilon).sqrt()).collect();
        let accurate = |(s, w): (&f64, &f64)| w.is_finite() && (w.abs() >= LEAST_WEIGHT || *s == 0.0);
        if !variance.iter().all(|v| v + epsilon > LEAST_WEIGHT) || !scale.iter().zip(&factors).all(accurate) {
            return not_certified("a variance that is not positive, or a factor of absurd size");
        }
        let centred = (id, Linear::Scale(vec![1.0; len]));
        let centred = self.add_affine(call.output, vec![centred], mean.iter().map(|m| -m).collect(), shape.to_vec())?;
        let Value::Node { id, .. } = centred else { return Ok(centred) };
        self.add_rounded(call.output, vec![(id, Linear::Scale(factors))], bias, shape.to_vec(), 2.0 * f64::EPSILON)
    }

    /// Refuses a constant with numbers of another type than the network's, or not finite.
    pub(super) fn check_floats(&self, tensor: &Tensor) -> Result<(), Error> {
        let expected = if self.network.double { Element::Double } else { Element::Single };
        if tensor.element != expected {
            return not_certified("a constant of another element type than the network's inputs");
        }
        if !(0..tensor.len()).all(|i| tensor.float(i).is_finite()) {
            return not_certified("a weight that is not finite");
        }
        Ok(())
    }

    /// The numbers at `places` of a constant that takes part in arithmetic.
    pub(super) fn floats(&self, tensor: &Tensor, places: impl Iterator<Item = usize>) -> Result<Vec<f64>, Error> {
        self.check_floats(tensor)?;
        Ok(places.map(|i| tensor.float(i)).collect())
    }
}

/// Element `o` of the result is `factor(o)` times element `source[o]`.
fn scaled(source: Vec<u32>, factor: impl Fn(usize) -> f64) -> Linear {
    let weights: Vec<f64> = (0..source.len()).map(factor).collect();
    if source.iter().zip(0..).all(|(&i, o): (&u32, u32)| i == o) {
        return Linear::Scale(weights);
    }
    match weights.iter().all(|&w| w == 1.0) {
        true => Linear::Select(source),
        false => Linear::Sparse { starts: (0..=source.len()).collect(), columns: source, weights },
    }
}
