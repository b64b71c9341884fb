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
pub const WITHOUT_OPERATOR: [&str; 2] = ["mod", "examples"];

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
    vec![
        affine("dense", Dense::new("Gemm", 3, 2, weights(), Some(Numbers::F32(vec![4.0, -1.0]))).expect("sizes fit"), &[3]),
        affine("dense", Dense::new("MatMul", 2, 3, weights(), None).expect("sizes fit"), &[2]),
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
