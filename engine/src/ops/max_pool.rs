//! Two-dimensional max-pooling, `y = max` over windows of each channel. GlobalMaxPool is one window.

use super::rules::broadcast::element_count;
use super::rules::maximum::Groups;

/// Windows along one spatial axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolAxis {
    /// Size of the input.
    pub size: usize,
    /// Elements in a window.
    pub kernel: usize,
    /// Distance between windows.
    pub stride: usize,
    /// Distance between elements of a window.
    pub dilation: usize,
    /// Padding before and after; padded places take no part in the maximum.
    pub pads: (usize, usize),
}

impl PoolAxis {
    /// Number of windows as ONNX counts them: with `ceil` a last window may reach beyond the padding, but not start there.
    pub fn windows(&self, ceil: bool) -> Result<usize, String> {
        let refuse = || format!("pooling {self:?} has no window");
        // Beyond these sizes nothing fits into memory; so no product below overflows.
        let sizes = [self.size, self.kernel, self.stride, self.dilation, self.pads.0.saturating_add(1), self.pads.1.saturating_add(1)];
        if sizes.iter().any(|&s| s == 0 || s > 1 << 30) {
            return Err(refuse());
        }
        let reach = (self.kernel - 1) * self.dilation + 1;
        if self.pads.0 >= reach || self.pads.1 >= reach {
            return Err(format!("pooling {self:?} pads by whole windows"));
        }
        let room = (self.size + self.pads.0 + self.pads.1).checked_sub(reach).ok_or_else(refuse)?;
        let count = if ceil { room.div_ceil(self.stride) } else { room / self.stride } + 1;
        let started = (self.size + self.pads.0).div_ceil(self.stride);
        Ok(if ceil { count.min(started) } else { count })
    }

    /// Positions of window `w` that lie inside the input.
    fn positions(&self, w: usize) -> impl Iterator<Item = usize> {
        let (start, before, dilation) = (w * self.stride, self.pads.0, self.dilation);
        let end = (self.size + before).saturating_sub(start).div_ceil(dilation).min(self.kernel);
        let first = before.saturating_sub(start).div_ceil(dilation);
        (first..end).map(move |k| start + k * dilation - before)
    }
}

/// Max-pooling of `planes` images (batch times channels).
#[derive(Debug)]
pub struct MaxPool {
    name: &'static str,
    planes: usize,
    rows: PoolAxis,
    columns: PoolAxis,
    output: (usize, usize),
}

impl MaxPool {
    /// `name` is the ONNX operator it came from. Refuses windows that hold no element.
    pub fn new(name: &'static str, planes: usize, rows: PoolAxis, columns: PoolAxis, ceil: bool) -> Result<MaxPool, String> {
        let output = (rows.windows(ceil)?, columns.windows(ceil)?);
        element_count(&[planes, rows.size, columns.size])?;
        element_count(&[planes, output.0, output.1])?;
        for (axis, count) in [(rows, output.0), (columns, output.1)] {
            if let Some(w) = (0..count).find(|&w| axis.positions(w).next().is_none()) {
                return Err(format!("window {w} of pooling {axis:?} lies in the padding"));
            }
        }
        Ok(MaxPool { name, planes, rows, columns, output })
    }

    /// Rows and columns of the output.
    pub fn output_size(&self) -> (usize, usize) {
        self.output
    }
}

impl Groups for MaxPool {
    fn name(&self) -> &str {
        self.name
    }

    fn output_len(&self, inputs: &[usize]) -> Result<usize, String> {
        let needed = self.planes * self.rows.size * self.columns.size;
        match inputs {
            [n] if *n == needed => Ok(self.outputs()),
            _ => Err(format!("{} takes one operand of {needed} elements, not {inputs:?}", self.name)),
        }
    }

    fn outputs(&self) -> usize {
        self.planes * self.output.0 * self.output.1
    }

    fn members(&self, output: usize, visit: &mut dyn FnMut(usize, usize)) {
        let (column, row, plane) = (output % self.output.1, output / self.output.1 % self.output.0, output / self.output.1 / self.output.0);
        for r in self.rows.positions(row) {
            for c in self.columns.positions(column) {
                visit(0, (plane * self.rows.size + r) * self.columns.size + c);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(size: usize, kernel: usize, stride: usize, pads: (usize, usize)) -> PoolAxis {
        PoolAxis { size, kernel, stride, dilation: 1, pads }
    }

    #[test]
    fn windows_are_counted_as_onnx_does() {
        assert_eq!(axis(5, 2, 2, (0, 0)).windows(false), Ok(2));
        assert_eq!(axis(5, 2, 2, (0, 0)).windows(true), Ok(3));
        // A fourth window would start in the padding.
        assert_eq!(axis(5, 2, 2, (0, 1)).windows(true), Ok(3));
        assert_eq!(axis(3, 3, 1, (1, 1)).windows(false), Ok(3));
    }

    #[test]
    fn absurd_windows_are_refused() {
        let fine = axis(4, 2, 2, (0, 0));
        for bad in [
            axis(4, 0, 1, (0, 0)),
            axis(4, 2, 0, (0, 0)),
            axis(4, 9, 1, (0, 0)),
            axis(4, 2, 1, (5, 0)),
            axis(1, usize::MAX, 1, (usize::MAX, 0)),
        ] {
            assert!(MaxPool::new("MaxPool", 1, fine, bad, true).is_err(), "{bad:?}");
        }
        assert!(MaxPool::new("MaxPool", usize::MAX, fine, fine, false).is_err());
        assert!(MaxPool::new("MaxPool", 1, fine, PoolAxis { dilation: 1 << 40, ..fine }, false).is_err());
    }

    #[test]
    fn padded_windows_hold_what_lies_inside() {
        let padded = axis(4, 3, 2, (1, 0));
        assert_eq!(padded.positions(0).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(padded.positions(1).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(PoolAxis { dilation: 2, ..axis(5, 3, 1, (3, 3)) }.positions(0).collect::<Vec<_>>(), [1]);
    }
}
