//! Gemm and MatMul with one constant factor.

use super::call::Call;
use super::{Lowering, Value};
use crate::input::onnx::shape::{broadcast, broadcast_index, spread};
use crate::input::onnx::tensor::{Tensor, element_count};
use crate::numerics::Numbers;
use crate::ops::{Affine, Bilinear, Dense, Factors, MatMul, MatrixShape, Operation, Scale, Sparse, Strides, Sum};

/// A matrix with more elements than this is stored sparsely if fewer than one in [`SPARSE_SHARE`] is not zero.
const SPARSE_ELEMENTS: usize = 10_000;
const SPARSE_SHARE: usize = 10;

pub(super) fn matmul(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let (a, b) = (cx.shape(call.input(0)?), cx.shape(call.input(1)?));
    let (product, shape) = product_shape(&a, &b)?;
    let (k, constant, right) = match (call.input(0)?, call.input(1)?) {
        (_, Value::Constant(t)) => (0, t, true),
        (Value::Constant(t), Value::Node(_)) => (1, t, false),
        (Value::Node(a_id), Value::Node(b_id)) => {
            let op = Bilinear::matrix(&a, &b)?;
            return cx.add(call, Operation::General(Box::new(op)), &[*a_id, *b_id], &shape);
        }
    };
    let product = product.with_constant(right);
    let id = cx.operand(call, k)?;
    let op = multiply(cx, call.operator, cx.graph.nodes[id].len(), product, constant, None, 1.0)?;
    cx.add(call, Operation::Affine(op), &[id], &shape)
}

/// Sizes and layouts of both factors of a product.
struct Factored {
    rows: usize,
    inner: usize,
    columns: usize,
    layouts: [Strides; 2],
    /// Offsets of the two factors, for each batch.
    batches: Vec<(usize, usize)>,
}

impl Factored {
    /// Says which factor is the constant.
    fn with_constant(self, constant_right: bool) -> MatrixShape {
        let Factored { rows, inner, columns, layouts: [a, b], batches } = self;
        let (variable, constant) = if constant_right { (a, b) } else { (b, a) };
        let batches = batches.into_iter().map(|(a, b)| if constant_right { (a, b) } else { (b, a) }).collect();
        MatrixShape { rows, inner, columns, batches, constant_right, variable, constant }
    }
}

/// numpy's rules: leading axes are broadcast, a vector is a row on the left and a column on the right.
fn product_shape(a: &[usize], b: &[usize]) -> Result<(Factored, Vec<usize>), String> {
    let fail = || format!("shapes {a:?} and {b:?} cannot be multiplied");
    if a.is_empty() || b.is_empty() {
        return Err(fail());
    }
    let left = if a.len() == 1 { vec![1, a[0]] } else { a.to_vec() };
    let right = if b.len() == 1 { vec![b[0], 1] } else { b.to_vec() };
    let ((lead_a, mat_a), (lead_b, mat_b)) = (left.split_at(left.len() - 2), right.split_at(right.len() - 2));
    if mat_a[1] != mat_b[0] {
        return Err(fail());
    }
    let lead = broadcast(lead_a, lead_b).map_err(|_| fail())?;
    let (rows, inner, columns) = (mat_a[0], mat_a[1], mat_b[1]);
    let mut shape = lead.clone();
    shape.extend((a.len() > 1).then_some(rows));
    shape.extend((b.len() > 1).then_some(columns));
    element_count(&shape)?;
    let offsets = |own: &[usize], size: usize| broadcast_index(own, &lead).into_iter().map(move |i| i as usize * size);
    let batches = offsets(lead_a, rows * inner).zip(offsets(lead_b, inner * columns)).collect();
    let layouts = [Strides { row: inner, column: 1 }, Strides { row: columns, column: 1 }];
    Ok((Factored { rows, inner, columns, layouts, batches }, shape))
}

pub(super) fn gemm(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let (alpha, beta) = (call.float("alpha", 1.0)? as f64, call.float("beta", 1.0)? as f64);
    let (k, constant, right) = match (call.input(0)?, call.input(1)?) {
        (_, Value::Constant(t)) => (0, t, true),
        (Value::Constant(t), Value::Node(_)) => (1, t, false),
        (Value::Node(_), Value::Node(_)) => return Err("Gemm of two variable matrices is not supported (MatMul is)".into()),
    };
    let product = gemm_shape(call, &cx.shape(call.input(0)?), &cx.shape(call.input(1)?))?.with_constant(right);
    let shape = [product.rows, product.columns];
    element_count(&shape)?;
    let id = cx.operand(call, k)?;
    let bias = match call.optional(2) {
        Some(Value::Constant(c)) => Some(bias(cx, c, &shape, beta)?),
        _ => None,
    };
    let op = multiply(cx, call.operator, cx.graph.nodes[id].len(), product, constant, bias, alpha)?;
    match call.optional(2) {
        Some(Value::Node(c)) => add_variable(cx, call, op, id, (*c, beta), &shape),
        _ => cx.add(call, Operation::Affine(op), &[id], &shape),
    }
}

/// Two matrices, each transposed where its attribute says so.
fn gemm_shape(call: &Call, a: &[usize], b: &[usize]) -> Result<Factored, String> {
    let laid = |shape: &[usize], turned: bool| match (shape, turned) {
        (&[r, c], false) => Ok(([r, c], Strides { row: c, column: 1 })),
        (&[r, c], true) => Ok(([c, r], Strides { row: 1, column: c })),
        _ => Err(format!("operand of shape {shape:?} where a matrix is needed")),
    };
    let (a, layout_a) = laid(a, call.int("transA", 0) != 0)?;
    let (b, layout_b) = laid(b, call.int("transB", 0) != 0)?;
    if a[1] != b[0] {
        return Err(format!("matrices of {a:?} and {b:?} (after transA, transB) cannot be multiplied"));
    }
    Ok(Factored { rows: a[0], inner: a[1], columns: b[1], layouts: [layout_a, layout_b], batches: vec![(0, 0)] })
}

/// `beta C`, broadcast. The product of two binary32 numbers is exact in binary64.
fn bias(cx: &Lowering, c: &Tensor, shape: &[usize], beta: f64) -> Result<Numbers, String> {
    if broadcast(&c.shape, shape)? != shape {
        return Err(format!("C of shape {:?} for a product of shape {shape:?}", c.shape));
    }
    let values = cx.numbers(c)?;
    exact_scaling(&values, beta)?;
    cx.computed(broadcast_index(&c.shape, shape).into_iter().map(|i| beta * values.at(i as usize)).collect())
}

/// Refuses a scaling of binary64 constants that rounds.
fn exact_scaling(values: &Numbers, by: f64) -> Result<(), String> {
    let rounds = |x: f64| x != 0.0 && (x.mul_add(by, -(x * by)) != 0.0 || (by != 0.0 && (x * by).abs() < 1e-200));
    match values {
        Numbers::F64(v) if by != 1.0 && v.iter().any(|&x| rounds(x)) => Err(format!("constants times {by} are not exact in float64")),
        _ => Ok(()),
    }
}

/// `op(x) + beta c` for a variable `c`: the product, the scaled `c`, and their sum.
fn add_variable(
    cx: &mut Lowering,
    call: &Call,
    op: Box<dyn Affine>,
    x: usize,
    (c, beta): (usize, f64),
    shape: &[usize],
) -> Result<Vec<Value>, String> {
    let name = call.node.output.first().map_or("", String::as_str);
    let grown = |e: crate::graph::GraphError| e.problem;
    let product = cx.graph.add(&format!("{name} (product)"), Operation::Affine(op), &[x], shape).map_err(grown)?;
    let c_shape = cx.graph.nodes[c].shape.clone();
    let place = spread(&c_shape, shape)?;
    let scaled = match beta {
        1.0 => c,
        _ => {
            let count = cx.graph.nodes[c].len();
            let scale = Scale::new(call.operator, crate::ops::Spread::same(count), Factors::Uniform(beta), None)?;
            cx.graph.add(&format!("{name} (beta C)"), Operation::Affine(Box::new(scale)), &[c], &c_shape).map_err(grown)?
        }
    };
    let sum = Sum::new(call.operator, vec![(crate::ops::Spread::same(shape[0] * shape[1]), false), (place, false)])?;
    cx.add_affine(call, sum, &[product, scaled], shape)
}

/// The operator of a product: a plain matrix (dense or sparse) where the variable is one vector.
fn multiply(
    cx: &Lowering,
    name: &'static str,
    inputs: usize,
    product: MatrixShape,
    constant: &Tensor,
    bias: Option<Numbers>,
    alpha: f64,
) -> Result<Box<dyn Affine>, String> {
    let vector = product.batches.len() == 1 && if product.constant_right { product.rows == 1 } else { product.columns == 1 };
    if !vector {
        return Ok(Box::new(MatMul::new(name, inputs, product, scaled(cx, constant, alpha)?, bias)?));
    }
    let outputs = product.outputs();
    // Rows of the plain matrix run over the constant's free axis, columns over the inner one.
    let (output_step, input_step) = match product.constant_right {
        true => (product.constant.column, product.constant.row),
        false => (product.constant.row, product.constant.column),
    };
    let mut entries = 0;
    if constant.len() > SPARSE_ELEMENTS {
        constant.for_each_nonzero(|_, _| entries += 1);
    }
    if constant.len() > SPARSE_ELEMENTS && entries < constant.len() / SPARSE_SHARE {
        let sparse = sparse(cx, name, constant, [outputs, inputs], [output_step, input_step], alpha)?;
        return Ok(Box::new(sparse.with_bias(bias)?));
    }
    let weights = scaled(cx, constant, alpha)?;
    let weights = if input_step == 1 { weights } else { turned(&weights, [outputs, inputs]) };
    Ok(Box::new(Dense::new(name, inputs, outputs, weights, bias)?))
}

/// `alpha` times a constant.
fn scaled(cx: &Lowering, constant: &Tensor, alpha: f64) -> Result<Numbers, String> {
    let values = cx.numbers(constant)?;
    if alpha == 1.0 {
        return Ok(values);
    }
    exact_scaling(&values, alpha)?;
    cx.computed(values.to_f64().into_iter().map(|w| alpha * w).collect())
}

/// A matrix stored column by column, row by row; in blocks, as neither side fits the cache.
fn turned(weights: &Numbers, [rows, columns]: [usize; 2]) -> Numbers {
    fn turn<T: Copy + Default>(from: &[T], rows: usize, columns: usize) -> Vec<T> {
        const BLOCK: usize = 32;
        let mut to = vec![T::default(); rows * columns];
        for r0 in (0..rows).step_by(BLOCK) {
            for c0 in (0..columns).step_by(BLOCK) {
                for r in r0..(r0 + BLOCK).min(rows) {
                    for c in c0..(c0 + BLOCK).min(columns) {
                        to[r * columns + c] = from[c * rows + r];
                    }
                }
            }
        }
        to
    }
    match weights {
        Numbers::F32(v) => Numbers::F32(turn(v, rows, columns)),
        Numbers::F64(v) => Numbers::F64(turn(v, rows, columns)),
    }
}

/// The nonzero entries of a matrix by rows.
fn sparse(
    cx: &Lowering,
    name: &'static str,
    constant: &Tensor,
    [outputs, inputs]: [usize; 2],
    steps: [usize; 2],
    alpha: f64,
) -> Result<Sparse, String> {
    let by_rows = steps[1] == 1;
    // Flat index to (output, input): the constant's own rows are outputs or inputs.
    let place = |i: usize| if by_rows { (i / inputs, i % inputs) } else { (i % outputs, i / outputs) };
    let mut starts = vec![0usize; outputs + 1];
    constant.for_each_nonzero(|i, _| starts[place(i).0 + 1] += 1);
    for o in 0..outputs {
        starts[o + 1] += starts[o];
    }
    let entries = starts[outputs];
    let (mut next, mut columns, mut picked) = (starts.clone(), vec![0u32; entries], vec![0usize; entries]);
    constant.for_each_nonzero(|i, _| {
        let (o, input) = place(i);
        (columns[next[o]], picked[next[o]]) = (input as u32, i);
        next[o] += 1;
    });
    let values = constant.pick(picked.into_iter().map(Some), vec![entries]);
    Sparse::new(name, inputs, starts, columns, scaled(cx, &values, alpha)?)
}
