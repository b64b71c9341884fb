//! Linear maps as sweeps use them: transposed, by rows, and by absolute values.

use crate::kernel::{self, AbsoluteProducts, Product, Vector, nonzero, padded};
use crate::network::{Convolution, Linear};

/// A linear map with shapes that fit.
#[derive(Debug)]
pub enum Map {
    /// Dense rows, each padded with zeros to whole vectors.
    Matrix {
        /// `outputs` rows of `padded(inputs)`.
        weights: Vec<f64>,
        /// Inputs.
        inputs: usize,
    },
    /// Rows of places and weights.
    Sparse {
        /// Where rows start.
        starts: Vec<usize>,
        /// Input elements.
        columns: Vec<u32>,
        /// Their weights.
        weights: Vec<f64>,
    },
    /// One weight per element.
    Scale(Vec<f64>),
    /// The input element of each output element, `u32::MAX` for zero.
    Select(Vec<u32>),
    /// A convolution, its filters padded to whole vectors.
    Convolution(Convolution),
}

impl Map {
    /// Checks the shape of a map from `inputs` to `outputs` elements, and that its numbers are finite.
    pub fn new(linear: &Linear, outputs: usize, inputs: usize) -> Result<Map, &'static str> {
        let finite = |w: &[f64]| if w.iter().all(|x| x.is_finite()) { Ok(()) } else { Err("a weight is not finite") };
        let fits = |ok: bool| if ok { Ok(()) } else { Err("the shapes of a linear map do not fit") };
        match linear {
            Linear::Dense(weights) => {
                finite(weights)?;
                fits(outputs.checked_mul(inputs) == Some(weights.len()))?;
                let width = padded(inputs);
                let mut rows = vec![0.0; outputs * width];
                if inputs > 0 {
                    rows.chunks_exact_mut(width).zip(weights.chunks_exact(inputs)).for_each(|(t, s)| t[..inputs].copy_from_slice(s));
                }
                Ok(Map::Matrix { weights: rows, inputs })
            }
            Linear::Sparse { starts, columns, weights } => {
                finite(weights)?;
                fits(starts.len() == outputs + 1 && starts.is_sorted() && starts.last() == Some(&weights.len()))?;
                fits(columns.len() == weights.len() && columns.iter().all(|&c| (c as usize) < inputs))?;
                Ok(Map::Sparse { starts: starts.clone(), columns: columns.clone(), weights: weights.clone() })
            }
            Linear::Scale(weights) => {
                finite(weights)?;
                fits(weights.len() == outputs && outputs == inputs)?;
                Ok(Map::Scale(weights.clone()))
            }
            Linear::Select(source) => {
                fits(source.len() == outputs && source.iter().all(|&s| s == u32::MAX || (s as usize) < inputs))?;
                Ok(Map::Select(source.clone()))
            }
            Linear::Convolution(c) => {
                finite(&c.weights)?;
                fits(is_consistent(c, outputs, inputs))?;
                let (terms, width) = (filter_len(c), padded(filter_len(c)));
                let mut weights = vec![0.0; c.output[0] * width];
                if terms > 0 {
                    weights.chunks_exact_mut(width).zip(c.weights.chunks_exact(terms)).for_each(|(t, s)| t[..terms].copy_from_slice(s));
                }
                Ok(Map::Convolution(Convolution { weights, ..c.clone() }))
            }
        }
    }

    /// At least the number of terms of any output element.
    pub fn fan_in(&self) -> usize {
        match self {
            Map::Matrix { inputs, .. } => *inputs,
            Map::Sparse { starts, .. } => starts.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0),
            Map::Scale(_) | Map::Select(_) => 1,
            Map::Convolution(c) => filter_len(c),
        }
    }

    /// At least the number of roundings that a product with one weight meets in the transposed map, into which input
    /// element `i` of `inputs` sums.
    pub fn fan_out(&self, inputs: usize) -> usize {
        let most = |places: &mut dyn Iterator<Item = u32>| {
            let mut counts = vec![0usize; inputs];
            places.filter(|&s| s != u32::MAX).for_each(|s| counts[s as usize] += 1);
            counts.into_iter().max().unwrap_or(0)
        };
        match self {
            Map::Matrix { weights, inputs } => weights.len() / padded(*inputs).max(1),
            Map::Sparse { columns, .. } => most(&mut columns.iter().copied()),
            Map::Scale(_) => 1,
            Map::Select(source) => most(&mut source.iter().copied()),
            Map::Convolution(c) => c.output[0] / c.groups * c.kernel[0] * c.kernel[1] + 1,
        }
    }

    /// `out += |map| m` for nonnegative `m`.
    pub fn absolute(&self, m: &[f64], out: &mut [Vector]) {
        match self {
            Map::Matrix { weights, inputs } => {
                let width = padded(*inputs);
                kernel::run(AbsoluteProducts { weights, width, factors: &m[..width], out });
            }
            Map::Convolution(c) => {
                let width = padded(filter_len(c));
                for_each_place(c, |o, filter, patch| {
                    let weights = &c.weights[filter * width..];
                    patch.each(|term, i| out[o][0] += weights[term].abs() * m[i]);
                });
            }
            _ => (0..self.outputs()).for_each(|o| self.each_in_row(o, |i, w| out[o][0] += w.abs() * m[i])),
        }
    }

    /// `out += map x`, or `out += |map| x` if `absolute`.
    pub fn apply(&self, x: &[f64], absolute: bool, out: &mut [f64]) {
        let weight = |w: f64| if absolute { w.abs() } else { w };
        match self {
            Map::Matrix { weights, inputs } => {
                let rows = weights.chunks_exact(padded(*inputs).max(1));
                rows.zip(out).for_each(|(row, o)| *o += row.iter().zip(&x[..*inputs]).map(|(w, x)| weight(*w) * x).sum::<f64>());
            }
            Map::Convolution(c) => {
                let width = padded(filter_len(c));
                for_each_place(c, |o, filter, patch| {
                    let weights = &c.weights[filter * width..];
                    patch.each(|term, i| out[o] += weight(weights[term]) * x[i]);
                });
            }
            _ => (0..self.outputs()).for_each(|o| self.each_in_row(o, |i, w| out[o] += weight(w) * x[i])),
        }
    }

    /// `out += sign * row o`.
    pub fn add_row(&self, o: usize, sign: f64, out: &mut [f64]) {
        match self {
            Map::Matrix { weights, inputs } => {
                let width = padded(*inputs);
                out[..width].iter_mut().zip(&weights[o * width..][..width]).for_each(|(t, w)| *t += sign * w);
            }
            Map::Convolution(c) => {
                let width = padded(filter_len(c));
                let weights = &c.weights[o / (c.output[1] * c.output[2]) * width..];
                patch_of(c, o).each(|term, i| out[i] += sign * weights[term]);
            }
            _ => self.each_in_row(o, |i, w| out[i] += sign * w),
        }
    }

    /// `out += rows of coefficients times the map`: `rows` rows of `width` (at least the outputs) and of `out_width`.
    pub fn transposed(&self, coefficients: &[f64], width: usize, rows: usize, out: &mut [f64], out_width: usize) {
        match self {
            Map::Matrix { weights, inputs } => {
                let stride = padded(*inputs);
                let depth = weights.len() / stride.max(1);
                let (a, b, c) = (coefficients, &weights[..], out);
                kernel::run(Product {
                    rows,
                    depth,
                    columns: stride,
                    a,
                    a_stride: width,
                    b,
                    b_stride: stride,
                    c,
                    c_stride: out_width,
                    accumulate: true,
                });
            }
            Map::Convolution(c) => {
                let rows = coefficients.chunks_exact(width).zip(out.chunks_exact_mut(out_width)).take(rows);
                let mut scratch = Scratch::default();
                rows.for_each(|(row, out)| transposed_convolution(c, row, out, &mut scratch));
            }
            _ => {
                for (row, out) in coefficients.chunks_exact(width).zip(out.chunks_exact_mut(out_width)).take(rows) {
                    for (o, x) in nonzero(&row[..self.outputs()]) {
                        self.each_in_row(o, |i, w| out[i] += x * w);
                    }
                }
            }
        }
    }

    /// Output elements.
    pub fn outputs(&self) -> usize {
        match self {
            Map::Sparse { starts, .. } => starts.len() - 1,
            Map::Scale(weights) => weights.len(),
            Map::Select(source) => source.len(),
            Map::Matrix { weights, inputs } => weights.len() / padded(*inputs).max(1),
            Map::Convolution(c) => c.output.iter().product(),
        }
    }

    /// The entries of one row of a sparse map, scale or selection.
    #[inline]
    fn each_in_row(&self, o: usize, mut f: impl FnMut(usize, f64)) {
        match self {
            Map::Sparse { starts, columns, weights } => {
                let row = starts[o]..starts[o + 1];
                columns[row.clone()].iter().zip(&weights[row]).for_each(|(&i, &w)| f(i as usize, w));
            }
            Map::Scale(weights) => f(o, weights[o]),
            Map::Select(source) if source[o] != u32::MAX => f(source[o] as usize, 1.0),
            _ => (),
        }
    }
}

fn filter_len(c: &Convolution) -> usize {
    c.input[0] / c.groups * c.kernel[0] * c.kernel[1]
}

fn is_consistent(c: &Convolution, outputs: usize, inputs: usize) -> bool {
    let product = |sizes: &[usize]| sizes.iter().try_fold(1usize, |n, &s| n.checked_mul(s));
    let small = |sizes: &[usize]| sizes.iter().all(|&s| s < 1 << 31);
    let sizes = [&c.input[..], &c.output, &c.kernel, &c.strides, &c.pads, &c.dilations, &[c.groups]];
    sizes.into_iter().all(small)
        && c.groups > 0
        && c.input[0].is_multiple_of(c.groups)
        && c.output[0].is_multiple_of(c.groups)
        && product(&c.input) == Some(inputs)
        && product(&c.output) == Some(outputs)
        && product(&[c.output[0], c.input[0] / c.groups, c.kernel[0], c.kernel[1]]) == Some(c.weights.len())
}

/// The input elements under the filter at one output element.
struct Patch<'a> {
    c: &'a Convolution,
    group: usize,
    y: usize,
    x: usize,
}

impl Patch<'_> {
    /// Calls `f` with the place in the filter and the input element, padding left out.
    #[inline]
    fn each(&self, mut f: impl FnMut(usize, usize)) {
        let c = self.c;
        let channels = c.input[0] / c.groups;
        for channel in 0..channels {
            for ky in 0..c.kernel[0] {
                let Some(y) = inside(self.y * c.strides[0] + ky * c.dilations[0], c.pads[0], c.input[1]) else { continue };
                for kx in 0..c.kernel[1] {
                    let Some(x) = inside(self.x * c.strides[1] + kx * c.dilations[1], c.pads[1], c.input[2]) else { continue };
                    let input = ((self.group * channels + channel) * c.input[1] + y) * c.input[2] + x;
                    f((channel * c.kernel[0] + ky) * c.kernel[1] + kx, input);
                }
            }
        }
    }
}

#[inline]
fn inside(at: usize, pad: usize, size: usize) -> Option<usize> {
    at.checked_sub(pad).filter(|&i| i < size)
}

fn patch_of(c: &Convolution, o: usize) -> Patch<'_> {
    let area = c.output[1] * c.output[2];
    let (filter, place) = (o / area, o % area);
    Patch { c, group: filter / (c.output[0] / c.groups), y: place / c.output[2], x: place % c.output[2] }
}

fn for_each_place(c: &Convolution, mut f: impl FnMut(usize, usize, Patch)) {
    for o in 0..c.output.iter().product() {
        f(o, o / (c.output[1] * c.output[2]), patch_of(c, o));
    }
}

#[derive(Default)]
struct Scratch {
    places: Vec<usize>,
    left: Vec<f64>,
    patches: Vec<f64>,
}

/// Group by group: coefficients of the places that have any, times the filters, gives patches, which are added up.
fn transposed_convolution(c: &Convolution, row: &[f64], out: &mut [f64], scratch: &mut Scratch) {
    let (area, filters, width) = (c.output[1] * c.output[2], c.output[0] / c.groups, padded(filter_len(c)));
    for group in 0..c.groups {
        let planes = &row[group * filters * area..][..filters * area];
        let Scratch { places, left, patches } = scratch;
        places.clear();
        places.extend((0..area).filter(|&p| (0..filters).any(|f| planes[f * area + p] != 0.0)));
        left.clear();
        left.extend(places.iter().flat_map(|&p| (0..filters).map(move |f| planes[f * area + p])));
        patches.resize(places.len() * width, 0.0);
        kernel::run(Product {
            rows: places.len(),
            depth: filters,
            columns: width,
            a: left,
            a_stride: filters,
            b: &c.weights[group * filters * width..],
            b_stride: width,
            c: patches,
            c_stride: width,
            accumulate: false,
        });
        for (&p, patch) in places.iter().zip(patches.chunks_exact(width.max(1))) {
            let place = Patch { c, group, y: p / c.output[2], x: p % c.output[2] };
            place.each(|term, i| out[i] += patch[term]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(i: usize) -> f64 {
        ((i * 7919 + 13) % 31) as f64 - 15.0
    }

    /// All maps against the meaning of their rows; small integers, so every order of summation is exact.
    #[test]
    fn all_views_of_a_map_agree() {
        let convolution = |groups, strides, pads, dilations, output| Convolution {
            weights: (0..4 * (4 / groups) * 2 * 3).map(number).collect(),
            input: [4, 5, 6],
            output,
            kernel: [2, 3],
            strides,
            pads,
            dilations,
            groups,
        };
        let maps = [
            (Linear::Dense((0..11 * 9).map(number).collect()), 11, 9),
            (Linear::Scale((0..5).map(number).collect()), 5, 5),
            (Linear::Select(vec![2, u32::MAX, 0, 2]), 4, 3),
            (Linear::Sparse { starts: vec![0, 2, 2, 5], columns: vec![0, 3, 1, 2, 3], weights: vec![1.0, -2.0, 3.0, 4.0, -5.0] }, 3, 4),
            (Linear::Convolution(convolution(1, [1, 1], [1, 1], [1, 1], [4, 6, 6])), 144, 120),
            (Linear::Convolution(convolution(2, [2, 1], [0, 2], [1, 2], [4, 2, 6])), 48, 120),
        ];
        for (linear, outputs, inputs) in maps {
            let map = Map::new(&linear, outputs, inputs).unwrap();
            let row = |o: usize| {
                let mut row = vec![0.0; padded(inputs)];
                map.add_row(o, 1.0, &mut row);
                row
            };
            let nonzero = |o: usize| row(o).iter().filter(|w| **w != 0.0).count();
            assert!((0..outputs).all(|o| nonzero(o) <= map.fan_in()));
            let column = |i: usize| (0..outputs).filter(|&o| row(o)[i] != 0.0).count();
            assert!((0..inputs).all(|i| column(i) <= map.fan_out(inputs)));
            let (width, count) = (padded(outputs), 3);
            let c: Vec<f64> = (0..count * width).map(|i| if i % width < outputs && i % 5 > 0 { number(i) } else { 0.0 }).collect();
            let mut out = vec![1.0; count * padded(inputs)];
            map.transposed(&c, width, count, &mut out, padded(inputs));
            for r in 0..count {
                for i in 0..inputs {
                    let expected = 1.0 + (0..outputs).map(|o| c[r * width + o] * row(o)[i]).sum::<f64>();
                    assert_eq!(out[r * padded(inputs) + i], expected, "{linear:?}");
                }
            }
            let m: Vec<f64> = (0..padded(inputs)).map(|i| if i < inputs { number(i).abs() } else { 0.0 }).collect();
            let mut sizes = vec![[2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]; outputs];
            map.absolute(&m, &mut sizes);
            for (o, size) in sizes.iter().enumerate() {
                assert_eq!(kernel::total(size), 2.0 + (0..inputs).map(|i| row(o)[i].abs() * m[i]).sum::<f64>());
            }
        }
    }

    #[test]
    fn a_dense_convolution_is_the_sum_over_its_window() {
        let c = Convolution {
            weights: (0..2 * 3 * 2 * 2).map(number).collect(),
            input: [3, 3, 4],
            output: [2, 2, 3],
            kernel: [2, 2],
            strides: [1, 1],
            pads: [0, 0],
            dilations: [1, 1],
            groups: 1,
        };
        let map = Map::new(&Linear::Convolution(c), 12, 36).unwrap();
        for (f, y, x) in [(0, 0, 0), (1, 1, 2), (0, 1, 1)] {
            let mut row = vec![0.0; 40];
            map.add_row((f * 2 + y) * 3 + x, -1.0, &mut row);
            for (k, ky, kx) in [(0, 0, 0), (2, 1, 1), (1, 0, 1)] {
                assert_eq!(row[(k * 3 + y + ky) * 4 + x + kx], -number(((f * 3 + k) * 2 + ky) * 2 + kx));
            }
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        assert!(Map::new(&Linear::Dense(vec![0.0; 5]), 2, 3).is_err());
        assert!(Map::new(&Linear::Dense(vec![f64::NAN; 6]), 2, 3).is_err());
        assert!(Map::new(&Linear::Select(vec![3]), 1, 3).is_err());
        assert!(Map::new(&Linear::Sparse { starts: vec![0, 2, 1], columns: vec![0], weights: vec![1.0] }, 2, 1).is_err());
        assert!(Map::new(&Linear::Sparse { starts: vec![], columns: vec![], weights: vec![] }, 0, 1).is_err());
        assert!(Map::new(&Linear::Scale(vec![1.0; 2]), 2, 3).is_err());
    }
}
