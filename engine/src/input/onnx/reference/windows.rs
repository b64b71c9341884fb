//! Convolutions and pools over any number of spatial axes, by the definition: one multi-index at a time.

use super::Step;
use super::array::{Array, indices};

/// The numbers of a sliding window, one for each spatial axis.
struct Slide {
    kernel: Vec<usize>,
    strides: Vec<usize>,
    dilations: Vec<usize>,
    begin: Vec<usize>,
    end: Vec<usize>,
}

impl Slide {
    fn new(step: &Step, input: &[usize], kernel: Vec<usize>) -> Slide {
        let rank = kernel.len();
        let list = |name: &str| step.ints(name).map_or(vec![1; rank], |l| l.iter().map(|&x| x as usize).collect());
        let (strides, dilations) = (list("strides"), list("dilations"));
        let mut pads: Vec<usize> = step.ints("pads").map_or(vec![0; 2 * rank], |l| l.iter().map(|&x| x as usize).collect());
        let same = step.text("auto_pad");
        if same.starts_with("SAME") {
            for k in 0..rank {
                let outputs = input[k].div_ceil(strides[k]);
                let needed = (outputs - 1) * strides[k] + dilations[k] * (kernel[k] - 1) + 1;
                let total = needed.saturating_sub(input[k]);
                let small = total / 2;
                (pads[k], pads[rank + k]) = if same == "SAME_UPPER" { (small, total - small) } else { (total - small, small) };
            }
        } else if same == "VALID" {
            pads = vec![0; 2 * rank];
        }
        let end = pads.split_off(rank);
        Slide { kernel, strides, dilations, begin: pads, end }
    }

    fn outputs(&self, input: &[usize], round_up: bool) -> Vec<usize> {
        let along = |k: usize| {
            let room = (input[k] + self.begin[k] + self.end[k] - self.dilations[k] * (self.kernel[k] - 1) - 1) as f64;
            let steps = room / self.strides[k] as f64;
            let count = if round_up { steps.ceil() } else { steps.floor() } as usize + 1;
            // With ceil_mode a last window must start inside the input or the padding before it.
            if round_up && (count - 1) * self.strides[k] >= input[k] + self.begin[k] { count - 1 } else { count }
        };
        (0..input.len()).map(along).collect()
    }

    /// The input position under kernel element `at` of window `window`; `None` in the padding.
    fn position(&self, input: &[usize], window: &[usize], at: &[usize]) -> Option<Vec<usize>> {
        let along = |k: usize| {
            let p = (window[k] * self.strides[k] + at[k] * self.dilations[k]) as i64 - self.begin[k] as i64;
            (p >= 0 && p < input[k] as i64).then_some(p as usize)
        };
        (0..input.len()).map(along).collect()
    }
}

fn joined(head: &[usize], tail: &[usize]) -> Vec<usize> {
    [head, tail].concat()
}

pub(super) fn conv(step: &Step) -> Result<Array, String> {
    let (x, w) = (step.get(0)?, step.get(1)?);
    let spatial = &x.shape[2..];
    let slide = Slide::new(step, spatial, w.shape[2..].to_vec());
    let (channels, per_group) = (w.shape[0], w.shape[1]);
    let outputs_per_group = channels / step.int("group", 1) as usize;
    let shape = joined(&[x.shape[0], channels], &slide.outputs(spatial, false));
    let taps: Vec<Vec<usize>> = indices(&slide.kernel).collect();
    Ok(Array::build(shape, false, |o| {
        let mut sum = step.maybe(2).map_or(0.0, |b| b.at(o[1]));
        for tap in &taps {
            if let Some(p) = slide.position(spatial, &o[2..], tap) {
                for c in 0..per_group {
                    let from = o[1] / outputs_per_group * per_group + c;
                    sum += w.get(&joined(&[o[1], c], tap)) * x.get(&joined(&[o[0], from], &p));
                }
            }
        }
        sum
    }))
}

/// Every input element is spread over the output by the kernel, and what falls into the pads is cut off.
pub(super) fn conv_transpose(step: &Step) -> Result<Array, String> {
    let (x, w) = (step.get(0)?, step.get(1)?);
    let rank = x.shape.len() - 2;
    let slide = Slide::new(step, &x.shape[2..], w.shape[2..].to_vec());
    let extra = step.ints("output_padding").unwrap_or(vec![0; rank]);
    let (groups, per_group) = (step.int("group", 1) as usize, w.shape[1]);
    let size = (0..rank).map(|k| {
        let reach = (x.shape[2 + k] - 1) * slide.strides[k] + slide.dilations[k] * (slide.kernel[k] - 1) + 1;
        reach + extra[k] as usize - slide.begin[k] - slide.end[k]
    });
    let shape = joined(&[x.shape[0], per_group * groups], &size.collect::<Vec<_>>());
    let mut sums = Array::build(shape.clone(), false, |o| step.maybe(2).map_or(0.0, |b| b.at(o[1]))).to_vec();
    let taps: Vec<Vec<usize>> = indices(&slide.kernel).collect();
    for i in indices(&x.shape) {
        let group = i[1] / (x.shape[1] / groups);
        for tap in &taps {
            let Some(p) = slide.position(&shape[2..], &i[2..], tap) else { continue };
            for m in 0..per_group {
                let o = joined(&[i[0], group * per_group + m], &p);
                let flat = shape.iter().zip(&o).fold(0, |flat, (&d, &k)| flat * d + k);
                sums[flat] += x.get(&i) * w.get(&joined(&[i[1], m], tap));
            }
        }
    }
    Ok(Array::new(shape, sums))
}

pub(super) fn pool(step: &Step) -> Result<Array, String> {
    let x = step.get(0)?;
    let spatial = &x.shape[2..];
    let global = step.node.op_type() == "GlobalAveragePool";
    let kernel =
        if global { spatial.to_vec() } else { step.ints("kernel_shape").unwrap_or_default().iter().map(|&k| k as usize).collect() };
    let slide = Slide::new(step, spatial, kernel);
    let shape = joined(&x.shape[..2], &slide.outputs(spatial, step.int("ceil_mode", 0) == 1));
    let taps: Vec<Vec<usize>> = indices(&slide.kernel).collect();
    Ok(Array::build(shape, false, |o| {
        let found: Vec<f64> =
            taps.iter().filter_map(|tap| slide.position(spatial, &o[2..], tap)).map(|p| x.get(&joined(&o[..2], &p))).collect();
        if step.node.op_type() == "MaxPool" {
            return found.into_iter().fold(f64::NEG_INFINITY, f64::max);
        }
        let count = if step.int("count_include_pad", 0) == 1 { taps.len() } else { found.len() };
        found.iter().sum::<f64>() / count as f64
    }))
}
