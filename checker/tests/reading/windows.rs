//! Pools and convolutions of files against their definition: strides, dilations, all ways to pad, sizes rounded up.

use checker::read::onnx::network;

use crate::onnx::{bytes, floats, int, ints, model, node, outputs, refused};

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % n
    }
}

/// One axis.
#[derive(Debug)]
struct Axis {
    size: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    /// Before and behind; listed if the padding is none of the automatic ones.
    pads: [usize; 2],
}

impl Axis {
    fn reach(&self) -> usize {
        (self.kernel - 1) * self.dilation + 1
    }

    /// Number of windows, by the operator's definition; with sizes rounded up, none begins in the padding behind.
    fn windows(&self, padding: &str, ceil: bool) -> Option<usize> {
        if padding.starts_with("SAME") {
            return Some(self.size.div_ceil(self.stride));
        }
        let room = (self.size + self.pads[0] + self.pads[1]).checked_sub(self.reach())?;
        let mut count = room / self.stride + 1;
        if ceil && !room.is_multiple_of(self.stride) && count * self.stride < self.size + self.pads[0] {
            count += 1;
        }
        Some(count)
    }

    /// Padding before, where it is automatic: the lesser half before (`SAME_UPPER`) or behind.
    fn before(&self, padding: &str, windows: usize) -> usize {
        let total = ((windows - 1) * self.stride + self.reach()).saturating_sub(self.size);
        match padding {
            "SAME_UPPER" => total / 2,
            "SAME_LOWER" => total - total / 2,
            "VALID" => 0,
            _ => self.pads[0],
        }
    }

    /// Elements of the window, with the places in the kernel.
    fn elements(&self, window: usize, before: usize) -> Vec<(usize, usize)> {
        let place = |k: usize| (k, (window * self.stride + k * self.dilation) as i64 - before as i64);
        (0..self.kernel).map(place).filter(|(_, i)| (0..self.size as i64).contains(i)).map(|(k, i)| (k, i as usize)).collect()
    }
}

fn random_axis(random: &mut Random, padding: &str) -> Axis {
    let [kernel, stride, dilation] = [1 + random.below(3), 1 + random.below(3), 1 + random.below(3)];
    let pads = if padding == "NOTSET" { [random.below(kernel), random.below(kernel)] } else { [0; 2] };
    Axis { size: 1 + random.below(6), kernel, stride, dilation, pads }
}

#[test]
fn windows_are_where_the_operators_definition_puts_them() {
    let (mut random, mut checked, mut same, mut rounded_up) = (Random(5), 0, 0, 0);
    for round in 0..1500 {
        let operator = ["MaxPool", "AveragePool", "Conv"][round % 3];
        let padding = ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"][random.below(4)];
        let ceil = operator != "Conv" && random.below(2) == 0;
        let axes = [random_axis(&mut random, padding), random_axis(&mut random, padding)];
        let [Some(rows), Some(columns)] = [0, 1].map(|a| axes[a].windows(padding, ceil)) else { continue };
        let before = [axes[0].before(padding, rows), axes[1].before(padding, columns)];
        let channels = 1 + random.below(2);
        let (height, width) = (axes[0].size, axes[1].size);
        let list = |name: &str, of: fn(&Axis) -> usize| ints(name, &axes.iter().map(|a| of(a) as i64).collect::<Vec<_>>());
        let mut attributes = vec![list("kernel_shape", |a| a.kernel), list("strides", |a| a.stride), list("dilations", |a| a.dilation)];
        match padding {
            "NOTSET" => attributes.push(ints("pads", &[0, 1].map(|k| axes.each_ref().map(|a| a.pads[k] as i64)).concat())),
            _ => attributes.push([bytes(1, "auto_pad"), bytes(4, padding)].concat()),
        }
        attributes.extend(ceil.then(|| int("ceil_mode", 1)));
        let kernel: Vec<f32> = (0..channels * axes[0].kernel * axes[1].kernel).map(|_| random.below(9) as f32 - 4.0).collect();
        let point: Vec<f64> = (0..channels * height * width).map(|_| random.below(99) as f64 - 49.0).collect();
        let mut expected = Vec::new();
        for channel in 0..channels {
            for (y, x) in (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))) {
                let (down, right) = (axes[0].elements(y, before[0]), axes[1].elements(x, before[1]));
                let taps = down.iter().flat_map(|v| right.iter().map(move |u| (*v, *u)));
                let weight = |ky: usize, kx: usize| f64::from(kernel[(channel * axes[0].kernel + ky) * axes[1].kernel + kx]);
                let taps: Vec<(f64, f64)> =
                    taps.map(|((ky, v), (kx, u))| (weight(ky, kx), point[(channel * height + v) * width + u])).collect();
                expected.push(match operator {
                    "MaxPool" => taps.iter().map(|t| t.1).fold(f64::NEG_INFINITY, f64::max),
                    "AveragePool" => taps.iter().map(|t| t.1).sum::<f64>() / taps.len() as f64,
                    _ => taps.iter().map(|t| t.0 * t.1).sum(),
                });
            }
        }
        let (inputs, tensors) = match operator {
            "Conv" => {
                attributes.push(int("group", channels as i64));
                ("x w", vec![floats("w", &[channels as i64, 1, axes[0].kernel as i64, axes[1].kernel as i64], &kernel)])
            }
            _ => ("x", vec![]),
        };
        let file = model(&[1, channels as i64, height as i64, width as i64], &[node(operator, inputs, "y", &attributes)], &tensors);
        if operator != "Conv" && expected.iter().any(|y| !y.is_finite()) {
            assert!(refused(&file).contains("in the padding altogether"));
            continue;
        }
        let found = outputs(&file, &point);
        assert_eq!(found.len(), expected.len(), "{operator} {padding} ceil {ceil} {axes:?}");
        let near = found.iter().zip(&expected).all(|(y, z)| (y - z).abs() <= if operator == "AveragePool" { 1e-4 } else { 0.0 });
        assert!(near, "{operator} {padding} ceil {ceil} {axes:?}: {found:?}, not {expected:?}");
        checked += 1;
        same += usize::from(padding.starts_with("SAME"));
        rounded_up += usize::from(ceil && padding == "NOTSET");
    }
    assert!(checked > 800 && same > 400 && rounded_up > 50, "{checked} {same} {rounded_up}");
}

#[test]
fn kernels_that_do_not_fit_are_refused() {
    let file = |dims: &[i64], channels: i64, attributes: &[Vec<u8>]| {
        let weights = vec![1.0; dims.iter().product::<i64>() as usize];
        model(&[1, channels, 3, 3], &[node("Conv", "x w", "y", attributes)], &[floats("w", dims, &weights)])
    };
    assert!(network(&file(&[4, 1, 2, 2], 2, &[int("group", 2)])).is_ok());
    for (dims, channels, group) in
        [([4, 1, 2, 2], 3, 2), ([3, 1, 2, 2], 2, 2), ([4, 1, 2, 2], 2, 1), ([4, 2, 2, 2], 2, 2), ([4, 1, 2, 2], 2, 0)]
    {
        assert!(refused(&file(&dims, channels, &[int("group", group)])).contains("groups"), "{dims:?} {channels} {group}");
    }
    assert!(refused(&file(&[4, 2, 2, 2], 2, &[ints("kernel_shape", &[2, 1])])).contains("kernel_shape"));
    assert!(network(&file(&[4, 2, 2, 2], 2, &[ints("kernel_shape", &[2, 2])])).is_ok());
}
