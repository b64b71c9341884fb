//! ConvTranspose as a convolution, and repetition of elements.
//!
//! With strides s, element o of the result, where o + pads = s q + r, sums `x[q - j] w[r + s j]` over j: for each remainder r an
//! ordinary convolution of x with every s-th weight, last first. All remainders make one convolution with more filters, and the
//! result is a selection of its elements. No term is there but those of the file, unless s does not divide the kernel's size.

use super::call::Call;
use super::layout::OUTSIDE;
use super::tensor::{Tensor, count};
use super::window::pair;
use super::{Lowering, Value};
use crate::network::{Convolution, Linear};
use crate::read::{Error, not_certified, unreadable};

/// Largest factor of repetition.
const MOST_REPEATED: f64 = 1e6;

/// A transposed convolution; two axes, the vertical one first.
struct Transposed {
    /// Channels of the operand, filters of the result, groups.
    channels: usize,
    filters: usize,
    groups: usize,
    input: [usize; 2],
    output: [usize; 2],
    kernel: [usize; 2],
    strides: [usize; 2],
    dilations: [usize; 2],
    pads: [usize; 2],
}

impl Transposed {
    fn new(call: &Call, kernel: &Tensor, shape: &[usize]) -> Result<Transposed, Error> {
        let (channels, input) = match *shape {
            [1, channels, width] => (channels, [1, width]),
            [1, channels, height, width] => (channels, [height, width]),
            _ => return not_certified(format!("an operand of shape {shape:?}, expected [1, channels, (height,) width]")),
        };
        let rank = shape.len() - 2;
        let (&[from, per_group, ..], Some(spatial)) = (&kernel.shape[..], kernel.shape.get(2..)) else {
            return unreadable(format!("a kernel of shape {:?}", kernel.shape));
        };
        let sizes: Vec<i64> = spatial.iter().map(|&d| d as i64).collect();
        let groups = usize::try_from(call.int("group", 1)).unwrap_or(0);
        if groups == 0 || from != channels || channels == 0 || channels % groups != 0 || per_group == 0 {
            return unreadable(format!("a kernel of shape {:?} in {groups} groups for {channels} channels", kernel.shape));
        }
        if call.ints("kernel_shape").is_some_and(|list| list != sizes) {
            return unreadable("kernel_shape differs from the kernel");
        }
        let kernel = pair(Some(&sizes), rank, 1, 1)?;
        let (strides, dilations) = (pair(call.ints("strides"), rank, 1, 1)?, pair(call.ints("dilations"), rank, 1, 1)?);
        if (0..2).any(|a| strides[a] > 1 && dilations[a] > 1) {
            return not_certified("strides and dilations along one axis");
        }
        let filters = count(&[per_group, groups])?;
        Transposed { channels, filters, groups, input, output: [0; 2], kernel, strides, dilations, pads: [0; 2] }.sized(call, rank)
    }

    /// With the pads, and the size of the result that they leave.
    fn sized(mut self, call: &Call, rank: usize) -> Result<Transposed, Error> {
        if !matches!(call.text("auto_pad", "NOTSET"), b"NOTSET" | b"VALID") {
            return not_certified("auto_pad");
        }
        let none = vec![0; 2 * rank];
        let list = call.ints("pads").unwrap_or(&none);
        if list.len() != 2 * rank {
            return unreadable("pads do not fit the axes");
        }
        let behind = pair(Some(&list[rank..]), rank, 0, 0)?;
        let extra = pair(Some(call.ints("output_padding").unwrap_or(&none[rank..])), rank, 0, 0)?;
        self.pads = pair(Some(&list[..rank]), rank, 0, 0)?;
        for a in 0..2 {
            let whole = self.input[a].saturating_sub(1) * self.strides[a] + self.dilations[a] * (self.kernel[a] - 1) + 1 + extra[a];
            match whole.checked_sub(self.pads[a] + behind[a]) {
                Some(size) if size > 0 && self.input[a] > 0 => self.output[a] = size,
                _ => return unreadable("pads cut away the whole result"),
            }
        }
        Ok(self)
    }

    /// Weights per remainder.
    fn taps(&self) -> [usize; 2] {
        [0, 1].map(|a| self.kernel[a].div_ceil(self.strides[a]))
    }

    /// The convolution of all remainders: its filters run over groups, remainders, filters of the group.
    fn convolution(&self, kernel: &[f64]) -> Result<Convolution, Error> {
        let (taps, [down, right]) = (self.taps(), self.strides);
        let (per_group, depth) = (self.filters / self.groups, self.channels / self.groups);
        let filters = count(&[self.filters, down, right])?;
        let mut weights = Vec::with_capacity(count(&[filters, depth, taps[0], taps[1]])?);
        for filter in 0..filters {
            let (group, remainder, own) = (filter / per_group / (down * right), filter / per_group % (down * right), filter % per_group);
            for channel in 0..depth {
                let plane = ((group * depth + channel) * per_group + own) * self.kernel[0] * self.kernel[1];
                for tap in 0..taps[0] * taps[1] {
                    let y = remainder / right + down * (taps[0] - 1 - tap / taps[1]);
                    let x = remainder % right + right * (taps[1] - 1 - tap % taps[1]);
                    let there = y < self.kernel[0] && x < self.kernel[1];
                    weights.push(if there { kernel[plane + y * self.kernel[1] + x] } else { 0.0 });
                }
            }
        }
        let reach = [0, 1].map(|a| (taps[a] - 1) * self.dilations[a]);
        let size = [0, 1].map(|a| self.input[a] + reach[a]);
        Ok(Convolution {
            weights,
            input: [self.channels, self.input[0], self.input[1]],
            output: [filters, size[0], size[1]],
            kernel: taps,
            strides: [1; 2],
            pads: reach,
            dilations: self.dilations,
            groups: self.groups,
        })
    }

    /// Where the elements of the result stand in that of the convolution.
    fn places(&self, [_, rows, columns]: [usize; 3]) -> Vec<u32> {
        let (per_group, [down, right]) = (self.filters / self.groups, self.strides);
        let place = |o: usize| {
            let (filter, y, x) = (o / self.output[1] / self.output[0], o / self.output[1] % self.output[0], o % self.output[1]);
            let (y, x) = (y + self.pads[0], x + self.pads[1]);
            let remainder = y % down * right + x % right;
            let wide = (filter / per_group * down * right + remainder) * per_group + filter % per_group;
            let inside = y / down < rows && x / right < columns;
            if inside { ((wide * rows + y / down) * columns + x / right) as u32 } else { OUTSIDE }
        };
        (0..self.filters * self.output[0] * self.output[1]).map(place).collect()
    }
}

impl<'a> Lowering<'a> {
    pub(super) fn transposed_convolution(&mut self, call: &Call<'_, 'a>) -> Result<Value<'a>, Error> {
        let (id, from) = self.node_at(call, 0)?;
        let kernel = call.constant(1)?;
        let map = Transposed::new(call, kernel, &from)?;
        let shape = [&[1, map.filters], &map.output[4 - from.len()..]].concat();
        let len = count(&shape)?;
        let plane = map.output[0] * map.output[1];
        let bias = match call.optional_constant(2)? {
            Some(bias) if bias.len() == map.filters => self.floats(bias, (0..len).map(|o| o / plane))?,
            Some(bias) => return unreadable(format!("{} biases for {} filters", bias.len(), map.filters)),
            None => Vec::new(),
        };
        self.take(len.saturating_mul(2))?;
        let taps = map.taps();
        self.take(count(&[map.channels, map.filters / map.groups, taps[0] * map.strides[0], taps[1] * map.strides[1]])?)?;
        let wide = map.convolution(&self.floats(kernel, 0..kernel.len())?)?;
        let (size, places) = (wide.output, map.places(wide.output));
        count(&size)?;
        let parts = vec![(id, Linear::Convolution(wide))];
        let Value::Node { id, .. } = self.add_affine(call.output, parts, Vec::new(), size.to_vec())? else {
            return unreadable("a node that is a constant");
        };
        self.add_affine(call.output, vec![(id, Linear::Select(places))], bias, shape)
    }

    /// Upsample and Resize to a whole multiple of the size, each element repeated.
    pub(super) fn repeated(&mut self, call: &Call<'_, 'a>) -> Result<Value<'a>, Error> {
        let from = call.operand(0)?.shape().to_vec();
        let factors = self.factors(call, &from)?;
        let whole = |f: &f64| (1.0..=MOST_REPEATED).contains(f) && f.fract() == 0.0;
        if factors.len() != from.len() || !factors.iter().all(whole) {
            return not_certified(format!("scales {factors:?} of shape {from:?}: a whole number for each axis is"));
        }
        let shape: Vec<usize> = from.iter().zip(&factors).map(|(&d, &f)| d.saturating_mul(f as usize)).collect();
        self.take(count(&shape)?)?;
        let mut source = vec![0u32];
        for (&d, &f) in from.iter().zip(&factors) {
            let along = |place: u32| (0..d * f as usize).map(move |x| place * d as u32 + (x / f as usize) as u32);
            source = source.into_iter().flat_map(along).collect();
        }
        self.rearranged(call, call.operand(0)?, source, shape)
    }

    /// How often each axis is repeated, by scales or by sizes.
    fn factors(&self, call: &Call<'_, 'a>, from: &[usize]) -> Result<Vec<f64>, Error> {
        if call.text("mode", "nearest") != b"nearest" {
            return not_certified("a mode other than nearest");
        }
        let old = call.operator == "Upsample" || self.opset < 11;
        if !old {
            self.check_rounding(call)?;
        }
        let given = |k: usize| Ok(call.optional_constant(k)?.filter(|tensor| tensor.len() > 0));
        let (scales, sizes) = if old { (given(1)?, None) } else { (given(2)?, given(3)?) };
        match (scales, sizes) {
            (Some(scales), None) => (0..scales.len()).map(|i| scales.to_float(i)).collect(),
            (None, Some(sizes)) if sizes.len() == from.len() => {
                Ok(sizes.to_integers()?.iter().zip(from).map(|(&size, &d)| size as f64 / d as f64).collect())
            }
            _ => unreadable("neither scales nor sizes, or both, or too few"),
        }
    }

    /// Refuses ways to find the nearest element that would not repeat each one; with a whole factor f the coordinate of an element
    /// is at least 1/2f from where these round differently.
    fn check_rounding(&self, call: &Call<'_, 'a>) -> Result<(), Error> {
        // These are for other modes, and so is operand 1.
        call.optional(1);
        call.float("cubic_coeff_a", -0.75);
        call.float("extrapolation_value", 0.0);
        call.int("exclude_outside", 0);
        call.int("antialias", 0);
        if call.text("keep_aspect_ratio_policy", "stretch") != b"stretch" {
            return not_certified("keep_aspect_ratio_policy");
        }
        let (coordinates, rounding) =
            (call.text("coordinate_transformation_mode", "half_pixel"), call.text("nearest_mode", "round_prefer_floor"));
        match (coordinates, rounding) {
            (b"asymmetric", b"floor") | (b"half_pixel", b"round_prefer_floor" | b"round_prefer_ceil") => Ok(()),
            _ => not_certified("a coordinate_transformation_mode or nearest_mode that may not repeat elements"),
        }
    }
}
