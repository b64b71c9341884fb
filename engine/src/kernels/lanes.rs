//! Blocks of rows stored element by element, and products of matrices with them whose terms and results are picked by lists.
//!
//! With the rows of a block side by side in vectors a backward sweep needs no gathering of windows and no scattering: a convolution
//! or a dense layer is a product for each element of its operand over the elements that it meets, elements without coefficients
//! are left out of the lists, and the lines of a neuron are the same for a whole vector.

use super::rows::{BLOCK_ROUNDINGS, Lines};
use super::vectors::multiversion;
use super::{Aligned, Kernel, LANES, padded};
use crate::numerics::Real;

/// Most rows of a block.
pub const MOST_LANES: usize = 64;

/// Terms of a product that are summed before they are added to the result.
pub(super) const TERMS: usize = 16;

/// Terms of constants and errors that are summed in the working type.
const SUMMED: usize = 32;
// No more than where whole rows are summed.
const _: () = assert!(SUMMED < BLOCK_ROUNDINGS);

/// Roundings that a term of [`Kernel::picked`] meets in a product of `terms` terms, adding to an old value included.
pub fn picked_roundings(terms: usize) -> usize {
    terms.min(TERMS) + terms.div_ceil(TERMS) + 1
}

/// The coefficients of a block of rows on the elements of one node.
#[derive(Debug)]
pub struct Lanes<F> {
    /// Rows side by side, a multiple of [`LANES`].
    pub lanes: usize,
    /// `values[i * lanes + r]` is the coefficient of row `r` on element `i`, where the element is live; stale elsewhere.
    pub values: Aligned<F>,
    /// Elements with coefficients; all others are zero.
    pub live: Vec<bool>,
}

impl<F: Real> Lanes<F> {
    /// Zeros for `rows` rows on `len` elements.
    pub fn new(rows: usize, len: usize) -> Lanes<F> {
        let mut all = Lanes { lanes: 0, values: Aligned::default(), live: Vec::new() };
        all.reset(rows, len);
        all
    }

    /// Makes it zeros for `rows` rows on `len` elements, keeping the allocations.
    pub fn reset(&mut self, rows: usize, len: usize) {
        self.lanes = padded(rows);
        self.values.grow(len * self.lanes);
        self.live.clear();
        self.live.resize(len, false);
    }

    /// The live elements.
    pub fn elements(&self) -> Vec<u32> {
        (0..self.live.len() as u32).filter(|&i| self.live[i as usize]).collect()
    }

    /// The coefficients on element `i`, set to zero where it was not live.
    pub fn element(&mut self, i: usize) -> &mut [F] {
        let values = &mut self.values[i * self.lanes..][..self.lanes];
        if !std::mem::replace(&mut self.live[i], true) {
            values.fill(F::ZERO);
        }
        values
    }

    /// From `rows` rows of `stride` numbers of which the first `len` count.
    pub fn from_rows(rows: &[F], count: usize, stride: usize, len: usize) -> Lanes<F> {
        let mut all = Lanes::new(count, len);
        let lanes = all.lanes;
        for first in (0..len).step_by(LANES) {
            for r in 0..count {
                for (i, &x) in rows[r * stride..][first..len.min(first + LANES)].iter().enumerate() {
                    all.values[(first + i) * lanes + r] = x;
                }
            }
        }
        for (live, values) in all.live.iter_mut().zip(all.values.chunks_exact(lanes)) {
            *live = values.iter().any(|&x| x != F::ZERO);
        }
        all
    }

    /// Adds the live elements to `count` rows of `stride` numbers.
    pub fn add_to_rows(&self, rows: &mut [F], count: usize, stride: usize) {
        for first in (0..self.live.len()).step_by(LANES) {
            for r in 0..count {
                let target = &mut rows[r * stride..][first..self.live.len().min(first + LANES)];
                for (i, x) in target.iter_mut().enumerate().filter(|(i, _)| self.live[first + i]) {
                    *x += self.values[(first + i) * self.lanes + r];
                }
            }
        }
    }
}

/// A product of a matrix with vectors of lanes: row `m` of the result is `sum_t weights[rows[m].0 + terms[t].0] values[terms[t].1 ..]`.
#[derive(Clone, Copy)]
pub struct Picked<'a, F> {
    /// The matrix.
    pub weights: &'a [F],
    /// For each row of the result the place of its weights, and its own place.
    pub rows: &'a [(u32, u32)],
    /// For each term the place of its weight among those of a row, and of its vector.
    pub terms: &'a [(u32, u32)],
    /// The vectors.
    pub values: &'a [F],
    /// Their length, a multiple of [`LANES`].
    pub lanes: usize,
}

impl<F: Kernel> Picked<'_, F> {
    /// Checks that all places lie inside the slices; the kernels index without checks on the strength of this.
    pub(super) fn check(&self, result: &[F]) {
        let most = |list: &[(u32, u32)]| list.iter().fold((0, 0), |m: (u32, u32), x| (m.0.max(x.0), m.1.max(x.1)));
        let (row, term) = (most(self.rows), most(self.terms));
        assert!(self.lanes.is_multiple_of(LANES), "lanes must be padded");
        assert!((row.0 as usize + term.0 as usize) < self.weights.len(), "a weight outside of the matrix");
        assert!(term.1 as usize + self.lanes <= self.values.len(), "a vector outside of the operand");
        assert!(row.1 as usize + self.lanes <= result.len(), "a vector outside of the result");
    }

    /// The product in plain code.
    pub(super) fn portable(&self, result: &mut [F], accumulate: bool) {
        for &(weight, place) in self.rows {
            for (number, terms) in self.terms.chunks(TERMS).enumerate() {
                for lane in 0..self.lanes {
                    let product = |&(w, v): &(u32, u32)| self.weights[(weight + w) as usize] * self.values[v as usize + lane];
                    let sum = terms.iter().map(product).fold(F::ZERO, |sum, x| sum + x);
                    let target = &mut result[place as usize + lane];
                    *target = if accumulate || number > 0 { *target + sum } else { sum };
                }
            }
        }
    }
}

/// One weighted sum of elements for several elements of `to` at once: `rows` are places of weights and elements of `to`, `terms` places
/// of weights and the elements of `from`. Returns the multiplications.
pub fn add_products<F: Kernel>(
    weights: &[F],
    rows: impl Iterator<Item = (usize, usize)>,
    terms: &[(u32, u32)],
    from: &Lanes<F>,
    to: &mut Lanes<F>,
    lists: &mut [Vec<(u32, u32)>; 2],
) -> f64 {
    if terms.is_empty() {
        return 0.0;
    }
    let lanes = from.lanes;
    lists.iter_mut().for_each(Vec::clear);
    for (weight, i) in rows {
        let joined = std::mem::replace(&mut to.live[i], true);
        lists[joined as usize].push((weight as u32, (i * lanes) as u32));
    }
    let mut products = 0.0;
    for (list, joined) in lists.iter().zip([false, true]).filter(|l| !l.0.is_empty()) {
        F::picked(Picked { weights, rows: list, terms, values: &from.values, lanes }, &mut to.values, joined);
        products += (list.len() * terms.len() * lanes) as f64;
    }
    products
}

multiversion! {
    /// `x += w y`.
    pub fn add_times<F>(x: &mut [F], w: F, y: &[F]) {
        for (x, y) in x.as_chunks_mut::<LANES>().0.iter_mut().zip(y.as_chunks::<LANES>().0) {
            for v in 0..LANES {
                x[v] += w * y[v];
            }
        }
    }
}

multiversion! {
    /// Coefficients on the values of a scalar node become coefficients on its operand, in place, as [`super::rows::relax_rows`] does
    /// for whole rows, with no more roundings; for the elements `live`.
    pub fn relax_lanes<F>(c: &mut [F], live: &[u32], lanes: usize, lines: Lines<F>, constants: &mut [f64], errors: &mut [f64]) {
        for first in (0..lanes).step_by(LANES) {
            for block in live.chunks(SUMMED) {
                let (mut constant, mut wrong) = ([F::ZERO; LANES], [F::ZERO; LANES]);
                for &i in block {
                    let i = i as usize;
                    let x: &mut [F; LANES] = (&mut c[i * lanes + first..][..LANES]).try_into().expect("of this length");
                    let (us, ls, uc, lc, er) = (lines.upper_slope[i], lines.lower_slope[i], lines.upper_constant[i], lines.lower_constant[i], lines.error[i]);
                    for v in 0..LANES {
                        let up = x[v] > F::ZERO;
                        constant[v] += x[v] * if up { uc } else { lc };
                        wrong[v] += x[v].abs() * er;
                        x[v] = x[v] * if up { us } else { ls };
                    }
                }
                for v in 0..LANES {
                    constants[first + v] += constant[v].to_f64();
                    errors[first + v] += wrong[v].to_f64();
                }
            }
        }
    }
}

multiversion! {
    /// Adds `sum |c_i| e_i` over the elements `live` to `errors`, with at most [`BLOCK_ROUNDINGS`] roundings in `F` per term, and
    /// `sum c_i b_i` to `constants`, in `f64` with one rounding per element beside its product; no `b` is zeros.
    pub fn weigh_lanes<F, B>(c: &[F], live: &[u32], lanes: usize, e: &[F], b: &[B], constants: &mut [f64], errors: &mut [f64]) {
        for first in (0..lanes).step_by(LANES) {
            let mut sum = [0.0; LANES];
            for block in live.chunks(SUMMED) {
                let mut wrong = [F::ZERO; LANES];
                for &i in block {
                    let i = i as usize;
                    let x: &[F; LANES] = (&c[i * lanes + first..][..LANES]).try_into().expect("of this length");
                    for v in 0..LANES {
                        wrong[v] += x[v].abs() * e[i];
                    }
                    if !b.is_empty() {
                        let b = b[i].to_f64();
                        for v in 0..LANES {
                            sum[v] += x[v].to_f64() * b;
                        }
                    }
                }
                for v in 0..LANES {
                    errors[first + v] += wrong[v].to_f64();
                }
            }
            for v in 0..LANES {
                constants[first + v] += sum[v];
            }
        }
    }
}

multiversion! {
    /// Adds the greatest values of `c . x` over a box to `values` and `sum |c| max |x|` to `sizes`: as [`super::vectors::upper_end`].
    pub fn upper_ends<F>(c: &[F], live: &[u32], lanes: usize, low: &[f64], high: &[f64], values: &mut [f64], sizes: &mut [f64]) {
        for first in (0..lanes).step_by(LANES) {
            let (mut value, mut size) = ([0.0; LANES], [0.0; LANES]);
            for &i in live {
                let i = i as usize;
                let x: &[F; LANES] = (&c[i * lanes + first..][..LANES]).try_into().expect("of this length");
                let (l, h) = (low[i], high[i]);
                let most = l.abs().max(h.abs());
                for v in 0..LANES {
                    let c = x[v].to_f64();
                    // Where a coefficient is not finite the size is infinite or the value NaN: the bound becomes NaN or infinite.
                    value[v] += c * if c > 0.0 { h } else { l };
                    size[v] += c.abs() * most;
                }
            }
            for v in 0..LANES {
                values[first + v] += value[v];
                sizes[first + v] += size[v];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small integers: every order of summation is exact, so all twins must agree bit for bit.
    #[test]
    fn picked_products_are_the_sums() {
        fn run<F: Kernel>() {
            let number = |i: usize| F::from_f64(((i * 7919) % 23) as f64 - 11.0);
            for (rows, terms, lanes) in [(1, 1, 16), (7, 33, 64), (6, 64, 48), (13, 5, 32), (4, 100, 64), (16, 144, 64)] {
                let weights: Vec<F> = (0..rows * (terms + 3)).map(number).collect();
                let values: Vec<F> = (0..2 * terms * lanes).map(|i| number(i + 5)).collect();
                let rows: Vec<(u32, u32)> =
                    (0..rows as u32).map(|m| (m * (terms as u32 + 3), (rows as u32 - 1 - m) * lanes as u32)).collect();
                let terms: Vec<(u32, u32)> = (0..terms as u32).map(|t| (t + 2, (2 * t + t % 2) * lanes as u32)).collect();
                let picked = Picked { weights: &weights, rows: &rows, terms: &terms, values: &values, lanes };
                for accumulate in [false, true] {
                    let mut result: Vec<F> = (0..rows.len() * lanes).map(|i| number(i + 3)).collect();
                    let mut expected = result.clone();
                    F::picked(picked, &mut result, accumulate);
                    picked.portable(&mut expected, accumulate);
                    assert_eq!(result, expected);
                    let last = rows[0].1 as usize;
                    let mut by_hand = if accumulate { number(last + 3) } else { F::ZERO };
                    terms.iter().for_each(|t| by_hand += weights[t.0 as usize] * values[t.1 as usize]);
                    assert!(result[last] == by_hand);
                }
            }
        }
        run::<f32>();
        run::<f64>();
    }

    #[test]
    #[should_panic(expected = "outside of the matrix")]
    fn places_are_checked() {
        let numbers = [0.0f64; 64];
        let picked = Picked { weights: &numbers, rows: &[(60, 0)], terms: &[(4, 0)], values: &numbers, lanes: 16 };
        f64::picked(picked, &mut [0.0; 16], false);
    }

    #[test]
    fn rows_come_back_from_lanes() {
        let (count, stride, len) = (5, 40, 37);
        let rows: Vec<f32> = (0..count * stride).map(|i| if i % stride % 7 == 3 { 0.0 } else { i as f32 }).collect();
        let lanes = Lanes::from_rows(&rows, count, stride, len);
        assert!(!lanes.live[3] && lanes.live[4]);
        let mut back = vec![1.0; count * stride];
        lanes.add_to_rows(&mut back, count, stride);
        for (i, (x, y)) in rows.iter().zip(&back).enumerate() {
            assert_eq!(*y, if i % stride < len { x + 1.0 } else { 1.0 });
        }
    }
}
