//! Sliding windows over two axes: the geometry of convolutions and pools. One axis is two with a first axis of size 1.

use std::ops::Range;

/// Sizes of a sliding window, vertical axis first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Size of the input without padding.
    pub input: [usize; 2],
    /// Size of the output.
    pub output: [usize; 2],
    /// Size of the kernel.
    pub kernel: [usize; 2],
    /// Distance of neighbouring windows.
    pub strides: [usize; 2],
    /// Distance of neighbouring kernel elements.
    pub dilations: [usize; 2],
    /// Padding before the first element.
    pub pads: [usize; 2],
}

impl Window {
    /// Refuses sizes of zero and sizes whose products could overflow.
    pub fn check(&self) -> Result<(), String> {
        let sizes = [self.input, self.output, self.kernel, self.strides, self.dilations];
        let fits = |s: &[usize; 2]| s.iter().all(|&x| x > 0 && x < 1 << 30);
        let kernel = self.kernel[0].saturating_mul(self.kernel[1]) <= 1 << 24;
        match kernel && sizes.iter().all(fits) && self.pads.iter().all(|&p| p < 1 << 30) {
            true => Ok(()),
            false => Err(format!("sizes of a sliding window must be positive and below 2^30, kernels of at most 2^24 elements: {self:?}")),
        }
    }

    /// The input position that kernel element `k` meets in window `o` along `axis`, unless it lies in the padding.
    #[inline]
    pub fn position(&self, axis: usize, o: usize, k: usize) -> Option<usize> {
        (o * self.strides[axis] + k * self.dilations[axis]).checked_sub(self.pads[axis]).filter(|&p| p < self.input[axis])
    }

    /// The windows in which kernel element `k` meets the input along `axis`.
    pub fn windows(&self, axis: usize, k: usize) -> Range<usize> {
        let (pad, shift, stride) = (self.pads[axis], k * self.dilations[axis], self.strides[axis]);
        let first = pad.saturating_sub(shift).div_ceil(stride);
        let end = (self.input[axis] + pad).saturating_sub(shift).div_ceil(stride).min(self.output[axis]);
        first.min(end)..end
    }

    /// The kernel elements that meet the input in window `o` along `axis`.
    pub fn taps(&self, axis: usize, o: usize) -> Range<usize> {
        let (start, pad, step) = (o * self.strides[axis], self.pads[axis], self.dilations[axis]);
        let first = pad.saturating_sub(start).div_ceil(step);
        let end = (self.input[axis] + pad).saturating_sub(start).div_ceil(step).min(self.kernel[axis]);
        first.min(end)..end
    }

    /// Number of input positions.
    pub fn input_len(&self) -> usize {
        self.input[0] * self.input[1]
    }

    /// Number of windows.
    pub fn output_len(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Most windows that one input position lies in.
    pub fn most_windows(&self) -> usize {
        let along = |axis: usize| self.kernel[axis].min(self.output[axis]);
        along(0) * along(1)
    }
}
