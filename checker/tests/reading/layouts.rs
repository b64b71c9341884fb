//! Operators that only move elements, on operands of three axes; the inputs are 1, 2, 3, ...

use checker::read::onnx::network;

use crate::onnx::{bytes, floats, input, int, integers, ints, model, model_of, node, of_node, outputs, refused};

/// The input of this shape at these places of its three axes, all of the last axis after another.
fn picked([_, b, c]: [usize; 3], [x, y, z]: [&[usize]; 3]) -> Vec<f64> {
    let planes = x.iter().flat_map(|i| y.iter().map(move |j| i * b + j));
    planes.flat_map(|row| z.iter().map(move |k| (row * c + k + 1) as f64)).collect()
}

#[test]
fn slices_begin_and_step_along_each_axis() {
    let slice = |starts: &[i64], ends: &[i64], axes: &[i64], steps: &[i64]| {
        let lists = [integers("s", starts), integers("e", ends), integers("a", axes), integers("b", steps)];
        model(&[3, 4, 5], &[node("Slice", "x s e a b", "y", &[])], &lists)
    };
    let point: Vec<f64> = (1..=60).map(f64::from).collect();
    let all = |file: &[u8]| outputs(file, &point);
    assert_eq!(all(&slice(&[1, 3, 1], &[3, 0, 5], &[0, 1, 2], &[1, -2, 2])), picked([3, 4, 5], [&[1, 2], &[3, 1], &[1, 3]]));
    assert_eq!(all(&slice(&[-1, 2], &[-99, 9], &[-1, 0], &[-3, 1])), picked([3, 4, 5], [&[2], &[0, 1, 2, 3], &[4, 1]]));
    assert_eq!(all(&slice(&[0, 2], &[2, 4], &[2, 1], &[1, 1])), picked([3, 4, 5], [&[0, 1, 2], &[2, 3], &[0, 1]]));
    for (starts, ends, axes, steps) in [
        (&[1, 1][..], &[2, 2][..], &[1, 1][..], &[1, 1][..]),
        (&[1], &[2], &[1], &[0]),
        (&[1], &[2], &[1], &[i64::MIN]),
        (&[1], &[2], &[3], &[1]),
        (&[1, 1], &[2], &[0, 1], &[1, 1]),
        (&[1, 1], &[2, 2], &[0], &[1, 1]),
        (&[1, 1], &[2, 2], &[0, 1], &[1]),
    ] {
        assert!(network(&slice(starts, ends, axes, steps)).is_err(), "{starts:?} {ends:?} {axes:?} {steps:?}");
    }
}

#[test]
fn parts_are_split_and_joined_along_the_middle_axis() {
    let turned = |inputs: &str, sizes: &[Vec<u8>]| {
        let nodes = [node("Split", inputs, "a b c", &[int("axis", 1)]), node("Concat", "c a b", "y", &[int("axis", 1)])];
        model(&[2, 6, 2], &nodes, sizes)
    };
    let point: Vec<f64> = (1..=24).map(f64::from).collect();
    assert_eq!(outputs(&turned("x", &[]), &point), picked([2, 6, 2], [&[0, 1], &[4, 5, 0, 1, 2, 3], &[0, 1]]));
    assert_eq!(outputs(&turned("x n", &[integers("n", &[1, 3, 2])]), &point), picked([2, 6, 2], [&[0, 1], &[4, 5, 0, 1, 2, 3], &[0, 1]]));
    assert_eq!(outputs(&turned("x n", &[integers("n", &[2, 3, 1])]), &point), picked([2, 6, 2], [&[0, 1], &[5, 0, 1, 2, 3, 4], &[0, 1]]));
    for sizes in [&[1, 3, 1][..], &[1, 5], &[1, 2, 2, 1], &[7, -2, 1]] {
        assert!(refused(&turned("x n", &[integers("n", sizes)])).contains("do not make 6"), "{sizes:?}");
    }
    // Operands that differ beside the axis, or in the number of axes.
    let joined = |dims: &[i64], axis: i64| {
        let values = vec![0.0; dims.iter().product::<i64>() as usize];
        network(&model(&[2, 6, 2], &[node("Concat", "x w", "y", &[int("axis", axis)])], &[floats("w", dims, &values)])).is_ok()
    };
    assert!(joined(&[2, 1, 2], 1) && joined(&[1, 6, 2], 0) && joined(&[2, 6, 3], 2));
    assert!(!joined(&[2, 1, 2], 0) && !joined(&[2, 6], 2) && !joined(&[2, 6, 2, 1], 1) && !joined(&[1, 6, 2], 1));
}

#[test]
fn padding_goes_around_and_cuts() {
    let pads = |mode: Vec<Vec<u8>>| {
        let tensors = [integers("p", &[1, 0, 2, 0, -1, 1]), floats("v", &[], &[9.0])];
        model(&[1, 3, 2], &[node("Pad", "x p v", "y", &mode)], &tensors)
    };
    let row = |a: f64, b: f64| [9.0, 9.0, a, b, 9.0];
    let expected = [[9.0; 5], [9.0; 5], row(1.0, 2.0), row(3.0, 4.0)].concat();
    assert_eq!(outputs(&pads(vec![]), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), expected);
    for mode in ["reflect", "edge", "wrap"] {
        assert!(network(&pads(vec![[bytes(1, "mode"), bytes(4, mode)].concat()])).is_err(), "{mode}");
    }
}

#[test]
fn axes_are_dropped_and_exchanged() {
    let of = |dims: &[i64], perm: &[i64]| {
        let point: Vec<f64> = (1..=dims.iter().product::<i64>()).map(|x| x as f64).collect();
        let nodes = [node("Squeeze", "x", "a", &[]), node("Transpose", "a", "y", &[ints("perm", perm)])];
        network(&model(dims, &nodes, &[])).map(|_| outputs(&model(dims, &nodes, &[]), &point))
    };
    assert_eq!(of(&[1, 3, 1, 2], &[1, 0]).unwrap(), [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
    assert_eq!(of(&[2, 1, 2, 2], &[2, 0, 1]).unwrap(), [1.0, 3.0, 5.0, 7.0, 2.0, 4.0, 6.0, 8.0]);
    assert!(of(&[2, 2, 2], &[0, 0, 1]).is_err() && of(&[2, 2, 2], &[0, 1]).is_err() && of(&[2, 2], &[0, 1, 1]).is_err());
}

#[test]
fn each_element_is_repeated_along_each_axis() {
    let tensors = [floats("s", &[3], &[1.0, 2.0, 3.0])];
    let file = model_of(9, input("x", 1, &[2, 2, 3]), &[node("Upsample", "x s", "y", &[])], &tensors);
    let point: Vec<f64> = (1..=12).map(f64::from).collect();
    assert_eq!(outputs(&file, &point), picked([2, 2, 3], [&[0, 1], &[0, 0, 1, 1], &[0, 0, 0, 1, 1, 1, 2, 2, 2]]));
}

/// Of two groups of two channels, each makes one channel of its own.
#[test]
fn groups_of_transposed_convolutions_keep_their_kernels() {
    let weights = [floats("w", &[4, 1, 1, 1], &[1.0, 10.0, 100.0, 1000.0])];
    assert_eq!(of_node(&[1, 4, 1, 1], node("ConvTranspose", "x w", "y", &[int("group", 2)]), &weights), [21.0, 4300.0]);
}

/// Casts change nothing, or are refused.
#[test]
fn casts_to_another_type_are_refused() {
    for (element, to, good) in [(1, 1, true), (1, 11, false), (1, 10, false), (1, 7, false), (1, 6, false), (11, 11, true), (11, 1, false)]
    {
        let file = model_of(13, input("x", element, &[2]), &[node("Cast", "x", "c", &[int("to", to)]), node("Relu", "c", "y", &[])], &[]);
        assert_eq!(network(&file).is_ok(), good, "{element} to {to}");
    }
}
