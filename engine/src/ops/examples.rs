//! One or more instances of every operator, for the law tests: a new operator is tested once it stands here.

use super::*;
use crate::numerics::Numbers;

/// An operator with operands that fit it.
#[derive(Debug)]
pub struct Example {
    /// The file of `engine/src/ops` that defines it, without `.rs`.
    pub file: &'static str,
    /// The operator.
    pub operation: Operation,
    /// Number of elements of each operand.
    pub sizes: Vec<usize>,
}

/// Files of this folder that define no operator.
pub const WITHOUT_OPERATOR: [&str; 7] = ["columns", "conv_lanes", "mod", "examples", "spread", "window", "working"];

fn affine(file: &'static str, op: impl Affine + 'static, sizes: &[usize]) -> Example {
    Example { file, operation: Operation::Affine(Box::new(op)), sizes: sizes.into() }
}

fn scalar(file: &'static str, op: impl Scalar + 'static) -> Example {
    Example { file, operation: Operation::Scalar(Box::new(op)), sizes: vec![1] }
}

fn general(file: &'static str, op: Result<impl General + 'static, String>, sizes: &[usize]) -> Example {
    Example { file, operation: Operation::General(Box::new(op.expect("examples fit"))), sizes: sizes.into() }
}

/// Every operator at least once. Weights are small integers where a test wants exact sums.
pub fn examples() -> Vec<Example> {
    [affine_examples(), scalar_examples(), general_examples()].into_iter().flatten().collect()
}

fn affine_examples() -> Vec<Example> {
    let weights = || Numbers::F32(vec![1.0, -2.0, 3.0, 0.0, 5.0, -7.0]);
    let mut list = vec![
        affine("dense", Dense::new("Gemm", 3, 2, weights(), Some(Numbers::F32(vec![4.0, -1.0]))).expect("sizes fit"), &[3]),
        affine("dense", Dense::new("MatMul", 2, 3, weights(), None).expect("sizes fit"), &[2]),
    ];
    list.extend(elementwise_examples());
    list.extend(copy_examples());
    list.extend(product_examples());
    list.extend(window_examples());
    list
}

/// Small integers with signs, some zero.
fn integers(count: usize) -> Numbers {
    Numbers::F32((0..count).map(|i| (i * 7 % 11) as f32 - 5.0).collect())
}

fn elementwise_examples() -> Vec<Example> {
    let spread = || Spread::new(3, vec![0, 0, 2, 1, 2, 2]).expect("elements exist");
    let scale = |spread, factors, bias| affine("scale", Scale::new("Mul", spread, factors, bias).expect("sizes fit"), &[3]);
    let inexact = Numbers::F64(vec![0.1, 1.0 / 3.0, -0.7]);
    vec![
        scale(Spread::same(3), Factors::Uniform(-2.0), None),
        scale(Spread::same(3), Factors::Each(inexact), Some(integers(3))),
        scale(spread(), Factors::Each(integers(6)), Some(integers(6))),
        affine("sum", Sum::new("Add", vec![(Spread::same(4), false), (Spread::same(4), false)]).expect("sizes fit"), &[4, 4]),
        affine("sum", Sum::new("Sub", vec![(spread(), false), (Spread::same(6), true)]).expect("sizes fit"), &[3, 6]),
    ]
}

fn copy_examples() -> Vec<Example> {
    let concat = [Some((0, 0)), Some((0, 1)), Some((1, 0)), Some((1, 1)), Some((1, 2))];
    let gather = [Some((0, 3)), Some((0, 2)), None, Some((0, 2)), Some((0, 3)), None, Some((0, 2))];
    let selection = |sizes: &[usize], picks: &[Pick]| Selection::new("Gather", sizes, picks.iter().copied()).expect("elements exist");
    vec![
        affine("selection", Selection::same("Reshape", 5), &[5]),
        affine("selection", selection(&[2, 3], &concat), &[2, 3]),
        affine("selection", selection(&[4], &gather), &[4]),
        affine("selection", selection(&[4], &gather).with_bias(integers(7)).expect("sizes fit"), &[4]),
    ]
}

fn product_examples() -> Vec<Example> {
    let row_major = |columns| Strides { row: columns, column: 1 };
    let turned = |rows| Strides { row: 1, column: rows };
    // [2, 3] times a constant [3, 2], over two batches; a constant [2, 3] times the transpose of a variable.
    let right = MatrixShape {
        rows: 2,
        inner: 3,
        columns: 2,
        batches: vec![(0, 0), (6, 6), (0, 6)],
        constant_right: true,
        variable: row_major(3),
        constant: row_major(2),
    };
    let left = MatrixShape { batches: vec![(0, 0)], constant_right: false, variable: turned(3), constant: row_major(3), ..right.clone() };
    let matmul = |shape, inputs, constants, bias| {
        affine("matmul", MatMul::new("MatMul", inputs, shape, constants, bias).expect("sizes fit"), &[inputs])
    };
    let sparse = Sparse::new("MatMul", 3, vec![0, 2, 2, 3, 5], vec![0, 2, 1, 0, 1], integers(5)).expect("rows");
    let mean = Sparse::new("ReduceMean", 3, vec![0, 3], vec![0, 1, 2], Numbers::F64(vec![1.0 / 3.0; 3])).expect("rows");
    vec![
        matmul(right, 12, integers(12), Some(integers(12))),
        matmul(left, 6, integers(6), None),
        affine("sparse", sparse.with_bias(Some(integers(4))).expect("sizes fit"), &[3]),
        affine("sparse", mean.with_weight_error(f64::EPSILON), &[3]),
    ]
}

fn window_examples() -> Vec<Example> {
    let window = |input: [usize; 2], output, kernel, strides, dilations, pads| Window { input, output, kernel, strides, dilations, pads };
    let plain = || window([4, 5], [2, 3], [3, 3], [1, 1], [1, 1], [0, 0]);
    let spaced = || window([5, 6], [3, 3], [3, 2], [2, 2], [1, 2], [1, 1]);
    let one_axis = || window([1, 7], [1, 4], [1, 2], [1, 3], [1, 2], [0, 2]);
    let conv = |window: Window, channels: [usize; 2], groups, bias: bool, transposed: bool| {
        let count = channels[0] / groups * channels[1] * window.kernel[0] * window.kernel[1];
        let (n, m) = (channels[0] * window.input_len(), channels[1] * window.output_len());
        let op = Conv::new("Conv", window, channels, groups, integers(count)).expect("sizes fit");
        let (op, n, m) = if transposed { (op.transposed(), m, n) } else { (op, n, m) };
        affine("conv", op.with_bias(bias.then(|| integers(m))).expect("sizes fit"), &[n])
    };
    let pool = |window: Window, channels, padding| {
        let n = channels * window.input_len();
        affine("pool", AveragePool::new("AveragePool", window, channels, padding).expect("sizes fit"), &[n])
    };
    vec![
        conv(plain(), [2, 3], 1, true, false),
        conv(spaced(), [4, 2], 2, false, false),
        conv(one_axis(), [1, 2], 1, true, false),
        conv(spaced(), [4, 6], 2, true, false),
        conv(spaced(), [4, 6], 2, false, true),
        conv(plain(), [2, 3], 1, true, true),
        conv(spaced(), [4, 2], 2, false, true),
        conv(one_axis(), [1, 2], 1, true, true),
        pool(window([4, 4], [2, 2], [2, 2], [2, 2], [1, 1], [0, 0]), 2, false),
        pool(spaced(), 2, false),
        pool(spaced(), 1, true),
    ]
}

fn scalar_examples() -> Vec<Example> {
    let leaky = |alpha: f32| scalar("leaky_relu", LeakyRelu::new(alpha).expect("finite"));
    let clip = |low: f64, high: f64| scalar("clip", Clip::new(low, high).expect("in order"));
    let power = |n: f64| scalar("pow", Curve(Pow::new(n).expect("an integer")));
    vec![
        scalar("relu", Relu),
        leaky(0.01),
        leaky(0.0),
        leaky(-0.5),
        leaky(1.75),
        scalar("abs", Abs),
        clip(0.0, 6.0),
        clip(-1.5, -1.5),
        clip(f64::NEG_INFINITY, 0.1f32 as f64),
        clip(-3.0, f64::INFINITY),
        scalar("sigmoid", Curve(Sigmoid)),
        scalar("tanh", Curve(Tanh)),
        scalar("exp", Curve(Exp)),
        scalar("softplus", Curve(Softplus)),
        scalar("wave", Curve(Wave::Sin)),
        scalar("wave", Curve(Wave::Cos)),
        power(1.0),
        power(2.0),
        power(3.0),
        power(4.0),
        scalar("reciprocal", Curve(Reciprocal)),
        scalar("sign", Sign),
        scalar("floor", Floor),
        scalar("hard_sigmoid", HardSigmoid::new(0.2, 0.5).expect("rising")),
        scalar("hard_sigmoid", HardSigmoid::new(3.0, -7.1).expect("rising")),
    ]
}

fn general_examples() -> Vec<Example> {
    let axis = |size, kernel, stride, dilation, pads| PoolAxis { size, kernel, stride, dilation, pads };
    let plain = MaxPool::new("MaxPool", 2, axis(4, 2, 2, 1, (0, 0)), axis(2, 2, 2, 1, (0, 0)), false);
    let padded = MaxPool::new("MaxPool", 1, axis(4, 3, 2, 1, (1, 0)), axis(5, 2, 2, 2, (1, 1)), true);
    let overlapping = MaxPool::new("MaxPool", 1, axis(1, 1, 1, 1, (0, 0)), axis(4, 3, 1, 1, (1, 1)), false);
    vec![
        general("max_pool", plain, &[16]),
        general("max_pool", padded, &[20]),
        general("max_pool", overlapping, &[4]),
        general("extremum", Extremum::new(Extreme::Max, &[&[2, 2], &[2]]), &[4, 2]),
        general("extremum", Extremum::new(Extreme::Min, &[&[3], &[1], &[3]]), &[3, 1, 3]),
        general("extremum", Extremum::new(Extreme::Max, &[&[1]]), &[1]),
        general("reduce_extremum", ReduceExtremum::new(Extreme::Max, &[2, 3, 2], &[false, true, false]), &[12]),
        general("reduce_extremum", ReduceExtremum::new(Extreme::Min, &[2, 2], &[true, true]), &[4]),
        general("bilinear", Bilinear::product(&[2, 1], &[2]), &[2, 2]),
        general("bilinear", Bilinear::product(&[1], &[1]), &[1, 1]),
        general("bilinear", Bilinear::matrix(&[2, 3], &[3, 2]), &[6, 6]),
        general("bilinear", Bilinear::matrix(&[2, 1, 2], &[2]), &[4, 2]),
        general("quotient", Quotient::new(&[3], &[3]), &[3, 3]),
        general("quotient", Quotient::new(&[2, 2], &[1]), &[4, 1]),
        general("softmax", Softmax::new(&[2, 3], 1), &[6]),
        general("softmax", Softmax::new(&[2, 2], 0), &[4]),
        general("softmax", Softmax::new(&[1, 1], 1), &[1]),
    ]
}
