//! Assignments as ONNX `TensorProto` files, as the VNN-LIB command line's `--serialise-assignments` asks for.

use super::{DeclaredElement, Variable};
use crate::numerics::Decimal;

/// A variable whose type cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("variable `{variable}`: elements of type {element} cannot be serialised; float32, float64 and real can")]
pub struct SerialiseError {
    /// The variable's name.
    pub variable: String,
    /// Its element type as written.
    pub element: String,
}

/// Field numbers and element types of `TensorProto` in onnx.proto.
mod field {
    pub const DIMS: u64 = 1;
    pub const DATA_TYPE: u64 = 2;
    pub const NAME: u64 = 8;
    pub const RAW_DATA: u64 = 9;
    pub const FLOAT: u64 = 1;
    pub const DOUBLE: u64 = 11;
}

/// The values of one variable as the bytes of a `TensorProto`; `real` elements are rounded to the nearest double.
pub fn tensor_proto(variable: &Variable, values: &[Decimal]) -> Result<Vec<u8>, SerialiseError> {
    let (data_type, raw): (u64, Vec<u8>) = match DeclaredElement::named(&variable.element) {
        DeclaredElement::Float32 => (field::FLOAT, values.iter().flat_map(|x| x.to_f32().to_le_bytes()).collect()),
        DeclaredElement::Float64 | DeclaredElement::Real => (field::DOUBLE, values.iter().flat_map(|x| x.to_f64().to_le_bytes()).collect()),
        DeclaredElement::Other(element) => return Err(SerialiseError { variable: variable.name.clone(), element }),
    };
    let mut bytes = Vec::with_capacity(raw.len() + variable.name.len() + 64);
    for &dimension in &variable.shape {
        push_varint(&mut bytes, field::DIMS << 3);
        push_varint(&mut bytes, dimension as u64);
    }
    push_varint(&mut bytes, field::DATA_TYPE << 3);
    push_varint(&mut bytes, data_type);
    push_bytes(&mut bytes, field::NAME, variable.name.as_bytes());
    push_bytes(&mut bytes, field::RAW_DATA, &raw);
    Ok(bytes)
}

/// A field of wire type 2: its length, then its bytes.
fn push_bytes(to: &mut Vec<u8>, number: u64, content: &[u8]) {
    push_varint(to, number << 3 | 2);
    push_varint(to, content.len() as u64);
    to.extend_from_slice(content);
}

/// Seven bits per byte, lowest first, the top bit set on all but the last.
fn push_varint(to: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        to.push(n as u8 | 0x80);
        n >>= 7;
    }
    to.push(n as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::VariableKind;

    fn variable(element: &str) -> Variable {
        Variable { name: "X".into(), kind: VariableKind::Input, element: element.into(), shape: vec![1, 300] }
    }

    #[test]
    fn a_tensor_has_shape_type_name_and_little_endian_data() {
        let values: Vec<Decimal> = std::iter::repeat_n("0.1".parse().unwrap(), 300).collect();
        let bytes = tensor_proto(&variable("float32"), &values).unwrap();
        assert_eq!(bytes[..10], [0x08, 1, 0x08, 0xac, 0x02, 0x10, 1, 0x42, 1, b'X']);
        assert_eq!(bytes[10..13], [0x4a, 0xb0, 0x09]);
        assert_eq!(bytes[13..17], 0.1f32.to_le_bytes());
        assert_eq!(bytes.len(), 13 + 1200);
        assert_eq!(tensor_proto(&variable("real"), &values).unwrap()[6], 11);
        assert!(tensor_proto(&variable("int8"), &values).is_err());
    }
}
