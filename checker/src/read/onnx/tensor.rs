//! Constants: numbers as they stand in the file.

use std::borrow::Cow;

use super::proto::{Field, Message, once};
use crate::read::{Error, not_certified, unreadable};

/// Most elements of one value.
const MOST_ELEMENTS: usize = 1 << 28;

/// What the numbers of a constant are; each has a fixed number of bytes, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Single,
    Double,
    /// 64 bits.
    Integer,
    /// 64 bits, 0 or 1; results of comparisons only.
    Boolean,
}

impl Element {
    fn size(self) -> usize {
        if self == Element::Single { 4 } else { 8 }
    }
}

/// A constant, in C order.
#[derive(Clone, Debug)]
pub(super) struct Tensor<'a> {
    pub shape: Vec<usize>,
    pub element: Element,
    bytes: Cow<'a, [u8]>,
}

/// Number of elements, unless it is beyond all measure.
pub(super) fn count(shape: &[usize]) -> Result<usize, Error> {
    let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&n| n <= MOST_ELEMENTS);
    count.map_or_else(|| not_certified(format!("a value of shape {shape:?} is too large")), Ok)
}

impl<'a> Tensor<'a> {
    /// Reads a constant and its name.
    pub fn read(message: &'a [u8]) -> Result<(&'a str, Tensor<'a>), Error> {
        let (mut name, mut kind, mut raw, mut dims) = (None, None, None, Vec::new());
        let (mut singles, mut doubles) = (Cow::Borrowed(&[][..]), Cow::Borrowed(&[][..]));
        let (mut short, mut long) = (Vec::new(), Vec::new());
        for field in Message(message) {
            match field? {
                (1, value) => value.numbers(&mut dims)?,
                (2, value) => once(&mut kind, value.number()?)?,
                (4, Field::Bytes(bytes) | Field::Four(bytes)) => append(&mut singles, bytes),
                (5, value) => value.numbers(&mut short)?,
                (7, value) => value.numbers(&mut long)?,
                (10, Field::Bytes(bytes) | Field::Eight(bytes)) => append(&mut doubles, bytes),
                (8, value) => once(&mut name, value.text()?)?,
                (9, value) => once(&mut raw, value.bytes()?)?,
                (3 | 13, _) | (14, Field::Number(1..)) => return not_certified("weights outside the file, or in segments"),
                _ => {}
            }
        }
        let name = name.unwrap_or_default();
        let sizes = dims.iter().map(|&d| usize::try_from(d).ok()).collect::<Option<Vec<_>>>();
        let Some(shape) = sizes else { return unreadable(format!("tensor `{name}` has a negative dimension")) };
        let wide = |values: &[i64]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let (element, typed, raw) = match kind.unwrap_or(0) {
            1 => (Element::Single, singles, raw.map(Cow::Borrowed)),
            11 => (Element::Double, doubles, raw.map(Cow::Borrowed)),
            7 => (Element::Integer, wide(&long).into(), raw.map(Cow::Borrowed)),
            // Protocol buffers cut to 32 bits.
            6 => {
                let typed: Vec<i64> = short.iter().map(|&v| i64::from(v as i32)).collect();
                (Element::Integer, wide(&typed).into(), raw.map(|raw| wide(&raw.chunks(4).map(short_integer).collect::<Vec<_>>()).into()))
            }
            kind => return not_certified(format!("tensor `{name}` of element type {kind}")),
        };
        // Data stands in one place only.
        let bytes = match raw {
            None => Some(typed),
            Some(raw) => typed.is_empty().then_some(raw),
        };
        match bytes {
            Some(bytes) if bytes.len() == count(&shape)? * element.size() => Ok((name, Tensor { shape, element, bytes })),
            _ => unreadable(format!("the data of tensor `{name}` does not fit its shape {shape:?}")),
        }
    }

    /// A constant of integers.
    pub fn integers(values: &[i64], shape: Vec<usize>) -> Tensor<'static> {
        Tensor { shape, element: Element::Integer, bytes: values.iter().flat_map(|v| v.to_le_bytes()).collect() }
    }

    /// A constant of truth values.
    pub fn booleans(values: &[bool], shape: Vec<usize>) -> Tensor<'static> {
        let values: Vec<i64> = values.iter().map(|&v| v.into()).collect();
        Tensor { element: Element::Boolean, ..Tensor::integers(&values, shape) }
    }

    /// One binary32 number without axes.
    pub fn single(x: f32) -> Tensor<'static> {
        Tensor { shape: Vec::new(), element: Element::Single, bytes: x.to_le_bytes().to_vec().into() }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.element.size()
    }

    /// The element's bytes.
    fn at(&self, i: usize) -> &[u8] {
        &self.bytes[i * self.element.size()..][..self.element.size()]
    }

    /// One number of a constant of floating-point numbers, exactly.
    pub fn float(&self, i: usize) -> f64 {
        match *self.at(i) {
            [a, b, c, d] => f32::from_le_bytes([a, b, c, d]).into(),
            [a, b, c, d, e, f, g, h] => f64::from_le_bytes([a, b, c, d, e, f, g, h]),
            _ => f64::NAN,
        }
    }

    /// One number of a constant that must hold floating-point numbers, exactly.
    pub fn to_float(&self, i: usize) -> Result<f64, Error> {
        match self.element {
            Element::Single | Element::Double => Ok(self.float(i)),
            _ => not_certified("integers where floating-point numbers are expected"),
        }
    }

    /// All truth values; the constant must hold such.
    pub fn to_booleans(&self) -> Result<Vec<bool>, Error> {
        match self.element {
            Element::Boolean => Ok(self.bytes.chunks_exact(8).map(|b| b[0] != 0).collect()),
            _ => not_certified("numbers where truth values are expected"),
        }
    }

    /// All integers; the constant must hold integers.
    pub fn to_integers(&self) -> Result<Vec<i64>, Error> {
        if self.element != Element::Integer {
            return not_certified("floating-point numbers where integers are expected");
        }
        let integer = |b: &[u8]| b.try_into().map_or(0, i64::from_le_bytes);
        Ok(self.bytes.chunks_exact(8).map(integer).collect())
    }

    /// The same elements under another shape of as many.
    pub fn reshaped(self, shape: Vec<usize>) -> Tensor<'a> {
        Tensor { shape, ..self }
    }

    /// The elements `source`, all of which exist, as a constant of this shape.
    pub fn pick(&self, source: &[u32], shape: Vec<usize>) -> Tensor<'static> {
        let bytes = source.iter().flat_map(|&i| self.at(i as usize)).copied().collect();
        Tensor { shape, element: self.element, bytes }
    }

    /// All elements of constants of one element type, one after another.
    pub fn chain(tensors: &[&Tensor]) -> Option<Tensor<'static>> {
        let element = tensors.first()?.element;
        let mut bytes = Vec::new();
        for tensor in tensors {
            bytes.extend_from_slice((tensor.element == element).then_some(&tensor.bytes)?);
        }
        Some(Tensor { shape: vec![bytes.len() / element.size()], element, bytes: bytes.into() })
    }
}

fn append<'a>(to: &mut Cow<'a, [u8]>, bytes: &'a [u8]) {
    if to.is_empty() {
        *to = bytes.into();
    } else {
        to.to_mut().extend_from_slice(bytes);
    }
}

fn short_integer(bytes: &[u8]) -> i64 {
    bytes.try_into().map_or(0, i32::from_le_bytes).into()
}
