//! Convolutions and pools over one or two axes; one axis is two with a first axis of size 1.

use super::call::Call;
use super::tensor::count;
use super::{Lowering, Value};
use crate::network::{Convolution, Linear, Operation};
use crate::read::{Error, not_certified, unreadable};

/// Sizes above this are refused, so that no product of a few of them overflows.
const MOST: i64 = 1 << 20;

/// The geometry of a sliding window, vertical axis first.
struct Window {
    id: usize,
    channels: usize,
    /// Number of spatial axes of the file.
    rank: usize,
    input: [usize; 2],
    output: [usize; 2],
    kernel: [usize; 2],
    strides: [usize; 2],
    dilations: [usize; 2],
    pads: [usize; 2],
    /// Padding behind.
    behind: [usize; 2],
}

impl Window {
    fn new(call: &Call, kernel: &[i64]) -> Result<Window, Error> {
        let (id, shape) = call.node(0)?;
        let (channels, input) = match *shape {
            [1, channels, width] => (channels, [1, width]),
            [1, channels, height, width] => (channels, [height, width]),
            _ => return not_certified(format!("an operand of shape {shape:?}, expected [1, channels, (height,) width]")),
        };
        let rank = shape.len() - 2;
        let pair = |list: Option<&[i64]>, before: i64, least: i64| pair(list, rank, before, least);
        let kernel = pair(Some(kernel), 1, 1)?;
        let (strides, dilations) = (pair(call.ints("strides"), 1, 1)?, pair(call.ints("dilations"), 1, 1)?);
        let reach = [0, 1].map(|a| dilations[a] * (kernel[a] - 1) + 1);
        let total = [0, 1].map(|a| ((input[a].div_ceil(strides[a]).max(1) - 1) * strides[a] + reach[a]).saturating_sub(input[a]));
        let (less, more) = (total.map(|t| t / 2), total.map(|t| t.div_ceil(2)));
        let listed = call.ints("pads");
        let (pads, behind) = match (call.text("auto_pad", "NOTSET"), listed) {
            (b"NOTSET", Some(list)) if list.len() == 2 * rank => (pair(Some(&list[..rank]), 0, 0)?, pair(Some(&list[rank..]), 0, 0)?),
            (b"NOTSET" | b"VALID", None) => ([0; 2], [0; 2]),
            (b"SAME_UPPER", None) => (less, more),
            (b"SAME_LOWER", None) => (more, less),
            _ => return unreadable("pads or auto_pad do not fit the axes"),
        };
        let ceil = call.int("ceil_mode", 0) != 0;
        let mut output = [0; 2];
        for a in 0..2 {
            let Some(room) = (input[a] + pads[a] + behind[a]).checked_sub(reach[a]) else {
                return unreadable("a kernel larger than the padded operand");
            };
            output[a] = if ceil { room.div_ceil(strides[a]) } else { room / strides[a] } + 1;
            // A window that would begin in the padding behind is left out.
            if ceil && (output[a] - 1) * strides[a] >= input[a] + pads[a] {
                output[a] -= 1;
            }
        }
        Ok(Window { id, channels, rank, input, output, kernel, strides, dilations, pads, behind })
    }

    fn shape(&self, channels: usize) -> Vec<usize> {
        [&[1, channels], &self.output[2 - self.rank..]].concat()
    }

    /// The elements of the operand in each window, channel by channel, window by window.
    fn groups(&self) -> impl Iterator<Item = Vec<u32>> {
        let ([height, width], [rows, columns]) = (self.input, self.output);
        let along = move |a: usize, o: usize| {
            let place = move |k: usize| (o * self.strides[a] + k * self.dilations[a]).checked_sub(self.pads[a]);
            (0..self.kernel[a]).filter_map(place).filter(move |&x| x < self.input[a])
        };
        (0..self.channels * rows * columns).map(move |o| {
            let (channel, y, x) = (o / columns / rows, o / columns % rows, o % columns);
            let places = along(0, y).flat_map(|iy| along(1, x).map(move |ix| ((channel * height + iy) * width + ix) as u32));
            places.collect()
        })
    }

    /// Number of elements in all windows, padding counted.
    fn terms(&self) -> Result<usize, Error> {
        count(&[self.channels, self.output[0], self.output[1], self.kernel[0], self.kernel[1]])
    }
}

/// One number for each of two axes.
pub(super) fn pair(list: Option<&[i64]>, rank: usize, before: i64, least: i64) -> Result<[usize; 2], Error> {
    let (a, b) = match (list, rank) {
        (None, _) => (1, 1),
        (Some(&[b]), 1) => (before, b),
        (Some(&[a, b]), 2) => (a, b),
        (Some(list), _) => return unreadable(format!("{list:?} for {rank} spatial axes")),
    };
    match [a, b].iter().all(|x| (least..MOST).contains(x)) {
        true => Ok([a as usize, b as usize]),
        false => not_certified(format!("a window with sizes {a}, {b}")),
    }
}

impl<'a> Lowering<'a> {
    pub(super) fn convolution(&mut self, call: &Call<'_, 'a>) -> Result<Value<'a>, Error> {
        let kernel = call.constant(1)?;
        let (&[filters, depth, ..], Some(spatial)) = (&kernel.shape[..], kernel.shape.get(2..)) else {
            return unreadable(format!("a kernel of shape {:?}", kernel.shape));
        };
        let sizes: Vec<i64> = spatial.iter().map(|&d| d as i64).collect();
        if call.ints("kernel_shape").is_some_and(|list| list != sizes) {
            return unreadable("kernel_shape differs from the kernel");
        }
        let window = Window::new(call, &sizes)?;
        let groups = usize::try_from(call.int("group", 1)).unwrap_or(0);
        if groups == 0 || filters == 0 || filters % groups != 0 || depth.checked_mul(groups) != Some(window.channels) {
            return unreadable(format!("{filters} filters of depth {depth} in {groups} groups for {} channels", window.channels));
        }
        let shape = window.shape(filters);
        let (len, plane) = (count(&shape)?, window.output[0] * window.output[1]);
        self.take(kernel.len().saturating_add(len))?;
        let bias = match call.optional_constant(2)? {
            Some(bias) if bias.len() == filters => self.floats(bias, (0..len).map(|o| o / plane))?,
            Some(bias) => return unreadable(format!("{} biases for {filters} filters", bias.len())),
            None => Vec::new(),
        };
        let map = Linear::Convolution(Convolution {
            weights: self.floats(kernel, 0..kernel.len())?,
            input: [window.channels, window.input[0], window.input[1]],
            output: [filters, window.output[0], window.output[1]],
            kernel: window.kernel,
            strides: window.strides,
            pads: window.pads,
            dilations: window.dilations,
            groups,
        });
        self.add_affine(call.output, vec![(window.id, map)], bias, shape)
    }

    fn pool(&mut self, call: &Call<'_, 'a>) -> Result<Window, Error> {
        let Some(kernel) = call.ints("kernel_shape") else { return unreadable("no kernel_shape") };
        let window = Window::new(call, kernel)?;
        self.take(2 * window.terms()?)?;
        let inside = window.groups().all(|group| !group.is_empty());
        if inside { Ok(window) } else { not_certified("a window in the padding altogether") }
    }

    /// The mean of each window; padding counts as zeros if `count_include_pad`.
    pub(super) fn average_pool(&mut self, call: &Call<'_, 'a>) -> Result<Value<'a>, Error> {
        let window = self.pool(call)?;
        let include = call.int("count_include_pad", 0) != 0;
        let whole = window.kernel[0] * window.kernel[1];
        let fits = |a: usize| {
            let reach = (window.output[a] - 1) * window.strides[a] + window.dilations[a] * (window.kernel[a] - 1);
            reach < window.input[a] + window.pads[a] + window.behind[a]
        };
        if include && !(fits(0) && fits(1)) {
            return not_certified("windows beyond the padding that count it");
        }
        let (mut starts, mut columns, mut weights, mut error) = (vec![0], Vec::new(), Vec::new(), 0.0);
        for group in window.groups() {
            let terms = if include { whole } else { group.len() };
            error = if terms.is_power_of_two() { error } else { f64::EPSILON };
            weights.extend(group.iter().map(|_| 1.0 / terms as f64));
            columns.extend(group);
            starts.push(columns.len());
        }
        let map = Linear::Sparse { starts, columns, weights };
        self.add_rounded(call.output, vec![(window.id, map)], Vec::new(), window.shape(window.channels), error)
    }

    pub(super) fn max_pool(&mut self, call: &Call<'_, 'a>) -> Result<Value<'a>, Error> {
        // The order of a second output that is refused.
        call.int("storage_order", 0);
        let window = self.pool(call)?;
        let shape = window.shape(window.channels);
        self.add(call.output, &[window.id], shape, Operation::Maximum(window.groups().collect()))
    }
}
