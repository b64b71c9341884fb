//! Products and normalizations whose numbers come from several attributes and operands; the inputs are 1, 2, 3, ...

use checker::read::onnx::network;

use crate::onnx::{bytes, doubles, float, floats, input, int, model, model_of, node, number, of_node};

/// `2 A B + 3 C`, with C as a row.
#[test]
fn gemm_scales_its_product_and_its_bias() {
    let gemm = |flags: &[Vec<u8>]| node("Gemm", "x w c", "y", flags);
    let tensors = [floats("w", &[2, 2], &[1.0, 10.0, 100.0, 1000.0]), floats("c", &[2], &[5.0, 7.0])];
    let scales = [float("alpha", 2.0), float("beta", 3.0)];
    assert_eq!(of_node(&[1, 2], gemm(&scales), &tensors), [417.0, 4041.0]);
    let transposed = [&scales[..], &[int("transB", 1)]].concat();
    assert_eq!(of_node(&[1, 2], gemm(&transposed), &tensors), [57.0, 4221.0]);
    // In binary64 a scaled weight would round.
    let double = |flags: &[Vec<u8>]| network(&model_of(13, input("x", 11, &[1, 2]), &[gemm(flags)], &tensors)).map_err(|e| e.to_string());
    for flag in [float("alpha", 2.0), float("beta", 3.0)] {
        assert!(double(&[flag]).is_err_and(|why| why.contains("alpha or beta")));
    }
    assert!(!double(&[]).is_err_and(|why| why.contains("alpha or beta")));
    // Inner sizes that differ.
    assert!(network(&model(&[1, 3], &[gemm(&[])], &tensors)).is_err());
    // A batch of matrices on the right is more than one map.
    let matmul = |dims: &[i64]| {
        let weights = vec![1.0; dims.iter().product::<i64>() as usize];
        network(&model(&[2, 1, 2], &[node("MatMul", "x w", "y", &[])], &[floats("w", dims, &weights)])).is_ok()
    };
    assert!(matmul(&[1, 2, 3]) && matmul(&[2, 3]) && !matmul(&[2, 2, 3]) && !matmul(&[1, 3, 2]) && !matmul(&[3, 2]));
}

/// `scale (x - mean) / sqrt(variance + 1/4) + bias` by channels of a plane of 2 x 1: factors 2 and 4 / 2.
#[test]
fn normalization_goes_by_channels() {
    let norm = |variance: [f32; 2], flags: &[Vec<u8>]| {
        let flags = [&[float("epsilon", 0.25)], flags].concat();
        let tensors =
            [floats("s", &[2], &[2.0, 4.0]), floats("b", &[2], &[0.5, 1.0]), floats("m", &[2], &[1.0, -1.0]), floats("v", &[2], &variance)];
        model(&[1, 2, 2, 1], &[node("BatchNormalization", "x s b m v", "y", &flags)], &tensors)
    };
    assert_eq!(crate::onnx::outputs(&norm([0.75, 3.75], &[]), &[1.0, 2.0, 3.0, 4.0]), [0.5, 2.5, 9.0, 11.0]);
    assert!(network(&norm([0.75, -0.25], &[])).is_err() && network(&norm([-1.0, 3.75], &[])).is_err());
    assert!(network(&norm([0.75, 3.75], &[int("training_mode", 1)])).is_err());
    assert!(network(&norm([0.75, 3.75], &[int("spatial", 0)])).is_err());
}

/// Where a factor, or what the root is taken of, is so small that its relative error is larger than what is claimed, there is no map.
#[test]
fn factors_of_absurd_size_are_refused() {
    let read = |scale: f64, variance: f64| {
        let tensors = [doubles("s", &[scale]), doubles("b", &[0.0]), doubles("m", &[0.0]), doubles("v", &[variance])];
        let norm = node("BatchNormalization", "x s b m v", "y", &[float("epsilon", 0.25)]);
        network(&model_of(13, input("x", 11, &[1, 1]), &[norm], &tensors)).map_err(|e| e.to_string())
    };
    let refused = |scale: f64, variance: f64| read(scale, variance).is_err_and(|why| why.contains("absurd size"));
    for scale in [0.0, 1.0, -1.0, 1e-199, -1e-199, 1e300] {
        assert!(read(scale, 0.75).is_ok() && read(scale, 0.125).is_ok(), "{scale:e}");
    }
    for (scale, variance) in [(1e-201, 0.75), (-1e-201, 0.75), (5e-324, 0.75), (1.0, -0.25), (1.0, -0.5), (0.0, -0.25), (1e-100, 1e300)] {
        assert!(refused(scale, variance), "{scale:e} {variance:e}");
    }
}

/// All inputs are of one type, and there are inputs and outputs.
#[test]
fn inputs_of_two_types_are_refused() {
    let file = |inputs: &[(&str, i64)], outputs: &[&str]| {
        let inputs = inputs.iter().flat_map(|(name, element)| bytes(11, input(name, *element, &[2])));
        let outputs = outputs.iter().flat_map(|name| bytes(12, bytes(1, name)));
        let graph: Vec<u8> = bytes(1, node("Add", "x z", "y", &[])).into_iter().chain(inputs).chain(outputs).collect();
        network(&[number(1, 8), bytes(8, number(2, 13)), bytes(7, graph)].concat()).map(|network| network.double)
    };
    assert!(matches!(file(&[("x", 1), ("z", 1)], &["y"]), Ok(false)) && matches!(file(&[("x", 11), ("z", 11)], &["y"]), Ok(true)));
    assert!(file(&[("x", 1), ("z", 11)], &["y"]).is_err() && file(&[("x", 11), ("z", 1)], &["y"]).is_err());
    assert!(file(&[("x", 1), ("z", 1)], &[]).is_err() && file(&[("x", 1)], &["y"]).is_err());
}
