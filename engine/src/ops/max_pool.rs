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
        if self.kernel == 0 || self.stride == 0 || self.dilation == 0 {
            return Err(refuse());
        }
        let reach = (self.kernel - 1).checked_mul(self.dilation).and_then(|r| r.checked_add(1)).ok_or_else(refuse)?;
        let padded = self.size.checked_add(self.pads.0).and_then(|s| s.checked_add(self.pads.1)).ok_or_else(refuse)?;
        let room = padded.checked_sub(reach).ok_or_else(refuse)?;
        let count = if ceil { room.div_ceil(self.stride) } else { room / self.stride } + 1;
        let started = (self.size + self.pads.0).div_ceil(self.stride);
        Ok(if ceil { count.min(started) } else { count })
    }

    /// Positions of window `w` that lie inside the input.
    fn positions(&self, w: usize) -> impl Iterator<Item = usize> {
        let (start, before, size) = (w * self.stride, self.pads.0, self.size);
        let dilation = self.dilation;
        (0..self.kernel).filter_map(move |k| (start + k * dilation).checked_sub(before)).take_while(move |&p| p < size)
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
        for (axis, count) in [(rows, output.0), (columns, output.1)] {
            if let Some(w) = (0..count).find(|&w| axis.positions(w).next().is_none()) {
                return Err(format!("window {w} of pooling {axis:?} lies in the padding"));
            }
        }
        element_count(&[planes, rows.size, columns.size])?;
        element_count(&[planes, output.0, output.1])?;
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
