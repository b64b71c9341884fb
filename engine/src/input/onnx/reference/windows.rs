//! Convolutions and pools by the definition, in plain nested loops over two spatial axes (one axis is two, the first of size 1).

use super::Step;
use super::array::Array;

/// The numbers of a sliding window, vertical axis first.
struct Slide {
    kernel: [usize; 2],
    strides: [usize; 2],
    dilations: [usize; 2],
    begin: [usize; 2],
    end: [usize; 2],
}

/// A list with one number for each spatial axis; a single axis gets `first` before it.
fn two(list: &[usize], first: usize) -> Result<[usize; 2], String> {
    match *list {
        [w] => Ok([first, w]),
        [h, w] => Ok([h, w]),
        _ => Err(format!("{} spatial axes", list.len())),
    }
}

fn sizes(list: Vec<i64>) -> Vec<usize> {
    list.into_iter().map(|x| x as usize).collect()
}

impl Slide {
    fn new(step: &Step, input: [usize; 2], kernel: &[usize]) -> Result<Slide, String> {
        let rank = kernel.len();
        let list = |name: &str| two(&step.ints(name).map_or(vec![1; rank], sizes), 1);
        let (kernel, strides, dilations) = (two(kernel, 1)?, list("strides")?, list("dilations")?);
        let same = step.text("auto_pad");
        let pads = step.ints("pads").filter(|_| same != "VALID").map_or(vec![0; 2 * rank], sizes);
        let (mut begin, mut end) = (two(&pads[..rank], 0)?, two(&pads[rank..], 0)?);
        if same.starts_with("SAME") {
            for k in 0..2 {
                let outputs = input[k].div_ceil(strides[k]);
                let needed = (outputs - 1) * strides[k] + dilations[k] * (kernel[k] - 1) + 1;
                let total = needed.saturating_sub(input[k]);
                (begin[k], end[k]) = (total / 2, total - total / 2);
                if same == "SAME_LOWER" {
                    (begin[k], end[k]) = (end[k], begin[k]);
                }
            }
        }
        Ok(Slide { kernel, strides, dilations, begin, end })
    }

    fn outputs(&self, input: [usize; 2], round_up: bool) -> [usize; 2] {
        [0, 1].map(|k| {
            let room = (input[k] + self.begin[k] + self.end[k] - self.dilations[k] * (self.kernel[k] - 1) - 1) as f64;
            let steps = room / self.strides[k] as f64;
            let count = if round_up { steps.ceil() } else { steps.floor() } as usize + 1;
            // With ceil_mode a last window must start inside the input or the padding before it.
            if round_up && (count - 1) * self.strides[k] >= input[k] + self.begin[k] { count - 1 } else { count }
        })
    }

    /// Calls `visit(kernel element, input position)`, both flat, for what lies under window `(oy, ox)`.
    fn under(&self, input: [usize; 2], oy: usize, ox: usize, mut visit: impl FnMut(usize, usize)) {
        let top = (oy * self.strides[0]) as i64 - self.begin[0] as i64;
        let left = (ox * self.strides[1]) as i64 - self.begin[1] as i64;
        for ky in 0..self.kernel[0] {
            let y = top + (ky * self.dilations[0]) as i64;
            if y < 0 || y >= input[0] as i64 {
                continue;
            }
            for kx in 0..self.kernel[1] {
                let x = left + (kx * self.dilations[1]) as i64;
                if x >= 0 && x < input[1] as i64 {
                    visit(ky * self.kernel[1] + kx, y as usize * input[1] + x as usize);
                }
            }
        }
    }
}

/// The result's shape: as many spatial axes as the operand has.
fn shaped(x: &Array, channels: usize, size: [usize; 2]) -> Vec<usize> {
    [&[x.shape[0], channels], &size[4 - x.shape.len()..]].concat()
}

pub(super) fn conv(step: &Step) -> Result<Array, String> {
    let (x, w) = (step.get(0)?, step.get(1)?);
    let input = two(&x.shape[2..], 1)?;
    let slide = Slide::new(step, input, &w.shape[2..])?;
    let (channels, per_group, taps) = (w.shape[0], w.shape[1], slide.kernel[0] * slide.kernel[1]);
    let outputs_per_group = channels / step.int("group", 1) as usize;
    let [height, width] = slide.outputs(input, false);
    let (data, weights, plane) = (x.to_vec(), w.to_vec(), input[0] * input[1]);
    let mut result = Vec::new();
    for n in 0..x.shape[0] {
        for m in 0..channels {
            let start = result.len();
            result.resize(start + height * width, step.maybe(2).map_or(0.0, |b| b.at(m)));
            for c in 0..per_group {
                let from = &data[(n * x.shape[1] + m / outputs_per_group * per_group + c) * plane..][..plane];
                let kernel = &weights[(m * per_group + c) * taps..][..taps];
                for (o, sum) in result[start..].iter_mut().enumerate() {
                    slide.under(input, o / width, o % width, |k, p| *sum += kernel[k] * from[p]);
                }
            }
        }
    }
    Ok(Array::new(shaped(x, channels, [height, width]), result))
}

/// Every input element is spread over the output by the kernel, and what falls into the pads is cut off.
pub(super) fn conv_transpose(step: &Step) -> Result<Array, String> {
    let (x, w) = (step.get(0)?, step.get(1)?);
    let input = two(&x.shape[2..], 1)?;
    let slide = Slide::new(step, input, &w.shape[2..])?;
    let extra = two(&step.ints("output_padding").map_or(vec![0; x.shape.len() - 2], sizes), 0)?;
    let (groups, per_group, taps) = (step.int("group", 1) as usize, w.shape[1], slide.kernel[0] * slide.kernel[1]);
    let size = [0, 1].map(|k| {
        let reach = (input[k] - 1) * slide.strides[k] + slide.dilations[k] * (slide.kernel[k] - 1) + 1;
        reach + extra[k] - slide.begin[k] - slide.end[k]
    });
    let (channels, plane) = (per_group * groups, size[0] * size[1]);
    let (data, weights) = (x.to_vec(), w.to_vec());
    let bias = |o: usize| step.maybe(2).map_or(0.0, |b| b.at(o / plane % channels));
    let mut result: Vec<f64> = (0..x.shape[0] * channels * plane).map(bias).collect();
    for (i, value) in data.iter().enumerate() {
        let (at, c, n) = (i % (input[0] * input[1]), i / (input[0] * input[1]) % x.shape[1], i / (input[0] * input[1]) / x.shape[1]);
        let first = c / (x.shape[1] / groups) * per_group;
        for m in 0..per_group {
            let kernel = &weights[(c * per_group + m) * taps..][..taps];
            let to = &mut result[(n * channels + first + m) * plane..][..plane];
            slide.under(size, at / input[1], at % input[1], |k, p| to[p] += kernel[k] * value);
        }
    }
    Ok(Array::new(shaped(x, channels, size), result))
}

/// AveragePool, GlobalAveragePool and MaxPool.
pub(super) fn pool(step: &Step) -> Result<Array, String> {
    let x = step.get(0)?;
    let input = two(&x.shape[2..], 1)?;
    let global = step.node.op_type() == "GlobalAveragePool";
    let kernel = if global { x.shape[2..].to_vec() } else { sizes(step.ints("kernel_shape").unwrap_or_default()) };
    let slide = match global {
        true => Slide { kernel: input, strides: [1, 1], dilations: [1, 1], begin: [0, 0], end: [0, 0] },
        false => Slide::new(step, input, &kernel)?,
    };
    let [height, width] = slide.outputs(input, !global && step.int("ceil_mode", 0) == 1);
    let mut result = Vec::new();
    for plane in 0..x.shape[0] * x.shape[1] {
        for o in 0..height * width {
            let mut found = Vec::new();
            slide.under(input, o / width, o % width, |_, p| found.push(x.at(plane * input[0] * input[1] + p)));
            let count = if !global && step.int("count_include_pad", 0) == 1 { slide.kernel[0] * slide.kernel[1] } else { found.len() };
            result.push(match step.node.op_type() {
                "MaxPool" => found.into_iter().fold(f64::NEG_INFINITY, f64::max),
                _ => found.iter().sum::<f64>() / count as f64,
            });
        }
    }
    Ok(Array::new(shaped(x, x.shape[1], [height, width]), result))
}
