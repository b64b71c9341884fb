//! Constant tensors in every encoding that ONNX has, decoded once.

use prost::bytes::Bytes;

use super::proto::{TensorProto, element};
use crate::numerics::Numbers;

/// Most elements of a value that the network computes: larger ones are refused before anything is allocated for them.
pub const MOST_ELEMENTS: usize = 1 << 24;
/// Most elements of a stored constant; its bytes must be there before anything is allocated.
const MOST_STORED: usize = 1 << 30;

/// Elements of a constant.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// binary32, also where 16-bit floats have been widened (exactly).
    F32(Vec<f32>),
    /// binary32 as the bytes of the file: large weights are never copied whole.
    RawF32(Bytes),
    /// binary64.
    F64(Vec<f64>),
    /// Any integer type.
    Int(Vec<i64>),
    /// Truth values, 0 or 1.
    Bool(Vec<i64>),
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Dimensions.
    pub shape: Vec<usize>,
    /// Elements in C order, as many as the shape says.
    pub data: Data,
}

impl Tensor {
    /// A vector of integers.
    pub fn integers(values: Vec<i64>) -> Tensor {
        Tensor { shape: vec![values.len()], data: Data::Int(values) }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match &self.data {
            Data::F32(v) => v.len(),
            Data::RawF32(b) => b.len() / 4,
            Data::F64(v) => v.len(),
            Data::Int(v) | Data::Bool(v) => v.len(),
        }
    }

    /// True if the elements are integers or truth values.
    pub fn is_integer(&self) -> bool {
        matches!(self.data, Data::Int(_) | Data::Bool(_))
    }

    /// Element `i` as a float (exact for floats, and for integers below 2^53).
    #[inline]
    pub fn at(&self, i: usize) -> f64 {
        match &self.data {
            Data::F32(v) => v[i] as f64,
            Data::RawF32(b) => raw_f32(b, i) as f64,
            Data::F64(v) => v[i],
            Data::Int(v) | Data::Bool(v) => v[i] as f64,
        }
    }

    /// The elements as integers.
    pub fn ints(&self) -> Result<&[i64], String> {
        match &self.data {
            Data::Int(v) | Data::Bool(v) => Ok(v),
            _ => Err("expected integers, found floats".into()),
        }
    }

    /// The elements as stored constants of an operator.
    pub fn numbers(&self) -> Result<Numbers, String> {
        match &self.data {
            Data::F32(v) => Ok(Numbers::F32(v.clone())),
            Data::RawF32(b) => Ok(Numbers::F32((0..self.len()).map(|i| raw_f32(b, i)).collect())),
            Data::F64(v) => Ok(Numbers::F64(v.clone())),
            Data::Int(_) | Data::Bool(_) => Err("expected floats, found integers".into()),
        }
    }

    /// The elements picked by `indices`, in a new shape; `None` picks zero.
    pub fn pick(&self, indices: impl Iterator<Item = Option<usize>>, shape: Vec<usize>) -> Tensor {
        let data = match &self.data {
            Data::F32(v) => Data::F32(indices.map(|i| i.map_or(0.0, |i| v[i])).collect()),
            Data::RawF32(b) => Data::F32(indices.map(|i| i.map_or(0.0, |i| raw_f32(b, i))).collect()),
            Data::F64(v) => Data::F64(indices.map(|i| i.map_or(0.0, |i| v[i])).collect()),
            Data::Int(v) => Data::Int(indices.map(|i| i.map_or(0, |i| v[i])).collect()),
            Data::Bool(v) => Data::Bool(indices.map(|i| i.map_or(0, |i| v[i])).collect()),
        };
        Tensor { shape, data }
    }

    /// Calls `visit(index, element)` for every element that is not zero.
    pub fn for_each_nonzero(&self, mut visit: impl FnMut(usize, f64)) {
        match &self.data {
            // The common case of large mostly-zero weights: no bounds check, no branch on the encoding per element.
            Data::RawF32(b) => {
                for (i, c) in b.as_chunks::<4>().0.iter().enumerate() {
                    let x = f32::from_le_bytes(*c);
                    if x != 0.0 {
                        visit(i, x as f64);
                    }
                }
            }
            _ => (0..self.len()).map(|i| (i, self.at(i))).filter(|(_, x)| *x != 0.0).for_each(|(i, x)| visit(i, x)),
        }
    }

    fn first_non_finite(&self) -> Option<usize> {
        match &self.data {
            Data::F32(v) => v.iter().position(|x| !x.is_finite()),
            Data::RawF32(b) => b.as_chunks::<4>().0.iter().position(|c| !f32::from_le_bytes(*c).is_finite()),
            Data::F64(v) => v.iter().position(|x| !x.is_finite()),
            Data::Int(_) | Data::Bool(_) => None,
        }
    }
}

#[inline]
fn raw_f32(bytes: &Bytes, i: usize) -> f32 {
    f32::from_le_bytes([bytes[4 * i], bytes[4 * i + 1], bytes[4 * i + 2], bytes[4 * i + 3]])
}

/// Product of dimensions, refused above [`MOST_ELEMENTS`]; no product of some of the dimensions is larger either.
pub fn element_count(shape: &[usize]) -> Result<usize, String> {
    product_within(shape, MOST_ELEMENTS)
}

fn product_within(shape: &[usize], limit: usize) -> Result<usize, String> {
    let most = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d.max(1)).filter(|&n| n <= limit));
    let most = most.ok_or_else(|| format!("shape {shape:?} has more than {limit} elements"))?;
    Ok(if shape.contains(&0) { 0 } else { most })
}

/// Decodes a stored tensor; `external` fetches the bytes of one that lies in another file.
pub fn decode(proto: &TensorProto, external: &dyn Fn(&TensorProto) -> Result<Bytes, String>) -> Result<Tensor, String> {
    let shape = proto.dims.iter().map(|&d| usize::try_from(d).map_err(|_| format!("negative dimension in {:?}", proto.dims)));
    let shape = shape.collect::<Result<Vec<usize>, String>>()?;
    let count = product_within(&shape, MOST_STORED)?;
    let raw = if proto.data_location == Some(1) { Some(external(proto)?) } else { proto.raw_data.clone() };
    let data = match raw {
        Some(bytes) if !(bytes.is_empty() && count > 0) => from_raw(&bytes, proto.data_type(), count)?,
        _ => from_fields(proto)?,
    };
    let tensor = Tensor { shape, data };
    if tensor.len() != count {
        return Err(format!("shape {:?} needs {count} elements, {} are stored", proto.dims, tensor.len()));
    }
    match tensor.first_non_finite() {
        Some(i) => Err(format!("element {i} is {}, expected a finite number", tensor.at(i))),
        None => Ok(tensor),
    }
}

fn from_raw(bytes: &Bytes, code: i32, count: usize) -> Result<Data, String> {
    let width = match code {
        element::FLOAT | element::INT32 | element::UINT32 => 4,
        element::DOUBLE | element::INT64 | element::UINT64 => 8,
        element::FLOAT16 | element::BFLOAT16 | element::INT16 | element::UINT16 => 2,
        element::INT8 | element::UINT8 | element::BOOL => 1,
        _ => return Err(unsupported(code)),
    };
    if bytes.len() != count * width {
        return Err(format!("{} bytes stored, {count} elements of {} need {}", bytes.len(), element::name(code), count * width));
    }
    let words = bytes.chunks_exact(width);
    Ok(match code {
        element::FLOAT => Data::RawF32(bytes.clone()),
        element::DOUBLE => Data::F64(words.map(|w| f64::from_bits(word(w))).collect()),
        element::FLOAT16 => Data::F32(words.map(|w| widen_f16(word(w) as u16)).collect()),
        element::BFLOAT16 => Data::F32(words.map(|w| widen_bf16(word(w) as u16)).collect()),
        element::INT8 => Data::Int(words.map(|w| word(w) as i8 as i64).collect()),
        element::INT16 => Data::Int(words.map(|w| word(w) as i16 as i64).collect()),
        element::INT32 => Data::Int(words.map(|w| word(w) as i32 as i64).collect()),
        element::INT64 => Data::Int(words.map(|w| word(w) as i64).collect()),
        element::BOOL => Data::Bool(words.map(|w| (word(w) != 0) as i64).collect()),
        _ => Data::Int(words.map(|w| unsigned(word(w))).collect::<Result<_, _>>()?),
    })
}

/// Little-endian bytes, at most eight, as an unsigned number.
fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |w, &b| w << 8 | b as u64)
}

fn unsigned(x: u64) -> Result<i64, String> {
    i64::try_from(x).map_err(|_| format!("integer {x} is above 2^63 - 1"))
}

fn from_fields(proto: &TensorProto) -> Result<Data, String> {
    let small = proto.int32_data.iter();
    Ok(match proto.data_type() {
        element::FLOAT => Data::F32(proto.float_data.clone()),
        element::DOUBLE => Data::F64(proto.double_data.clone()),
        element::FLOAT16 => Data::F32(small.map(|&b| widen_f16(b as u16)).collect()),
        element::BFLOAT16 => Data::F32(small.map(|&b| widen_bf16(b as u16)).collect()),
        element::BOOL => Data::Bool(small.map(|&b| (b != 0) as i64).collect()),
        element::INT8 | element::UINT8 | element::INT16 | element::UINT16 | element::INT32 => Data::Int(small.map(|&b| b as i64).collect()),
        element::INT64 => Data::Int(proto.int64_data.clone()),
        element::UINT32 | element::UINT64 => Data::Int(proto.uint64_data.iter().map(|&x| unsigned(x)).collect::<Result<_, _>>()?),
        code => return Err(unsupported(code)),
    })
}

fn unsupported(code: i32) -> String {
    format!("element type {} is not supported (float16, bfloat16, float32, float64, integers and bool are)", element::name(code))
}

fn widen_bf16(bits: u16) -> f32 {
    f32::from_bits((bits as u32) << 16)
}

/// IEEE binary16 to binary32, exact.
fn widen_f16(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = ((bits >> 10 & 0x1f) as i32, (bits & 0x3ff) as f32);
    match exponent {
        0 => sign * fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1024.0 + fraction) * 2f32.powi(exponent - 25),
    }
}
