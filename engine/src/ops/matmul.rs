//! Products with a constant matrix on either side, over several rows or batches: MatMul and Gemm beyond one vector.

use super::Affine;
use crate::numerics::{Numbers, Real};

/// How the flat elements of one factor are laid out: element `(r, c)` of a batch lies at `offset + r row + c column`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strides {
    /// Distance of rows.
    pub row: usize,
    /// Distance of columns.
    pub column: usize,
}

/// Sizes and layouts of a product `Y[b] = A[b] B[b]`, one factor variable and the other constant.
#[derive(Clone, Debug)]
pub struct MatrixShape {
    /// Rows of `A`.
    pub rows: usize,
    /// Columns of `A` and rows of `B`.
    pub inner: usize,
    /// Columns of `B`.
    pub columns: usize,
    /// Offsets of the variable factor and of the constant one, for each batch.
    pub batches: Vec<(usize, usize)>,
    /// True if the constant stands on the right.
    pub constant_right: bool,
    /// Strides of the variable factor.
    pub variable: Strides,
    /// Strides of the constant factor.
    pub constant: Strides,
}

impl MatrixShape {
    /// Number of output elements.
    pub fn outputs(&self) -> usize {
        self.batches.len() * self.rows * self.columns
    }

    /// Layouts of the two factors, `A` first, and whether `A` is the constant.
    fn extent(&self, layout: Strides, constant: bool) -> usize {
        let (r, c) = if constant == self.constant_right { (self.inner, self.columns) } else { (self.rows, self.inner) };
        if r * c == 0 { 0 } else { (r - 1) * layout.row + (c - 1) * layout.column + 1 }
    }
}

/// A product with a constant matrix, and an optional bias.
#[derive(Debug)]
pub struct MatMul {
    name: &'static str,
    inputs: usize,
    product: MatrixShape,
    constants: Numbers,
    bias: Option<Numbers>,
    fan_out: usize,
    inexact_in_f32: bool,
}

impl MatMul {
    /// A product of a variable of `inputs` elements; refuses layouts that reach outside either factor.
    pub fn new(
        name: &'static str,
        inputs: usize,
        product: MatrixShape,
        constants: Numbers,
        bias: Option<Numbers>,
    ) -> Result<MatMul, String> {
        let (variable, constant) = (product.extent(product.variable, false), product.extent(product.constant, true));
        let inside = |&(v, c): &(usize, usize)| v + variable <= inputs && c + constant <= constants.len();
        if !product.batches.iter().all(inside) {
            return Err(format!("{name}: layouts reach outside {inputs} and {} elements", constants.len()));
        }
        if let Some(b) = bias.as_ref().filter(|b| b.len() != product.outputs()) {
            return Err(format!("{} bias values where {} are needed", b.len(), product.outputs()));
        }
        let each = if product.constant_right { product.columns } else { product.rows };
        let fan_out = each * most_equal(product.batches.iter().map(|b| b.0).collect());
        let inexact_in_f32 = !constants.all_binary32() || bias.as_ref().is_some_and(|b| !b.all_binary32());
        Ok(MatMul { name, inputs, product, constants, bias, fan_out, inexact_in_f32 })
    }

    /// Calls `visit(output, input, constant)` with the three flat positions of every term.
    #[inline]
    fn for_each_term(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let p = &self.product;
        let mut output = 0;
        for &(variable, constant) in &p.batches {
            for i in 0..p.rows {
                for j in 0..p.columns {
                    for k in 0..p.inner {
                        let ((vr, vc), (cr, cc)) = if p.constant_right { ((i, k), (k, j)) } else { ((k, j), (i, k)) };
                        let v = variable + vr * p.variable.row + vc * p.variable.column;
                        visit(output, v, constant + cr * p.constant.row + cc * p.constant.column);
                    }
                    output += 1;
                }
            }
        }
    }

    fn apply<F: Real>(&self, x: &[F], y: &mut [F], rows: usize, absolute: bool) {
        let (n, m) = (self.inputs, self.product.outputs());
        for r in 0..rows {
            let (x, y) = (&x[r * n..][..n], &mut y[r * m..][..m]);
            self.for_each_term(|o, i, c| {
                let w = F::from_f64(self.constants.at(c));
                y[o] += (if absolute { w.abs() } else { w }) * x[i];
            });
        }
    }

    fn transpose<F: Real>(&self, y: &[F], x: &mut [F], rows: usize) {
        let (n, m) = (self.inputs, self.product.outputs());
        for r in 0..rows {
            let (x, y) = (&mut x[r * n..][..n], &y[r * m..][..m]);
            self.for_each_term(|o, i, c| x[i] += F::from_f64(self.constants.at(c)) * y[o]);
        }
    }
}

/// How often the most frequent value occurs.
fn most_equal(mut values: Vec<usize>) -> usize {
    values.sort_unstable();
    values.chunk_by(|a, b| a == b).map(|c| c.len()).max().unwrap_or(0)
}

impl Affine for MatMul {
    fn name(&self) -> &str {
        self.name
    }

    fn output_len(&self, inputs: &[usize]) -> Result<usize, String> {
        match inputs {
            [n] if *n == self.inputs => Ok(self.product.outputs()),
            _ => Err(format!("{} takes one operand of {} elements, not {inputs:?}", self.name, self.inputs)),
        }
    }

    fn for_each_weight(&self, _operand: usize, visit: &mut dyn FnMut(usize, usize, f64)) {
        self.for_each_term(|o, i, c| visit(o, i, self.constants.at(c)))
    }

    fn bias(&self) -> Option<&Numbers> {
        self.bias.as_ref()
    }

    fn inexact_in_f32(&self) -> bool {
        self.inexact_in_f32
    }

    fn fan_in(&self) -> usize {
        self.product.inner + self.bias.is_some() as usize
    }

    fn fan_out(&self, _operand: usize) -> usize {
        self.fan_out
    }

    fn apply_f32(&self, _operand: usize, x: &[f32], y: &mut [f32], rows: usize, absolute: bool) {
        self.apply(x, y, rows, absolute)
    }

    fn apply_f64(&self, _operand: usize, x: &[f64], y: &mut [f64], rows: usize, absolute: bool) {
        self.apply(x, y, rows, absolute)
    }

    fn transpose_f32(&self, _operand: usize, y: &[f32], x: &mut [f32], rows: usize) {
        self.transpose(y, x, rows)
    }

    fn transpose_f64(&self, _operand: usize, y: &[f64], x: &mut [f64], rows: usize) {
        self.transpose(y, x, rows)
    }
}
