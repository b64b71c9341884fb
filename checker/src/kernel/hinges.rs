//! Ends of lines over a box, and what hinges make of them.

use super::*;

/// Meets the intervals of `n` elements (a multiple of [`LANES`]) with what their lines say over a box. Coefficient of input `d` of
/// line `j` at `d n + j`, constants last. Each end is widened by `relative` times the sum of absolute terms, and `absolute`.
pub struct Concretise<'a> {
    /// Lower lines.
    pub lower: &'a [f64],
    /// Upper lines.
    pub upper: &'a [f64],
    /// Lower corner of the box.
    pub low: &'a [f64],
    /// Upper corner.
    pub high: &'a [f64],
    /// Relative widening.
    pub relative: f64,
    /// Absolute widening.
    pub absolute: f64,
    /// Lower ends.
    pub below: &'a mut [f64],
    /// Upper ends.
    pub above: &'a mut [f64],
    /// The least width of an interval, per lane; negative if one is empty.
    pub least: &'a mut Vector,
}

impl Kernel for Concretise<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let (count, dims) = (self.below.len() / LANES, self.low.len());
        let (lower, upper) = (&vectors(self.lower)[..(dims + 1) * count], &vectors(self.upper)[..(dims + 1) * count]);
        let (below, above): (&mut [Vector], &mut [Vector]) = (self.below.as_chunks_mut().0, self.above.as_chunks_mut().0);
        let mut least = [f64::INFINITY; LANES];
        for j in 0..count {
            let (mut bottom, mut top) = (lower[dims * count + j], upper[dims * count + j]);
            let (mut bottom_size, mut top_size) = (absolute(bottom), absolute(top));
            for d in 0..dims {
                let (low, high) = ([self.low[d]; LANES], [self.high[d]; LANES]);
                let size = [self.low[d].abs().max(self.high[d].abs()); LANES];
                let (rising, falling) = parts(lower[d * count + j]);
                bottom = multiply_add::<FUSED>(rising, low, multiply_add::<FUSED>(falling, high, bottom));
                bottom_size = multiply_add::<FUSED>(absolute(lower[d * count + j]), size, bottom_size);
                let (rising, falling) = parts(upper[d * count + j]);
                top = multiply_add::<FUSED>(rising, high, multiply_add::<FUSED>(falling, low, top));
                top_size = multiply_add::<FUSED>(absolute(upper[d * count + j]), size, top_size);
            }
            // `max` and `min` leave out NaN, which improves nothing.
            let (relative, constant) = ([self.relative; LANES], [self.absolute; LANES]);
            let bottom_reach = multiply_add::<FUSED>(relative, bottom_size, constant);
            let top_reach = multiply_add::<FUSED>(relative, top_size, constant);
            let (lower_end, upper_end) = (max(below[j], sum(bottom, negated(bottom_reach))), min(above[j], sum(top, top_reach)));
            least = min(least, sum(upper_end, negated(lower_end)));
            (below[j], above[j]) = (lower_end, upper_end);
        }
        *self.least = least;
    }
}

/// The lines of hinges `max(a, s a)` on `[low, high]` and their errors; [`crate::relax`] says why they hold. All slices are equally
/// long, whole vectors.
pub struct Hinges<'a> {
    /// Lower ends.
    pub low: &'a [f64],
    /// Upper ends.
    pub high: &'a [f64],
    /// Constants of the operand.
    pub bias: &'a [f64],
    /// Sizes that `costs[2]` multiplies.
    pub magnitude: &'a [f64],
    /// The slope `s` below 0.
    pub slope: f64,
    /// Error per unit of the operand's size, of constants, of magnitude; relative and absolute error of the hinge's own product.
    pub costs: [f64; 5],
    /// Added to each error.
    pub tiny: f64,
    /// Factor of all errors and sizes.
    pub slack: f64,
    /// Slopes, constants and errors, as in [`Lines`].
    pub lines: [&'a mut [f64]; 7],
    /// Sizes of the hinges.
    pub value: &'a mut [f64],
    /// The sum of the operands' sizes, per lane.
    pub sizes: &'a mut Vector,
}

impl Kernel for Hinges<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let (zero, one, s) = ([0.0; LANES], [1.0; LANES], [self.slope; LANES]);
        let [of_size, of_constants, of_magnitude, of_product, of_product_tiny] = self.costs;
        let n = self.low.len() / LANES;
        let (low, high) = (&vectors(self.low)[..n], &vectors(self.high)[..n]);
        let (bias, magnitude) = (&vectors(self.bias)[..n], &vectors(self.magnitude)[..n]);
        let [us, ls, uc, lc, er, oe, pe] = self.lines;
        let (us, ls): (&mut [Vector], &mut [Vector]) = (us.as_chunks_mut().0, ls.as_chunks_mut().0);
        let (uc, lc): (&mut [Vector], &mut [Vector]) = (uc.as_chunks_mut().0, lc.as_chunks_mut().0);
        let (er, oe): (&mut [Vector], &mut [Vector]) = (er.as_chunks_mut().0, oe.as_chunks_mut().0);
        let (pe, value): (&mut [Vector], &mut [Vector]) = (pe.as_chunks_mut().0, self.value.as_chunks_mut().0);
        let (us, ls, uc, lc) = (&mut us[..n], &mut ls[..n], &mut uc[..n], &mut lc[..n]);
        let (er, oe, pe, value) = (&mut er[..n], &mut oe[..n], &mut pe[..n], &mut value[..n]);
        let mut sizes = zero;
        for i in 0..n {
            let (l, u) = (min(low[i], zero), max(high[i], zero));
            let width = max(sum(u, negated(l)), [f64::MIN_POSITIVE; LANES]);
            let rise = sum(u, negated(product(s, l)));
            let chord: Vector = std::array::from_fn(|k| rise[k] / width[k]);
            let t = min(max(chord, s), one);
            let (right, left) = (sum(u, negated(product(t, u))), sum(product(s, l), negated(product(t, l))));
            // Not a number where an end is infinite, else the greater one.
            let offset = sum(max(max(right, left), zero), product(zero, sum(right, left)));
            let steep = is_negative(sum(negated(l), negated(u)));
            let alive = if self.slope == 0.0 { is_negative(sum(zero, negated(high[i]))) } else { one };
            let size = max(absolute(low[i]), absolute(high[i]));
            let reach = max(u, product([self.slope.abs(); LANES], negated(l)));
            let own = multiply_add::<FUSED>([of_product; LANES], reach, [of_product_tiny; LANES]);
            let error = multiply_add::<FUSED>([of_size; LANES], size, multiply_add::<FUSED>([of_constants; LANES], offset, own));
            let error = multiply_add::<FUSED>(error, [self.slack; LANES], [self.tiny; LANES]);
            // The operand's constants, its products with weights, and what the deployed network makes of it.
            let passed = product([of_constants; LANES], absolute(bias[i]));
            let passed = product(multiply_add::<FUSED>([of_magnitude; LANES], magnitude[i], passed), [self.slack; LANES]);
            us[i] = t;
            ls[i] = sum(steep, product(sum(one, negated(steep)), s));
            uc[i] = multiply_add::<FUSED>(t, bias[i], offset);
            lc[i] = product(ls[i], bias[i]);
            er[i] = product(alive, product(sum(error, passed), [self.slack; LANES]));
            oe[i] = product(alive, error);
            pe[i] = product(alive, passed);
            value[i] = product(alive, product(sum(reach, own), [self.slack; LANES]));
            sizes = sum(sizes, size);
        }
        *self.sizes = sizes;
    }
}
