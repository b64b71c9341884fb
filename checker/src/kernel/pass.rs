//! Coefficients pass hinges: they become multipliers of the operands and pay for the lines.

use super::*;

/// What bounds one value from both sides, element by element: see [`Pass`].
#[derive(Clone, Copy)]
pub struct Lines<'a> {
    /// Slope for positive coefficients.
    pub upper_slope: &'a [f64],
    /// Slope for negative coefficients.
    pub lower_slope: &'a [f64],
    /// Constant per unit of positive coefficient.
    pub upper_constant: &'a [f64],
    /// Constant per unit of negative coefficient (multiplied by the coefficient as it is).
    pub lower_constant: &'a [f64],
    /// Error per unit of absolute coefficient: at least the sum of the two below.
    pub error: &'a [f64],
    /// The part of it that the coefficient itself pays, whatever its slope.
    pub own_error: &'a [f64],
    /// The part per unit of the absolute coefficient that is passed on, which is no larger.
    pub passed_error: &'a [f64],
}

/// Takes rows of coefficients through lines, in place: `c -> c t`; adds `sum c p` to the row's constant and `sum |c| e`
/// to its error.
pub struct Pass<'a> {
    /// Rows of `width` coefficients, a multiple of [`LANES`].
    pub coefficients: &'a mut [f64],
    /// Coefficients per row.
    pub width: usize,
    /// The lines, `width` of them.
    pub lines: Lines<'a>,
    /// One per row.
    pub constants: &'a mut [Vector],
    /// One per row.
    pub errors: &'a mut [Vector],
}

impl Kernel for Pass<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(mut self) {
        // Several rows at once: each one's sums wait for their own last step only.
        let (rows, mut r) = (self.constants.len(), 0);
        while r + 4 <= rows {
            self.rows::<4, FUSED>(r);
            r += 4;
        }
        while r < rows {
            self.rows::<1, FUSED>(r);
            r += 1;
        }
    }
}

impl Pass<'_> {
    #[inline(always)]
    fn rows<const M: usize, const FUSED: bool>(&mut self, first: usize) {
        let n = self.width / LANES;
        let (us, ls) = (&vectors(self.lines.upper_slope)[..n], &vectors(self.lines.lower_slope)[..n]);
        let (uc, lc) = (&vectors(self.lines.upper_constant)[..n], &vectors(self.lines.lower_constant)[..n]);
        let er = &vectors(self.lines.error)[..n];
        let rows: &mut [Vector] = self.coefficients[first * self.width..][..M * self.width].as_chunks_mut().0;
        let (mut constants, mut errors) = ([[0.0; LANES]; M], [[0.0; LANES]; M]);
        for i in 0..n {
            for r in 0..M {
                let x = rows[r * n + i];
                let (above, below) = parts(x);
                constants[r] = multiply_add::<FUSED>(below, lc[i], multiply_add::<FUSED>(above, uc[i], constants[r]));
                errors[r] = multiply_add::<FUSED>(absolute(x), er[i], errors[r]);
                // One of the products is zero, so this rounds once.
                rows[r * n + i] = multiply_add::<FUSED>(above, us[i], product(below, ls[i]));
            }
        }
        for r in 0..M {
            self.constants[first + r] = sum(self.constants[first + r], constants[r]);
            self.errors[first + r] = sum(self.errors[first + r], errors[r]);
        }
    }
}

/// As [`Pass`], but every row has its own slopes for negative coefficients, and what they mean for the operand's constants. Of the
/// error each coefficient pays its own part, and what it passes on the other one: slopes are often 0.
pub struct PassFreely<'a> {
    /// Rows of `width` coefficients, a multiple of [`LANES`].
    pub coefficients: &'a mut [f64],
    /// Coefficients per row.
    pub width: usize,
    /// The lines; those below are not used.
    pub lines: Lines<'a>,
    /// Slopes for negative coefficients, row by row.
    pub slopes: &'a [f64],
    /// Constants of the operand.
    pub bias: &'a [f64],
    /// One per row.
    pub constants: &'a mut [Vector],
    /// One per row.
    pub errors: &'a mut [Vector],
}

impl Kernel for PassFreely<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let n = self.width / LANES;
        let (us, uc) = (&vectors(self.lines.upper_slope)[..n], &vectors(self.lines.upper_constant)[..n]);
        let (er, pe) = (&vectors(self.lines.own_error)[..n], &vectors(self.lines.passed_error)[..n]);
        let bias = &vectors(self.bias)[..n];
        let rows = self.coefficients.chunks_exact_mut(self.width.max(1));
        let slopes = self.slopes.chunks_exact(self.width.max(1));
        for (((row, slopes), k), e) in rows.zip(slopes).zip(self.constants).zip(self.errors) {
            let row: &mut [Vector] = &mut row.as_chunks_mut().0[..n];
            let slopes = &vectors(slopes)[..n];
            let (mut constant, mut wrong) = (*k, *e);
            for i in 0..n {
                let x = row[i];
                let (above, below) = parts(x);
                let falling = product(below, slopes[i]);
                constant = multiply_add::<FUSED>(falling, bias[i], multiply_add::<FUSED>(above, uc[i], constant));
                // One of the products is zero, so this rounds once.
                let passed = multiply_add::<FUSED>(above, us[i], falling);
                wrong = multiply_add::<FUSED>(absolute(x), er[i], multiply_add::<FUSED>(absolute(passed), pe[i], wrong));
                row[i] = passed;
            }
            (*k, *e) = (constant, wrong);
        }
    }
}
