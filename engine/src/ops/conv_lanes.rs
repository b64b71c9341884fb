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
    /// For each group `(slid kernel) x windowed` to scatter, `windowed x (slid kernel)` otherwise.
    pub weights: &'a [F],
}

/// For each position of the result along one axis the kernel elements and positions that it meets.
type Axis = Vec<Vec<(usize, usize)>>;

impl<F: Kernel> Meetings<'_, F> {
    fn axis(&self, axis: usize) -> Axis {
        let w = self.window;
        let mut meets = vec![Vec::new(); if self.scatter { w.input[axis] } else { w.output[axis] }];
        for o in 0..w.output[axis] {
            for k in w.taps(axis, o) {
                let p = o * w.strides[axis] + k * w.dilations[axis] - w.pads[axis];
                if self.scatter { meets[p].push((k, o)) } else { meets[o].push((k, p)) }
            }
        }
        meets
    }

    /// Adds the convolution of `from` to the elements of `to` that are wanted (all if `wanted` is empty). Returns the multiplications.
    pub fn add(&self, from: &Lanes<F>, to: &mut Lanes<F>, wanted: &[bool]) -> f64 {
        let kernel = self.window.kernel[0] * self.window.kernel[1];
        let (inside, outside) = (self.window.input_len(), self.window.output_len());
        // Of the operand and of the result: channels, positions, and the distance of a channel's (row's) weights.
        let ((sources, places), (targets, results), (channel, row), tap) = match self.scatter {
            true => ((self.windowed, outside), (self.slid, inside), (1, kernel * self.windowed), self.windowed),
            false => ((self.slid, inside), (self.windowed, outside), (kernel, self.slid * kernel), 1),
        };
        let (vertical, horizontal) = (self.axis(0), self.axis(1));
        let width = if self.scatter { self.window.output[1] } else { self.window.input[1] };
        let (mut terms, mut lists, mut products) = (Vec::new(), Default::default(), 0.0);
        for g in 0..self.groups {
            let weights = &self.weights[g * self.slid * self.windowed * kernel..][..self.slid * self.windowed * kernel];
            let live = live_channels(from, g * sources * places, sources, places, channel);
            for (position, (ys, xs)) in vertical.iter().flat_map(|ys| horizontal.iter().map(move |xs| (ys, xs))).enumerate() {
                terms.clear();
                for &(ky, y) in ys {
                    for &(kx, x) in xs {
                        let shift = ((ky * self.window.kernel[1] + kx) * tap) as u32;
                        terms.extend(live[y * width + x].iter().map(|&(weight, vector)| (weight + shift, vector)));
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
fn live_channels<F: Kernel>(from: &Lanes<F>, first: usize, channels: usize, positions: usize, distance: usize) -> Vec<Vec<(u32, u32)>> {
    let live = |position: usize| {
        let at = |c: usize| first + c * positions + position;
        let channels = (0..channels).filter(|&c| from.live[at(c)]);
        channels.map(|c| ((c * distance) as u32, (at(c) * from.lanes) as u32)).collect()
    };
    (0..positions).map(live).collect()
}
