//! `y[m, o] = b[m] + sum_{c, k} w[m, c, k] x[c, o stride + k dilation - pad]`: Conv, and ConvTranspose as its transpose.

use std::sync::OnceLock;

use super::columns::Patches;
use super::conv_lanes::{Axis, Meetings, axes};
use super::{Affine, Window};
use crate::kernels::Kernel;
use crate::kernels::lanes::{Lanes, MOST_LANES, picked_roundings};
use crate::numerics::Numbers;

/// A convolution over one or two axes, or the transpose of one.
///
/// "Narrow" is the side that the window slides over, "wide" counts the windows: a convolution maps narrow to wide,
/// its transpose wide to narrow.
#[derive(Debug)]
pub struct Conv {
    name: &'static str,
    pub(crate) window: Window,
    /// Channels that the window slides over, and channels of windows.
    pub(crate) channels: [usize; 2],
    pub(crate) groups: usize,
    /// `channels[1] x channels[0] / groups x kernel`, row-major.
    pub(crate) weights: Numbers,
    /// True for ConvTranspose.
    pub(crate) transposed: bool,
    bias: Option<Numbers>,
    inexact_in_f32: bool,
    single: OnceLock<Weights<f32>>,
    double: OnceLock<Weights<f64>>,
    /// What meets what, over the windows and back.
    axes: [OnceLock<[Axis; 2]>; 2],
}

/// The weights in a working type, group by group.
#[derive(Debug)]
struct Weights<F> {
    /// `windowed x (slid kernel)`, as stored.
    gather: Vec<F>,
    /// Absolute values of the same.
    gather_absolute: Vec<F>,
    /// `(slid kernel) x windowed`.
    scatter: Vec<F>,
    /// Absolute values of the same.
    scatter_absolute: Vec<F>,
}

/// Below this many products per window and group a convolution is no matrix product worth the name.
const FEW_PRODUCTS: usize = 32;
/// From this many rows on they are rearranged element by element.
const MANY_ROWS: usize = 8;
/// Numbers that a block of rows may hold.
const MOST_NUMBERS: usize = 1 << 24;
/// Height and width of the tiles of positions whose outputs count as neighbours.
const TILE: usize = 2;

/// One kernel element of one pair of channels.
struct Tap {
    weight: usize,
    slid: usize,
    windowed: usize,
    kernel: [usize; 2],
}

impl Conv {
    /// A convolution of `channels[0]` to `channels[1]` channels with one bias for each output element.
    pub fn new(name: &'static str, window: Window, channels: [usize; 2], groups: usize, weights: Numbers) -> Result<Conv, String> {
        window.check()?;
        if groups == 0 || channels.iter().any(|&c| c == 0 || c % groups != 0) {
            return Err(format!("channels {channels:?} do not divide into {groups} groups"));
        }
        let needed = channels[1] * (channels[0] / groups) * window.kernel[0] * window.kernel[1];
        if weights.len() != needed {
            return Err(format!("{} weights where {needed} are needed", weights.len()));
        }
        let inexact_in_f32 = !weights.all_binary32();
        Ok(Conv {
            name,
            window,
            channels,
            groups,
            weights,
            transposed: false,
            bias: None,
            inexact_in_f32,
            single: OnceLock::new(),
            double: OnceLock::new(),
            axes: Default::default(),
        })
    }

    /// The transpose of this convolution: maps windows to what they slide over.
    pub fn transposed(self) -> Conv {
        Conv { transposed: true, ..self }
    }

    /// Adds one constant to each output element.
    pub fn with_bias(self, bias: Option<Numbers>) -> Result<Conv, String> {
        match bias.as_ref().filter(|b| b.len() != self.lengths().1) {
            Some(b) => Err(format!("{} bias values where {} are needed", b.len(), self.lengths().1)),
            None => {
                let inexact_in_f32 = self.inexact_in_f32 || bias.as_ref().is_some_and(|b| !b.all_binary32());
                Ok(Conv { bias, inexact_in_f32, ..self })
            }
        }
    }

    /// Number of input and of output elements.
    fn lengths(&self) -> (usize, usize) {
        let (slid, windowed) = (self.channels[0] * self.window.input_len(), self.channels[1] * self.window.output_len());
        if self.transposed { (windowed, slid) } else { (slid, windowed) }
    }

    fn for_each_tap(&self, mut visit: impl FnMut(Tap)) {
        let [kh, kw] = self.window.kernel;
        let (per_group, outputs) = (self.channels[0] / self.groups, self.channels[1] / self.groups);
        let mut weight = 0;
        for windowed in 0..self.channels[1] {
            for c in 0..per_group {
                let slid = windowed / outputs * per_group + c;
                for k in 0..kh * kw {
                    visit(Tap { weight, slid, windowed, kernel: [k / kw, k % kw] });
                    weight += 1;
                }
            }
        }
    }

    /// Calls `visit(weight, start in x, start in y, count)` for every row of windows of every tap:
    /// `count` neighbours in `y` meet elements of `x` that are one stride apart.
    fn for_each_row(&self, mut visit: impl FnMut(usize, usize, usize, usize)) {
        let (w, [_, iw], [_, ow]) = (&self.window, self.window.input, self.window.output);
        self.for_each_tap(|tap| {
            let across = w.windows(1, tap.kernel[1]);
            if across.is_empty() {
                return;
            }
            for oy in w.windows(0, tap.kernel[0]) {
                let (Some(iy), Some(ix)) = (w.position(0, oy, tap.kernel[0]), w.position(1, across.start, tap.kernel[1])) else {
                    continue;
                };
                let x = tap.slid * w.input_len() + iy * iw + ix;
                let y = tap.windowed * w.output_len() + oy * ow + across.start;
                visit(tap.weight, x, y, across.len());
            }
        });
    }

    fn weights<F: Kernel>(&self) -> Weights<F> {
        let gather: Vec<F> = (0..self.weights.len()).map(|i| F::from_f64(self.weights.at(i))).collect();
        let (windowed, kernel) = self.group_shape();
        let mut scatter = vec![F::ZERO; gather.len()];
        for (from, to) in gather.chunks_exact(windowed * kernel).zip(scatter.chunks_exact_mut(windowed * kernel)) {
            for m in 0..windowed {
                (0..kernel).for_each(|k| to[k * windowed + m] = from[m * kernel + k]);
            }
        }
        let absolute = |v: &[F]| v.iter().map(|w| w.abs()).collect();
        Weights { gather_absolute: absolute(&gather), scatter_absolute: absolute(&scatter), gather, scatter }
    }

    /// Channels of windows of one group, and products in each of its windows.
    fn group_shape(&self) -> (usize, usize) {
        let [kh, kw] = self.window.kernel;
        (self.channels[1] / self.groups, self.channels[0] / self.groups * kh * kw)
    }

    fn gather<F: Kernel>(&self, pack: &OnceLock<Weights<F>>, x: &[F], y: &mut [F], rows: usize, absolute: bool) {
        let weights = pack.get_or_init(|| self.weights());
        let weights = if absolute { &weights.gather_absolute } else { &weights.gather };
        let (n, m) = (self.channels[0] * self.window.input_len(), self.channels[1] * self.window.output_len());
        let (windowed, kernel) = self.group_shape();
        if self.suits_lanes(rows) {
            return self.meetings(weights, false).add_rows(x, y, rows);
        }
        if windowed * kernel >= FEW_PRODUCTS {
            for g in 0..self.groups {
                let patches = self.group(g, weights);
                patches.gather(&x[g * n / self.groups..], &mut y[g * m / self.groups..], (n, m), rows);
            }
            return;
        }
        let stride = self.window.strides[1];
        self.for_each_row(|weight, x0, y0, count| {
            for r in 0..rows {
                let y = &mut y[r * m + y0..][..count];
                for (y, &x) in y.iter_mut().zip(x[r * n + x0..][..(count - 1) * stride + 1].iter().step_by(stride)) {
                    *y += weights[weight] * x;
                }
            }
        });
    }

    fn scatter<F: Kernel>(&self, pack: &OnceLock<Weights<F>>, y: &[F], x: &mut [F], rows: usize, absolute: bool) {
        let weights = pack.get_or_init(|| self.weights());
        let (n, m) = (self.channels[0] * self.window.input_len(), self.channels[1] * self.window.output_len());
        let (windowed, kernel) = self.group_shape();
        if windowed * kernel >= FEW_PRODUCTS {
            let weights = if absolute { &weights.scatter_absolute } else { &weights.scatter };
            if self.suits_lanes(rows) {
                return self.meetings(weights, true).add_rows(y, x, rows);
            }
            for g in 0..self.groups {
                let patches = self.group(g, weights);
                patches.scatter(&y[g * m / self.groups..], &mut x[g * n / self.groups..], (n, m), rows);
            }
            return;
        }
        let weights = if absolute { &weights.gather_absolute } else { &weights.gather };
        let stride = self.window.strides[1];
        self.for_each_row(|weight, x0, y0, count| {
            for r in 0..rows {
                let y = &y[r * m + y0..][..count];
                for (&y, x) in y.iter().zip(x[r * n + x0..][..(count - 1) * stride + 1].iter_mut().step_by(stride)) {
                    *x += weights[weight] * y;
                }
            }
        });
    }

    fn group<'a, F: Kernel>(&'a self, group: usize, weights: &'a [F]) -> Patches<'a, F> {
        let (windowed, kernel) = self.group_shape();
        let part = &weights[group * windowed * kernel..][..windowed * kernel];
        Patches { window: &self.window, slid: self.channels[0] / self.groups, windowed, weights: part }
    }

    /// True where rows are worth rearranging and blocks of them stay small.
    fn suits_lanes(&self, rows: usize) -> bool {
        let ((windowed, kernel), (n, m)) = (self.group_shape(), self.lengths());
        rows >= MANY_ROWS && windowed * kernel >= FEW_PRODUCTS && n.max(m) <= MOST_NUMBERS / MOST_LANES
    }

    fn meetings<'a, F: Kernel>(&'a self, weights: &'a [F], scatter: bool) -> Meetings<'a, F> {
        let [slid, windowed] = self.channels.map(|c| c / self.groups);
        let axes = self.axes[scatter as usize].get_or_init(|| axes(&self.window, scatter));
        Meetings { window: &self.window, slid, windowed, groups: self.groups, scatter, axes, weights }
    }

    fn transpose_lanes<F: Kernel>(&self, pack: &OnceLock<Weights<F>>, y: &Lanes<F>, x: &mut Lanes<F>, wanted: &[bool]) -> f64 {
        let weights = pack.get_or_init(|| self.weights());
        match self.transposed {
            true => self.meetings(&weights.gather, false).add(y, x, wanted),
            false => self.meetings(&weights.scatter, true).add(y, x, wanted),
        }
    }

    fn apply<F: Kernel>(&self, pack: &OnceLock<Weights<F>>, x: &[F], y: &mut [F], rows: usize, absolute: bool) {
        if self.transposed { self.scatter(pack, x, y, rows, absolute) } else { self.gather(pack, x, y, rows, absolute) }
    }

    fn transpose<F: Kernel>(&self, pack: &OnceLock<Weights<F>>, y: &[F], x: &mut [F], rows: usize) {
        if self.transposed { self.gather(pack, y, x, rows, false) } else { self.scatter(pack, y, x, rows, false) }
    }

    fn for_each_conv_weight(&self, visit: &mut dyn FnMut(usize, usize, f64)) {
        let (w, [ih, iw], [kh, kw]) = (&self.window, self.window.input, self.window.kernel);
        let (per_group, outputs) = (self.channels[0] / self.groups, self.channels[1] / self.groups);
        for o in 0..self.channels[1] * w.output_len() {
            let (m, oy, ox) = (o / w.output_len(), o % w.output_len() / w.output[1], o % w.output[1]);
            for c in 0..per_group {
                let (plane, kernel) = ((m / outputs * per_group + c) * ih * iw, (m * per_group + c) * kh * kw);
                for ky in w.taps(0, oy) {
                    let iy = oy * w.strides[0] + ky * w.dilations[0] - w.pads[0];
                    for kx in w.taps(1, ox) {
                        let ix = ox * w.strides[1] + kx * w.dilations[1] - w.pads[1];
                        visit(o, plane + iy * iw + ix, self.weights.at(kernel + ky * kw + kx));
                    }
                }
            }
        }
    }

    fn for_each_transposed_weight(&self, visit: &mut dyn FnMut(usize, usize, f64)) {
        let (w, [kh, kw]) = (&self.window, self.window.kernel);
        let (per_group, outputs) = (self.channels[0] / self.groups, self.channels[1] / self.groups);
        // The window that meets input position `i` with kernel element `k`: descending `k` gives ascending windows.
        let window = |axis: usize, i: usize, k: usize| {
            let reach = (i + w.pads[axis]).checked_sub(k * w.dilations[axis])?;
            Some(reach / w.strides[axis]).filter(|&o| reach % w.strides[axis] == 0 && o < w.output[axis])
        };
        for i in 0..self.channels[0] * w.input_len() {
            let (c, iy, ix) = (i / w.input_len(), i % w.input_len() / w.input[1], i % w.input[1]);
            for m in c / per_group * outputs..(c / per_group + 1) * outputs {
                let kernel = (m * per_group + c % per_group) * kh * kw;
                for ky in (0..kh).rev() {
                    let Some(oy) = window(0, iy, ky) else { continue };
                    for kx in (0..kw).rev() {
                        let Some(ox) = window(1, ix, kx) else { continue };
                        let o = m * w.output_len() + oy * w.output[1] + ox;
                        visit(i, o, self.weights.at(kernel + ky * kw + kx));
                    }
                }
            }
        }
    }
}

impl Affine for Conv {
    fn name(&self) -> &str {
        self.name
    }

    fn output_len(&self, inputs: &[usize]) -> Result<usize, String> {
        let (n, m) = self.lengths();
        match inputs == [n] {
            true => Ok(m),
            false => Err(format!("{} takes one operand of {n} elements, not {inputs:?}", self.name)),
        }
    }

    fn for_each_weight(&self, _operand: usize, visit: &mut dyn FnMut(usize, usize, f64)) {
        if self.transposed { self.for_each_transposed_weight(visit) } else { self.for_each_conv_weight(visit) }
    }

    fn bias(&self) -> Option<&Numbers> {
        self.bias.as_ref()
    }

    fn inexact_in_f32(&self) -> bool {
        self.inexact_in_f32
    }

    fn fan_in(&self) -> usize {
        let terms = if self.transposed {
            self.channels[1] / self.groups * self.window.most_windows()
        } else {
            self.channels[0] / self.groups * self.window.kernel[0] * self.window.kernel[1]
        };
        terms + self.bias.is_some() as usize
    }

    fn fan_out(&self, _operand: usize) -> usize {
        if self.transposed {
            self.channels[0] / self.groups * self.window.kernel[0] * self.window.kernel[1]
        } else {
            self.channels[1] / self.groups * self.window.most_windows()
        }
    }

    fn back_roundings(&self, operand: usize) -> usize {
        let (windowed, kernel) = self.group_shape();
        let few_rows = match (windowed * kernel >= FEW_PRODUCTS, self.transposed) {
            (true, true) => kernel + 1,
            // Windows are summed over their channels first.
            (true, false) => windowed + self.window.most_windows() + 1,
            _ => self.fan_out(operand),
        };
        few_rows.max(picked_roundings(self.fan_out(operand))).min(self.fan_out(operand) + 1)
    }

    fn apply_f32(&self, _operand: usize, x: &[f32], y: &mut [f32], rows: usize, absolute: bool) {
        self.apply(&self.single, x, y, rows, absolute)
    }

    fn apply_f64(&self, _operand: usize, x: &[f64], y: &mut [f64], rows: usize, absolute: bool) {
        self.apply(&self.double, x, y, rows, absolute)
    }

    fn transpose_f32(&self, _operand: usize, y: &[f32], x: &mut [f32], rows: usize) {
        self.transpose(&self.single, y, x, rows)
    }

    fn transpose_f64(&self, _operand: usize, y: &[f64], x: &mut [f64], rows: usize) {
        self.transpose(&self.double, y, x, rows)
    }
    fn transpose_lanes_f32(&self, _operand: usize, y: &Lanes<f32>, x: &mut Lanes<f32>, wanted: &[bool]) -> f64 {
        self.transpose_lanes(&self.single, y, x, wanted)
    }

    fn transpose_lanes_f64(&self, _operand: usize, y: &Lanes<f64>, x: &mut Lanes<f64>, wanted: &[bool]) -> f64 {
        self.transpose_lanes(&self.double, y, x, wanted)
    }

    fn neighbourhood(&self, output: usize) -> Option<usize> {
        let (channels, [height, width]) = match self.transposed {
            true => (self.channels[0], self.window.input),
            false => (self.channels[1], self.window.output),
        };
        let (channel, place) = (output / (height * width), output % (height * width));
        let (y, x) = (place / width, place % width);
        // Channels of one position, then the positions of a tile, then tiles line by line.
        let tile = y / TILE * width.div_ceil(TILE) + x / TILE;
        Some(((tile * TILE + y % TILE) * TILE + x % TILE) * channels + channel)
    }
}
