//! Convolutions against their definition, with strides, paddings, dilations and groups; and shapes that contradict themselves.

mod support;

use checker::kernel::padded;
use checker::linear::Map;
use checker::network::{Convolution, Linear};
use support::Random;

/// A convolution whose output has the size that its other numbers give it; small integers as weights, so that every order is exact.
fn convolution(random: &mut Random) -> Convolution {
    loop {
        let mut pair = |n: usize| [1 + random.below(n), 1 + random.below(n)];
        let (kernel, strides, dilations, [groups, own]) = (pair(3), pair(3), pair(3), pair(3));
        let [size, pads, [filters, _]] = [pair(7), pair(3), pair(3)];
        let pads = pads.map(|p| p - 1);
        let reach = |a: usize| dilations[a] * (kernel[a] - 1) + 1;
        if (0..2).any(|a| size[a] + 2 * pads[a] < reach(a)) {
            continue;
        }
        let output = |a: usize| (size[a] + 2 * pads[a] - reach(a)) / strides[a] + 1;
        let weights = groups * filters * own * kernel[0] * kernel[1];
        return Convolution {
            weights: (0..weights).map(|_| random.below(9) as f64 - 4.0).collect(),
            input: [groups * own, size[0], size[1]],
            output: [groups * filters, output(0), output(1)],
            kernel,
            strides,
            pads,
            dilations,
            groups,
        };
    }
}

/// The weight between an output and an input element: `y stride + ky dilation - pad` is the input's row, likewise for columns.
fn weight(c: &Convolution, [f, y, x]: [usize; 3], [channel, v, u]: [usize; 3]) -> f64 {
    let (filters, channels) = (c.output[0] / c.groups, c.input[0] / c.groups);
    if f / filters != channel / channels {
        return 0.0;
    }
    let mut sum = 0.0;
    for ky in 0..c.kernel[0] {
        for kx in 0..c.kernel[1] {
            if y * c.strides[0] + ky * c.dilations[0] == v + c.pads[0] && x * c.strides[1] + kx * c.dilations[1] == u + c.pads[1] {
                sum += c.weights[((f * channels + channel % channels) * c.kernel[0] + ky) * c.kernel[1] + kx];
            }
        }
    }
    sum
}

fn places([a, b, c]: [usize; 3]) -> Vec<[usize; 3]> {
    (0..a * b * c).map(|i| [i / (b * c), i / c % b, i % c]).collect()
}

#[test]
fn convolutions_are_what_they_are_defined_to_be() {
    let mut random = Random(41);
    for case in 0..600 {
        let c = convolution(&mut random);
        let (outputs, inputs) = (places(c.output), places(c.input));
        let dense: Vec<Vec<f64>> = outputs.iter().map(|&o| inputs.iter().map(|&i| weight(&c, o, i)).collect()).collect();
        let map = Map::new(&Linear::Convolution(c.clone()), outputs.len(), inputs.len()).expect("fits");
        let terms = |row: &mut dyn Iterator<Item = f64>| row.filter(|w| *w != 0.0).count();
        let (width, stride) = (padded(inputs.len()), padded(outputs.len()));
        let mut sums = vec![0.0; width];
        let factors: Vec<f64> = (0..stride).map(|o| if o < outputs.len() { random.below(7) as f64 - 3.0 } else { 0.0 }).collect();
        map.transposed(&factors, stride, 1, &mut sums, width);
        let magnitudes: Vec<f64> = (0..width).map(|i| if i < inputs.len() { random.below(5) as f64 } else { 0.0 }).collect();
        let mut sizes = vec![Default::default(); outputs.len()];
        map.absolute(&magnitudes, &mut sizes);
        for (o, expected) in dense.iter().enumerate() {
            let mut row = vec![0.0; width];
            map.add_row(o, 1.0, &mut row);
            assert_eq!(row[..inputs.len()], expected[..], "case {case}: {c:?}");
            assert!(terms(&mut expected.iter().copied()) <= map.fan_in());
            let size: f64 = expected.iter().zip(&magnitudes).map(|(w, m)| w.abs() * m).sum();
            assert_eq!(sizes[o].iter().sum::<f64>(), size, "case {case}: {c:?}");
        }
        for i in 0..inputs.len() {
            assert_eq!(sums[i], dense.iter().zip(&factors).map(|(row, f)| row[i] * f).sum::<f64>(), "case {case}: {c:?}");
            assert!(terms(&mut dense.iter().map(|row| row[i])) <= map.fan_out(inputs.len()));
        }
    }
}

#[test]
fn convolutions_of_other_shapes_are_refused() {
    let good = Convolution {
        weights: vec![1.0; 4 * 2 * 2 * 3],
        input: [4, 5, 6],
        output: [4, 4, 4],
        kernel: [2, 3],
        strides: [1, 1],
        pads: [0, 0],
        dilations: [1, 1],
        groups: 2,
    };
    let fits = |change: &dyn Fn(&mut Convolution), outputs: usize, inputs: usize| {
        let mut c = good.clone();
        change(&mut c);
        Map::new(&Linear::Convolution(c), outputs, inputs).is_ok()
    };
    assert!(fits(&|_| (), 64, 120));
    assert!(!fits(&|_| (), 65, 120) && !fits(&|_| (), 64, 121));
    assert!(!fits(&|c| c.groups = 0, 64, 120));
    // Filters or channels that no number of groups divides.
    assert!(!fits(&|c| (c.groups, c.weights) = (4, vec![1.0; 4 * 6]), 64, 119));
    assert!(!fits(&|c| (c.input[0], c.weights) = (5, vec![1.0; 4 * 2 * 6]), 64, 150));
    assert!(!fits(&|c| (c.output[0], c.weights) = (5, vec![1.0; 5 * 2 * 6]), 80, 120));
    assert!(!fits(&|c| c.weights.push(1.0), 64, 120) && !fits(&|c| c.weights[0] = f64::INFINITY, 64, 120));
    assert!(!fits(&|c| c.kernel[0] = 3, 64, 120) && !fits(&|c| c.input[1] = usize::MAX, 64, 120));
    assert!(!fits(&|c| c.strides[0] = 1 << 31, 64, 120) && !fits(&|c| c.dilations[1] = usize::MAX, 64, 120));
    let dense = |n: usize, outputs, inputs| Map::new(&Linear::Dense(vec![1.0; n]), outputs, inputs).is_ok();
    assert!(dense(6, 2, 3) && dense(0, 2, 0) && !dense(6, 3, 3));
    let sparse = |starts: &[usize], columns: &[u32], weights: usize, outputs, inputs| {
        let (starts, columns) = (starts.to_vec(), columns.to_vec());
        Map::new(&Linear::Sparse { starts, columns, weights: vec![1.0; weights] }, outputs, inputs).is_ok()
    };
    assert!(sparse(&[0, 1, 2], &[0, 2], 2, 2, 3));
    assert!(!sparse(&[0, 1, 2], &[0, 3], 2, 2, 3) && !sparse(&[0, 1, 2], &[0], 2, 2, 3) && !sparse(&[0, 1, 3], &[0, 1], 2, 2, 3));
    assert!(!sparse(&[0, 2], &[0, 1], 2, 2, 3) && !sparse(&[0, 2, 1, 2], &[0, 1], 2, 3, 3));
    assert!(!sparse(&[0, 1, 2], &[0, 1, 2], 2, 2, 3));
}
