//! Operators with sliding windows: convolutions and pools.

use super::call::Call;
use super::{Lowering, Value};
use crate::graph::NodeId;
use crate::input::onnx::tensor::element_count;
use crate::numerics::Numbers;
use crate::ops::{AveragePool, Conv, MaxPool, Operation, PoolAxis, Window};

/// The operand of a windowed operator, as channels of planes.
struct Planes {
    id: NodeId,
    channels: usize,
    /// Number of spatial axes of the file: 1 or 2.
    rank: usize,
    size: [usize; 2],
}

fn planes(cx: &mut Lowering, call: &Call) -> Result<Planes, String> {
    let id = cx.operand(call, 0)?;
    match cx.graph.nodes[id].shape[..] {
        [1, channels, w] => Ok(Planes { id, channels, rank: 1, size: [1, w] }),
        [1, channels, h, w] => Ok(Planes { id, channels, rank: 2, size: [h, w] }),
        ref shape => Err(format!("operand of shape {shape:?}, expected [1, channels, width] or [1, channels, height, width]")),
    }
}

impl Planes {
    /// A value for each spatial axis, from a list in the file.
    fn pair(&self, name: &str, list: &[i64], before: usize) -> Result<[usize; 2], String> {
        let positive = |x: i64| usize::try_from(x).ok().filter(|&x| x < 1 << 30);
        match (list.iter().map(|&x| positive(x)).collect::<Option<Vec<_>>>().as_deref(), self.rank) {
            (Some(&[w]), 1) => Ok([before, w]),
            (Some(&[h, w]), 2) => Ok([h, w]),
            _ => Err(format!("{name} {list:?} for {} spatial axes", self.rank)),
        }
    }

    fn attribute(&self, call: &Call, name: &str) -> Result<[usize; 2], String> {
        call.ints(name).map_or(Ok([1, 1]), |list| self.pair(name, list, 1))
    }

    /// The window of a convolution or pool over these planes; `round_up` is `ceil_mode`.
    fn window(&self, call: &Call, kernel: [usize; 2], round_up: bool) -> Result<(Window, [usize; 2]), String> {
        let (strides, dilations) = (self.attribute(call, "strides")?, self.attribute(call, "dilations")?);
        let (begin, end) = self.pads(call, kernel, strides, dilations)?;
        let window = Window { input: self.size, output: [1, 1], kernel, strides, dilations, pads: begin };
        window.check()?;
        let mut output = [1, 1];
        for axis in 0..2 {
            let reach = dilations[axis] * (kernel[axis] - 1) + 1;
            let room = (self.size[axis] + begin[axis] + end[axis]).checked_sub(reach);
            let room =
                room.ok_or_else(|| format!("a kernel that reaches over {reach} does not fit into {} with its pads", self.size[axis]))?;
            output[axis] = if round_up { room.div_ceil(strides[axis]) } else { room / strides[axis] } + 1;
            // A last window that starts in the padding behind the input is left out.
            if round_up && (output[axis] - 1) * strides[axis] >= self.size[axis] + begin[axis] {
                output[axis] -= 1;
            }
        }
        Ok((Window { output, ..window }, end))
    }

    /// Padding before and after, for each axis.
    fn pads(
        &self,
        call: &Call,
        kernel: [usize; 2],
        strides: [usize; 2],
        dilations: [usize; 2],
    ) -> Result<([usize; 2], [usize; 2]), String> {
        match call.text("auto_pad", "NOTSET").as_str() {
            "NOTSET" | "" => match call.ints("pads") {
                Some(list) if list.len() == 2 * self.rank => {
                    let (begin, end) = list.split_at(self.rank);
                    Ok((self.pair("pads", begin, 0)?, self.pair("pads", end, 0)?))
                }
                Some(list) => Err(format!("pads {list:?} for {} spatial axes", self.rank)),
                None => Ok(([0, 0], [0, 0])),
            },
            "VALID" => Ok(([0, 0], [0, 0])),
            mode @ ("SAME_UPPER" | "SAME_LOWER") => {
                let total = |axis: usize| {
                    let reach = dilations[axis].saturating_mul(kernel[axis].saturating_sub(1)).saturating_add(1);
                    let last = (self.size[axis].div_ceil(strides[axis].max(1)) - 1) * strides[axis];
                    last.saturating_add(reach).saturating_sub(self.size[axis])
                };
                let (less, more) = ([total(0) / 2, total(1) / 2], [total(0).div_ceil(2), total(1).div_ceil(2)]);
                Ok(if mode == "SAME_UPPER" { (less, more) } else { (more, less) })
            }
            mode => Err(format!("auto_pad `{mode}`")),
        }
    }

    /// The result's shape.
    fn shape(&self, channels: usize, size: [usize; 2]) -> Vec<usize> {
        let mut shape = vec![1, channels];
        shape.extend_from_slice(&size[2 - self.rank..]);
        shape
    }
}

/// The constant kernel: its dimensions with two spatial axes.
fn kernel_shape(planes: &Planes, call: &Call) -> Result<([usize; 2], [usize; 2]), String> {
    let shape = &call.constant(1)?.shape;
    let dims = match (&shape[..], planes.rank) {
        (&[m, c, w], 1) => ([m, c], [1, w]),
        (&[m, c, h, w], 2) => ([m, c], [h, w]),
        _ => return Err(format!("weights of shape {shape:?} for {} spatial axes", planes.rank)),
    };
    match call.ints("kernel_shape") {
        Some(list) if planes.pair("kernel_shape", list, 1)? != dims.1 => {
            Err(format!("kernel_shape {list:?} for weights of shape {shape:?}"))
        }
        _ => Ok(dims),
    }
}

fn groups(call: &Call) -> Result<usize, String> {
    match call.int("group", 1) {
        g if g > 0 => Ok(g as usize),
        g => Err(format!("group {g}, expected a positive number")),
    }
}

/// One bias for each output element, from one for each channel.
fn bias(cx: &Lowering, call: &Call, channels: usize, plane: usize) -> Result<Option<Numbers>, String> {
    match call.optional_constant(2)? {
        None => Ok(None),
        Some(b) if b.len() == channels => {
            let per_channel = cx.numbers(b)?;
            let index: Vec<usize> = (0..channels).flat_map(|c| std::iter::repeat_n(c, plane)).collect();
            Ok(Some(per_channel.pick(&index)))
        }
        Some(b) => Err(format!("{} biases for {channels} channels", b.len())),
    }
}

pub(super) fn conv(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let planes = planes(cx, call)?;
    let ([outputs, per_group], kernel) = kernel_shape(&planes, call)?;
    let groups = groups(call)?;
    if per_group.checked_mul(groups) != Some(planes.channels) {
        return Err(format!("weights for {per_group} channels in {groups} groups, the operand has {}", planes.channels));
    }
    let (window, _) = planes.window(call, kernel, false)?;
    let shape = planes.shape(outputs, window.output);
    element_count(&shape)?;
    let bias = bias(cx, call, outputs, window.output_len())?;
    let weights = cx.numbers(call.constant(1)?)?;
    let op = Conv::new(call.operator, window, [planes.channels, outputs], groups, weights)?.with_bias(bias)?;
    cx.add_affine(call, op, &[planes.id], &shape)
}

/// The transpose of the convolution from the result's planes to the operand's.
pub(super) fn conv_transpose(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let planes = planes(cx, call)?;
    let ([inputs, per_group], kernel) = kernel_shape(&planes, call)?;
    let groups = groups(call)?;
    if inputs != planes.channels {
        return Err(format!("weights for {inputs} channels, the operand has {}", planes.channels));
    }
    if call.ints("output_shape").is_some() || !matches!(call.text("auto_pad", "NOTSET").as_str(), "NOTSET" | "VALID") {
        return Err("output_shape and auto_pad SAME are not supported".into());
    }
    let (strides, dilations) = (planes.attribute(call, "strides")?, planes.attribute(call, "dilations")?);
    let (begin, end) = planes.pads(call, kernel, strides, dilations)?;
    let extra = call.ints("output_padding").map_or(Ok([0, 0]), |list| planes.pair("output_padding", list, 0))?;
    let window = Window { input: [1, 1], output: planes.size, kernel, strides, dilations, pads: begin };
    window.check()?;
    let mut size = [1, 1];
    for axis in 0..2 {
        let reach = (planes.size[axis] - 1) * strides[axis] + dilations[axis] * (kernel[axis] - 1) + 1;
        let reach = reach.checked_add(extra[axis]).ok_or("output_padding is too large")?;
        size[axis] = reach.checked_sub(begin[axis] + end[axis]).filter(|&s| s > 0).ok_or("pads cut away the whole result")?;
    }
    let channels = per_group.checked_mul(groups).ok_or_else(|| format!("{per_group} channels in {groups} groups are too many"))?;
    let shape = planes.shape(channels, size);
    element_count(&shape)?;
    let window = Window { input: size, ..window };
    let bias = bias(cx, call, channels, window.input_len())?;
    let weights = cx.numbers(call.constant(1)?)?;
    let op = Conv::new(call.operator, window, [channels, planes.channels], groups, weights)?.transposed().with_bias(bias)?;
    cx.add_affine(call, op, &[planes.id], &shape)
}

pub(super) fn average_pool(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let planes = planes(cx, call)?;
    let kernel = planes.pair("kernel_shape", call.ints("kernel_shape").ok_or("kernel_shape is missing")?, 1)?;
    let (window, end) = planes.window(call, kernel, call.int("ceil_mode", 0) != 0)?;
    let count_padding = call.int("count_include_pad", 0) != 0;
    let beyond = |axis: usize| {
        let reach = (window.output[axis] - 1) * window.strides[axis] + window.dilations[axis] * (kernel[axis] - 1) + 1;
        reach > window.pads[axis] + window.input[axis] + end[axis]
    };
    if count_padding && (beyond(0) || beyond(1)) {
        return Err("count_include_pad with windows beyond the padding (ceil_mode) is not supported".into());
    }
    pool(cx, call, planes, window, count_padding)
}

pub(super) fn global_average_pool(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let planes = planes(cx, call)?;
    let one = [1, 1];
    let window = Window { input: planes.size, output: one, kernel: planes.size, strides: one, dilations: one, pads: [0, 0] };
    pool(cx, call, planes, window, false)
}

fn pool(cx: &mut Lowering, call: &Call, planes: Planes, window: Window, count_padding: bool) -> Result<Vec<Value>, String> {
    let shape = planes.shape(planes.channels, window.output);
    element_count(&shape)?;
    let op = AveragePool::new(call.operator, window, planes.channels, count_padding)?;
    cx.add_affine(call, op, &[planes.id], &shape)
}

pub(super) fn max_pool(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let planes = planes(cx, call)?;
    let kernel = planes.pair("kernel_shape", call.ints("kernel_shape").ok_or("kernel_shape is missing")?, 1)?;
    let ceil = call.int("ceil_mode", 0) != 0;
    if call.int("storage_order", 0) != 0 {
        return Err("storage_order = 1 is not supported".into());
    }
    let (window, end) = planes.window(call, kernel, ceil)?;
    let axis = |a: usize| PoolAxis {
        size: window.input[a],
        kernel: kernel[a],
        stride: window.strides[a],
        dilation: window.dilations[a],
        pads: (window.pads[a], end[a]),
    };
    let shape = planes.shape(planes.channels, window.output);
    element_count(&shape)?;
    let op = MaxPool::new(call.operator, planes.channels, axis(0), axis(1), ceil)?;
    cx.add(call, Operation::General(Box::new(op)), &[planes.id], &shape)
}
