//! ConvTranspose, Upsample and Resize.

use checker::read::onnx::network;

use crate::onnx::{bytes, floats, input, int, integers, ints, model, model_of, node, of_node, outputs, refused};

fn text(name: &str, value: &str) -> Vec<u8> {
    [bytes(1, name), bytes(4, value)].concat()
}

/// The result at 1, 2, 3, ... by the definition: every element of the operand adds its multiple of the kernel.
fn by_definition(size: [usize; 3], w: &[f32], [per_group, kernel]: [usize; 2], groups: usize, stride: usize, pads: [usize; 2]) -> Vec<f64> {
    let [channels, height, width] = size;
    let wide = |n: usize| (n - 1) * stride + kernel;
    let (rows, columns) = (wide(height), wide(width));
    let mut whole = vec![0.0; per_group * groups * rows * columns];
    for (i, x) in (0..channels * height * width).zip(1..) {
        let (c, y0, x0) = (i / width / height, i / width % height, i % width);
        let first = c / (channels / groups) * per_group;
        for m in 0..per_group {
            for (k, w) in w[(c * per_group + m) * kernel * kernel..][..kernel * kernel].iter().enumerate() {
                let place = ((first + m) * rows + y0 * stride + k / kernel) * columns + x0 * stride + k % kernel;
                whole[place] += f64::from(x) * f64::from(*w);
            }
        }
    }
    let inside = |o: &usize| {
        let (y, x) = (o / columns % rows, o % columns);
        (pads[0]..rows - pads[1]).contains(&y) && (pads[0]..columns - pads[1]).contains(&x)
    };
    (0..whole.len()).filter(inside).map(|o| whole[o]).collect()
}

#[test]
fn transposed_convolutions_add_multiples_of_the_kernel() {
    for (stride, kernel, groups, pads) in [(1, 3, 1, [0, 0]), (2, 4, 1, [0, 0]), (2, 3, 2, [1, 0]), (3, 2, 1, [0, 1]), (2, 2, 2, [1, 1])] {
        let per_group = 2;
        let w: Vec<f32> = (0..2 * per_group * kernel * kernel).map(|k| ((7 * k + 3) % 11) as f32 - 4.0).collect();
        let dims = [2, per_group as i64, kernel as i64, kernel as i64];
        let [a, b] = pads.map(|p| p as i64);
        let s = stride as i64;
        let attributes = [int("group", groups as i64), ints("strides", &[s, s]), ints("pads", &[a, a, b, b])];
        let transposed = node("ConvTranspose", "x w", "y", &attributes);
        let expected = by_definition([2, 2, 3], &w, [per_group, kernel], groups, stride, pads);
        assert_eq!(of_node(&[1, 2, 2, 3], transposed, &[floats("w", &dims, &w)]), expected, "{stride} {kernel} {groups} {pads:?}");
    }
}

#[test]
fn transposed_convolutions_along_one_axis() {
    let w = floats("w", &[1, 1, 3], &[1.0, 10.0, 100.0]);
    let of = |inputs: &str, attributes: &[Vec<u8>]| {
        of_node(&[1, 1, 2], node("ConvTranspose", inputs, "y", attributes), &[w.clone(), floats("b", &[1], &[0.5])])
    };
    assert_eq!(of("x w", &[]), [1.0, 12.0, 120.0, 200.0]);
    assert_eq!(of("x w", &[ints("dilations", &[2])]), [1.0, 2.0, 10.0, 20.0, 100.0, 200.0]);
    // What output_padding adds behind is 0 and gets the bias too.
    assert_eq!(of("x w b", &[ints("strides", &[4]), ints("output_padding", &[1])]), [1.5, 10.5, 100.5, 0.5, 2.5, 20.5, 200.5, 0.5]);
    assert_eq!(of("x w", &[ints("strides", &[2]), ints("pads", &[1, 2])]), [10.0, 102.0]);
    assert_eq!(of("x w b", &[ints("output_padding", &[1])]), [1.5, 12.5, 120.5, 200.5, 0.5]);
    assert_eq!(of("x w", &[ints("pads", &[2, 2]), ints("output_padding", &[2])]), [120.0, 200.0]);
}

#[test]
fn hostile_transposed_convolutions_are_refused() {
    let of = |dims: &[i64], kernel: &[i64], attributes: &[Vec<u8>]| {
        let w = floats("w", kernel, &vec![1.0; kernel.iter().product::<i64>() as usize]);
        refused(&model(dims, &[node("ConvTranspose", "x w", "y", attributes)], &[w]))
    };
    let (dims, kernel) = (&[1, 2, 3, 3], &[2, 2, 2, 2]);
    let list = |name: &str, values: &[i64]| vec![ints(name, values)];
    assert!(of(dims, kernel, &list("output_shape", &[7, 7])).contains("attribute output_shape"));
    assert!(of(dims, kernel, &[text("auto_pad", "SAME_UPPER")]).contains("auto_pad"));
    assert!(of(dims, kernel, &list("kernel_shape", &[3, 3])).contains("kernel_shape differs"));
    assert!(of(dims, kernel, &list("pads", &[2, 2, 2, 2])).contains("pads cut away"));
    assert!(of(dims, kernel, &list("pads", &[i64::MAX, 0, 0, 0])).contains("a window with sizes"));
    assert!(of(dims, kernel, &list("pads", &[1])).contains("pads do not fit"));
    assert!(of(dims, kernel, &list("strides", &[0, 1])).contains("a window with sizes"));
    assert!(of(dims, kernel, &list("strides", &[1 << 19, 1 << 19])).contains("too large"));
    assert!(of(dims, kernel, &list("output_padding", &[-1, 0])).contains("a window with sizes"));
    assert!(of(dims, kernel, &[ints("strides", &[2, 2]), ints("dilations", &[2, 1])]).contains("strides and dilations"));
    for groups in [0, -1, 3, i64::MIN] {
        assert!(of(dims, kernel, &[int("group", groups)]).contains("groups for 2 channels"));
    }
    assert!(of(dims, &[3, 1, 2, 2], &[]).contains("groups for 2 channels"));
    assert!(of(dims, &[2, 0, 2, 2], &[]).contains("groups for 2 channels"));
    assert!(of(dims, &[2, 1, 2], &[]).contains("for 2 spatial axes"));
    assert!(of(dims, &[2], &[]).contains("a kernel of shape"));
    assert!(of(&[2, 2, 3, 3], kernel, &[]).contains("an operand of shape"));
    let variable = model(dims, &[node("ConvTranspose", "x x", "y", &[])], &[]);
    assert!(refused(&variable).contains("operand 1 is not a constant"));
}

#[test]
fn repetition_of_elements() {
    let twice = [1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0];
    let scales = floats("s", &[4], &[1.0, 1.0, 3.0, 2.0]);
    let old =
        |operator: &str| model_of(10, input("x", 1, &[1, 1, 1, 2]), &[node(operator, "x s", "y", &[])], std::slice::from_ref(&scales));
    assert_eq!(outputs(&old("Upsample"), &[1.0, 2.0]), twice);
    assert_eq!(outputs(&old("Resize"), &[1.0, 2.0]), twice);
    let new = |inputs: &str, attributes: &[Vec<u8>]| {
        let empty = floats("none", &[0], &[]);
        let sizes = integers("n", &[1, 1, 3, 4]);
        model(&[1, 1, 1, 2], &[node("Resize", inputs, "y", attributes)], &[scales.clone(), empty, sizes])
    };
    assert_eq!(outputs(&new("x none s", &[]), &[1.0, 2.0]), twice);
    let floor = [text("coordinate_transformation_mode", "asymmetric"), text("nearest_mode", "floor"), int("exclude_outside", 0)];
    assert_eq!(outputs(&new("x none none n", &floor), &[1.0, 2.0]), twice);
    for (inputs, attributes, why) in [
        ("x none s n", vec![], "or both"),
        ("x none none none", vec![], "neither"),
        ("x", vec![], "neither"),
        ("x none s", vec![text("mode", "linear")], "mode other than nearest"),
        ("x none s", vec![text("coordinate_transformation_mode", "align_corners")], "may not repeat"),
        ("x none s", vec![text("nearest_mode", "ceil")], "may not repeat"),
        ("x none s", vec![ints("axes", &[2, 3])], "attribute axes"),
        ("x none s", vec![text("keep_aspect_ratio_policy", "not_larger")], "keep_aspect_ratio_policy"),
        ("x none n", vec![], "integers where"),
    ] {
        assert!(refused(&new(inputs, &attributes)).contains(why), "{inputs}: {}", refused(&new(inputs, &attributes)));
    }
    for scales in [vec![1.0, 1.0, 2.0], vec![1.0, 1.0, 1.5, 2.0], vec![1.0, 1.0, 0.0, 1.0], vec![1.0, 1.0, f32::NAN, 1.0], vec![1e6; 4]] {
        let file = model_of(
            9,
            input("x", 1, &[1, 1, 1, 2]),
            &[node("Upsample", "x s", "y", &[])],
            &[floats("s", &[scales.len() as i64], &scales)],
        );
        assert!(network(&file).is_err(), "{scales:?}");
    }
}
