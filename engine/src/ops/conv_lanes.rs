//! Convolutions of blocks of rows stored element by element ([`Lanes`]): the channels of each position of the result are one product
//! over the live elements that the position meets. Nothing is gathered or scattered.

use super::Window;
use crate::kernels::Kernel;
use crate::kernels::lanes::{Lanes, MOST_LANES, add_products};

/// A convolution in one direction.
pub struct Meetings<'a, F> {
    /// The geometry.
    pub window: &'a Window,
    /// Channels of one group that the window slides over.
    pub slid: usize,
    /// Channels of windows of one group.
    pub windowed: usize,
    /// Groups.
    pub groups: usize,
    /// True from windows to what they slide over.
    pub scatter: bool,
    /// What meets what.
    pub axes: &'a [Axis; 2],
    /// For each group `(slid kernel) x windowed` to scatter, `windowed x (slid kernel)` otherwise.
    pub weights: &'a [F],
}

/// For each position of the result along one axis the kernel elements and positions that it meets.
pub type Axis = Vec<Vec<(usize, usize)>>;

/// The axes of a convolution from windows to what they slide over, or the other way.
pub fn axes(window: &Window, scatter: bool) -> [Axis; 2] {
    let axis = |axis: usize| {
        let mut meets = vec![Vec::new(); if scatter { window.input[axis] } else { window.output[axis] }];
        for o in 0..window.output[axis] {
            for k in window.taps(axis, o) {
                let p = o * window.strides[axis] + k * window.dilations[axis] - window.pads[axis];
                if scatter { meets[p].push((k, o)) } else { meets[o].push((k, p)) }
            }
        }
        meets
    };
    [axis(0), axis(1)]
}

impl<F: Kernel> Meetings<'_, F> {
    /// Adds the convolution of `from` to the elements of `to` that are wanted (all if `wanted` is empty). Returns the multiplications.
    pub fn add(&self, from: &Lanes<F>, to: &mut Lanes<F>, wanted: &[bool]) -> f64 {
        let kernel = self.window.kernel[0] * self.window.kernel[1];
        let (inside, outside) = (self.window.input_len(), self.window.output_len());
        // Of the operand and of the result: channels, positions, and the distance of a channel's (row's) weights.
        let ((sources, places), (targets, results), (channel, row), tap) = match self.scatter {
            true => ((self.windowed, outside), (self.slid, inside), (1, kernel * self.windowed), self.windowed),
            false => ((self.slid, inside), (self.windowed, outside), (kernel, self.slid * kernel), 1),
        };
        let [vertical, horizontal] = self.axes;
        let width = if self.scatter { self.window.output[1] } else { self.window.input[1] };
        let (mut terms, mut lists, mut products) = (Vec::new(), Default::default(), 0.0);
        for g in 0..self.groups {
            let weights = &self.weights[g * self.slid * self.windowed * kernel..][..self.slid * self.windowed * kernel];
            let live = Live::new(from, g * sources * places, sources, places, channel);
            for (position, (ys, xs)) in vertical.iter().flat_map(|ys| horizontal.iter().map(move |xs| (ys, xs))).enumerate() {
                terms.clear();
                for &(ky, y) in ys {
                    for &(kx, x) in xs {
                        let shift = ((ky * self.window.kernel[1] + kx) * tap) as u32;
                        terms.extend(live.at(y * width + x).iter().map(|&(weight, vector)| (weight + shift, vector)));
                    }
                }
                let element = |c: usize| (g * targets + c) * results + position;
                let rows = (0..targets).map(|c| (c * row, element(c))).filter(|r| wanted.get(r.1).is_none_or(|&w| w));
                products += add_products(weights, rows, &terms, from, to, &mut lists);
            }
        }
        products
    }

    /// Adds the convolution of `rows` rows of `x` to those of `y`, stored row by row.
    pub fn add_rows(&self, x: &[F], y: &mut [F], rows: usize) {
        let (inside, outside) = (self.groups * self.slid * self.window.input_len(), self.groups * self.windowed * self.window.output_len());
        let (n, m) = if self.scatter { (outside, inside) } else { (inside, outside) };
        for first in (0..rows).step_by(MOST_LANES) {
            let count = (rows - first).min(MOST_LANES);
            let from = Lanes::from_rows(&x[first * n..], count, n, n);
            let mut to = Lanes::new(count, m);
            self.add(&from, &mut to, &[]);
            to.add_to_rows(&mut y[first * m..], count, m);
        }
    }
}

/// For each position the live channels: the distance of their weights, and where their vectors are.
struct Live {
    ends: Vec<u32>,
    channels: Vec<(u32, u32)>,
}

impl Live {
    fn new<F: Kernel>(from: &Lanes<F>, first: usize, channels: usize, positions: usize, distance: usize) -> Live {
        let mut live = Live { ends: Vec::with_capacity(positions + 1), channels: Vec::with_capacity(channels * positions) };
        live.ends.push(0);
        for position in 0..positions {
            for c in 0..channels {
                let at = first + c * positions + position;
                if from.live[at] {
                    live.channels.push(((c * distance) as u32, (at * from.lanes) as u32));
                }
            }
            live.ends.push(live.channels.len() as u32);
        }
        live
    }

    fn at(&self, position: usize) -> &[(u32, u32)] {
        &self.channels[self.ends[position] as usize..self.ends[position + 1] as usize]
    }
}
