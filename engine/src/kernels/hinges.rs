//! Passes over rows of coefficients at a layer of hinges whose lower slopes are free for every row.

use super::rows::{BLOCK, pairwise};
use super::vectors::{AdamStep, multiversion};
use super::{LANES, Real};

multiversion! {
    /// Multipliers `lambda = c up` for `c > 0` and `c t` for `c < 0` (added to the old `lambda` if `add`), and
    /// `constants[r] += sum c offset` over `c > 0`; each term of the sum meets at most [`super::rows::BLOCK_ROUNDINGS`] roundings.
    pub fn relax_free<F>(c: &[F], lambda: &mut [F], slopes: &[F], up: &[F], offset: &[F], width: usize, rows: usize, add: bool, constants: &mut [f64]) {
        for r in 0..rows {
            let part = r * width..(r + 1) * width;
            let (c, lambda, slopes) = (&c[part.clone()], &mut lambda[part.clone()], &slopes[part]);
            let mut total = 0.0;
            let mut start = 0;
            while start < width {
                let end = width.min(start + BLOCK);
                let mut sums = [F::ZERO; LANES];
                let (c, c_rest) = c[start..end].as_chunks::<LANES>();
                let (lambda, lambda_rest) = lambda[start..end].as_chunks_mut::<LANES>();
                let (t, t_rest) = slopes[start..end].as_chunks::<LANES>();
                let (us, us_rest) = up[start..end].as_chunks::<LANES>();
                let (os, os_rest) = offset[start..end].as_chunks::<LANES>();
                for i in 0..c.len() {
                    for v in 0..LANES {
                        let x = c[i][v];
                        let positive = if x > F::ZERO { x } else { F::ZERO };
                        sums[v] += positive * os[i][v];
                        let passed = x * if x > F::ZERO { us[i][v] } else { t[i][v] };
                        lambda[i][v] = if add { lambda[i][v] + passed } else { passed };
                    }
                }
                total += pairwise(sums).to_f64();
                for (i, &x) in c_rest.iter().enumerate() {
                    let up = x > F::ZERO;
                    total += if up { (x * os_rest[i]).to_f64() } else { 0.0 };
                    let passed = x * if up { us_rest[i] } else { t_rest[i] };
                    lambda_rest[i] = if add { lambda_rest[i] + passed } else { passed };
                }
                start = end;
            }
            constants[r] += total;
        }
    }
}

multiversion! {
    /// `constants[r] += sum c b` and `errors[r] += sum |c| e`, each term with at most [`super::rows::BLOCK_ROUNDINGS`] roundings.
    pub fn weigh<F>(c: &[F], bias: &[F], error: &[F], width: usize, rows: usize, constants: &mut [f64], errors: &mut [f64]) {
        for r in 0..rows {
            let c = &c[r * width..(r + 1) * width];
            let (mut total, mut wrong) = (0.0, 0.0);
            let mut start = 0;
            while start < width {
                let end = width.min(start + BLOCK);
                let (c, c_rest) = c[start..end].as_chunks::<LANES>();
                let (b, b_rest) = bias[start..end].as_chunks::<LANES>();
                let (e, e_rest) = error[start..end].as_chunks::<LANES>();
                // Two loops: of one with both sums the compiler makes pairs of lanes, ten times slower.
                let mut sums = [F::ZERO; LANES];
                for (c, b) in c.iter().zip(b) {
                    for v in 0..LANES {
                        sums[v] += c[v] * b[v];
                    }
                }
                total += pairwise(sums).to_f64();
                let mut sums = [F::ZERO; LANES];
                for (c, e) in c.iter().zip(e) {
                    for v in 0..LANES {
                        sums[v] += c[v].abs() * e[v];
                    }
                }
                wrong += pairwise(sums).to_f64();
                for (i, &x) in c_rest.iter().enumerate() {
                    total += (x * b_rest[i]).to_f64();
                    wrong += (x.abs() * e_rest[i]).to_f64();
                }
                start = end;
            }
            constants[r] += total;
            errors[r] += wrong;
        }
    }
}

/// Lower slopes are multiples of this.
pub const SLOPE_STEP: f64 = 1.0 / 255.0;

/// Arrays of one layer that one step of [`climb`] reads, for one row.
#[derive(Clone, Copy)]
pub struct Layer<'a, F> {
    /// Slope for positive coefficients.
    pub up: &'a [F],
    /// Constant per unit of positive coefficient.
    pub offset: &'a [F],
    /// Least lower slope.
    pub least: &'a [F],
    /// Greatest lower slope.
    pub most: &'a [F],
}

multiversion! {
    /// For one row: the coefficients `c` become values of the row's lines at the operands' values `z`, and the lower slopes where
    /// `c < 0` take one step of Adam down the gradient `c z`, within their limits.
    pub fn climb<F>(z: &[F], c: &mut [F], t: &mut [F], mean: &mut [F], square: &mut [F], layer: Layer<F>, step: AdamStep<F>) {
        let n = z.len();
        let (c, t, mean, square) = (&mut c[..n], &mut t[..n], &mut mean[..n], &mut square[..n]);
        let (up, offset, least, most) = (&layer.up[..n], &layer.offset[..n], &layer.least[..n], &layer.most[..n]);
        let (keep, keep_square) = (F::from_f64(0.9), F::from_f64(0.999));
        let (take, take_square) = (F::from_f64(0.1), F::from_f64(0.001));
        // Slopes are multiples of 1/255, so that a certificate holds each in a byte: adding and taking away 3/4 u rounds.
        let (steps, step_size, round) = (F::from_f64(255.0), F::from_f64(SLOPE_STEP), F::from_f64(0.75 / F::UNIT));
        for i in 0..n {
            let (x, s) = (z[i], t[i]);
            let above = c[i] > F::ZERO;
            let raw = if above { F::ZERO } else { c[i] * x };
            // At a limit only the way back inside counts.
            let g = if raw > F::ZERO { if s > least[i] { raw } else { F::ZERO } } else if s < most[i] { raw } else { F::ZERO };
            c[i] = if above { up[i] * x + offset[i] } else { s * x };
            mean[i] = keep * mean[i] + take * g;
            square[i] = keep_square * square[i] + take_square * g * g;
            let moved = s - step.rate * mean[i] / ((square[i] * step.unbias).sqrt() + F::from_f64(1e-12));
            let moved = ((moved.max(least[i]) * steps + round) - round) * step_size;
            t[i] = moved.max(least[i]).min(most[i]);
        }
    }
}
