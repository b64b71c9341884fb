//! The parts of an ONNX file: protocol-buffer messages, read without copying.

use std::cell::Cell;

use super::tensor::Tensor;
use crate::read::{Error, unreadable};

/// The value of one field of a message.
#[derive(Clone, Copy)]
pub(super) enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Four(&'a [u8]),
    Eight(&'a [u8]),
}

impl<'a> Field<'a> {
    pub fn number(self) -> Result<i64, Error> {
        if let Field::Number(n) = self { Ok(n as i64) } else { wrong_type() }
    }

    pub fn bytes(self) -> Result<&'a [u8], Error> {
        if let Field::Bytes(bytes) = self { Ok(bytes) } else { wrong_type() }
    }

    pub fn text(self) -> Result<&'a str, Error> {
        std::str::from_utf8(self.bytes()?).or_else(|_| unreadable("a name is not UTF-8"))
    }

    /// Appends a repeated integer, packed or not.
    pub fn numbers(self, to: &mut Vec<i64>) -> Result<(), Error> {
        match self {
            Field::Number(n) => to.push(n as i64),
            Field::Bytes(mut packed) => {
                while !packed.is_empty() {
                    to.push(varint(&mut packed)? as i64);
                }
            }
            _ => return wrong_type(),
        }
        Ok(())
    }
}

fn wrong_type<T>() -> Result<T, Error> {
    unreadable("a field of the ONNX file has the wrong wire type")
}

/// The fields of a message, in order.
pub(super) struct Message<'a>(pub &'a [u8]);

impl<'a> Message<'a> {
    fn field(&mut self) -> Result<(u64, Field<'a>), Error> {
        let key = varint(&mut self.0)?;
        let value = match key & 7 {
            0 => Field::Number(varint(&mut self.0)?),
            1 => Field::Eight(self.take(8)?),
            2 => {
                let len = varint(&mut self.0)?;
                Field::Bytes(self.take(len)?)
            }
            5 => Field::Four(self.take(4)?),
            _ => return unreadable("not an ONNX file, or a damaged one: an unknown wire type"),
        };
        Ok((key >> 3, value))
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], Error> {
        let taken = usize::try_from(len).ok().and_then(|len| self.0.split_at_checked(len));
        let Some((taken, rest)) = taken else { return unreadable("the ONNX file ends inside a field") };
        self.0 = rest;
        Ok(taken)
    }
}

impl<'a> Iterator for Message<'a> {
    type Item = Result<(u64, Field<'a>), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Error> {
    let mut value = 0;
    for (i, &byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 127) << (7 * i);
        if byte < 128 {
            if i == 9 && byte > 1 {
                break;
            }
            *bytes = &bytes[i + 1..];
            return Ok(value);
        }
    }
    unreadable("the ONNX file ends inside a number, or a number has more than 64 bits")
}

/// Sets a field that stands at most once.
pub(super) fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Error> {
    if place.replace(value).is_some() { unreadable("a field of the ONNX file stands twice") } else { Ok(()) }
}

/// The file.
pub(super) struct Model<'a> {
    /// Version of the standard operators.
    pub opset: i64,
    pub nodes: Vec<NodeProto<'a>>,
    pub tensors: Vec<(&'a str, Tensor<'a>)>,
    pub inputs: Vec<Input<'a>>,
    pub outputs: Vec<&'a str>,
}

/// An operator applied to values.
#[derive(Default)]
pub(super) struct NodeProto<'a> {
    pub name: Option<&'a str>,
    pub operator: Option<&'a str>,
    pub domain: Option<&'a str>,
    pub inputs: Vec<&'a str>,
    pub outputs: Vec<&'a str>,
    pub attributes: Vec<Attribute<'a>>,
}

/// Kinds of attributes.
pub(super) mod kind {
    pub const FLOAT: i64 = 1;
    pub const INT: i64 = 2;
    pub const TEXT: i64 = 3;
    pub const TENSOR: i64 = 4;
    pub const INTS: i64 = 7;
}

/// A parameter of a node.
#[derive(Default)]
pub(super) struct Attribute<'a> {
    pub name: Option<&'a str>,
    pub float: Option<f32>,
    pub int: Option<i64>,
    pub text: Option<&'a [u8]>,
    pub tensor: Option<Tensor<'a>>,
    pub ints: Vec<i64>,
    /// Which of them it has, as the file says or else as there is.
    pub kind: Option<i64>,
    /// Somebody has asked for it.
    pub used: Cell<bool>,
}

/// An input of the graph: its name, element type and dimensions, none where the file leaves one open.
#[derive(Default)]
pub(super) struct Input<'a> {
    pub name: Option<&'a str>,
    pub element: Option<i64>,
    pub shape: Vec<Option<i64>>,
}

impl<'a> Model<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Model<'a>, Error> {
        let (mut opset, mut graph) = (None, None);
        for field in Message(bytes) {
            match field? {
                (7, value) => once(&mut graph, value.bytes()?)?,
                (8, value) => read_opset(value.bytes()?, &mut opset)?,
                _ => {}
            }
        }
        let Some(graph) = graph else { return unreadable("not an ONNX file: it holds no graph") };
        let Some(opset) = opset else { return unreadable("the ONNX file names no operator set") };
        let (nodes, tensors, inputs, outputs) = Default::default();
        let mut model = Model { opset, nodes, tensors, inputs, outputs };
        for field in Message(graph) {
            match field? {
                (1, value) => model.nodes.push(NodeProto::read(value.bytes()?)?),
                (5, value) => model.tensors.push(Tensor::read(value.bytes()?)?),
                (11, value) => model.inputs.push(Input::read(value.bytes()?)?),
                (12, value) => model.outputs.push(Input::read(value.bytes()?)?.name.unwrap_or_default()),
                _ => {}
            }
        }
        Ok(model)
    }
}

fn read_opset(bytes: &[u8], opset: &mut Option<i64>) -> Result<(), Error> {
    let (mut domain, mut version) = (None, None);
    for field in Message(bytes) {
        match field? {
            (1, value) => once(&mut domain, value.text()?)?,
            (2, value) => once(&mut version, value.number()?)?,
            _ => {}
        }
    }
    match domain.unwrap_or_default() {
        // Some tools name the same version twice.
        "" | "ai.onnx" if *opset == version => Ok(()),
        "" | "ai.onnx" => once(opset, version.unwrap_or_default()),
        _ => Ok(()),
    }
}

impl<'a> NodeProto<'a> {
    fn read(bytes: &'a [u8]) -> Result<NodeProto<'a>, Error> {
        let mut node = NodeProto::default();
        for field in Message(bytes) {
            match field? {
                (1, value) => node.inputs.push(value.text()?),
                (2, value) => node.outputs.push(value.text()?),
                (3, value) => once(&mut node.name, value.text()?)?,
                (4, value) => once(&mut node.operator, value.text()?)?,
                (5, value) => node.attributes.push(Attribute::read(value.bytes()?)?),
                (7, value) => once(&mut node.domain, value.text()?)?,
                _ => {}
            }
        }
        Ok(node)
    }
}

impl<'a> Attribute<'a> {
    fn read(bytes: &'a [u8]) -> Result<Attribute<'a>, Error> {
        let mut attribute = Attribute::default();
        for field in Message(bytes) {
            match field? {
                (1, value) => once(&mut attribute.name, value.text()?)?,
                (2, Field::Four(&[a, b, c, d])) => once(&mut attribute.float, f32::from_le_bytes([a, b, c, d]))?,
                (3, value) => once(&mut attribute.int, value.number()?)?,
                (4, value) => once(&mut attribute.text, value.bytes()?)?,
                (5, value) => once(&mut attribute.tensor, Tensor::read(value.bytes()?)?.1)?,
                (8, value) => value.numbers(&mut attribute.ints)?,
                (20, value) => once(&mut attribute.kind, value.number()?)?,
                _ => {}
            }
        }
        let Attribute { float, int, text, tensor, .. } = &attribute;
        let there = match (float, int, text, tensor) {
            (Some(_), None, None, None) => kind::FLOAT,
            (None, Some(_), None, None) => kind::INT,
            (None, None, Some(_), None) => kind::TEXT,
            (None, None, None, Some(_)) => kind::TENSOR,
            _ => kind::INTS,
        };
        attribute.kind.get_or_insert(there);
        Ok(attribute)
    }
}

impl<'a> Input<'a> {
    fn read(bytes: &'a [u8]) -> Result<Input<'a>, Error> {
        let mut input = Input::default();
        for field in Message(bytes) {
            match field? {
                (1, value) => once(&mut input.name, value.text()?)?,
                (2, value) => input.read_type(value.bytes()?)?,
                _ => {}
            }
        }
        Ok(input)
    }

    fn read_type(&mut self, bytes: &'a [u8]) -> Result<(), Error> {
        let mut tensor = None;
        for field in Message(bytes) {
            if let (1, value) = field? {
                once(&mut tensor, value.bytes()?)?;
            }
        }
        let mut shape = None;
        for field in Message(tensor.unwrap_or_default()) {
            match field? {
                (1, value) => once(&mut self.element, value.number()?)?,
                (2, value) => once(&mut shape, value.bytes()?)?,
                _ => {}
            }
        }
        for field in Message(shape.unwrap_or_default()) {
            if let (1, value) = field? {
                let mut size = None;
                for field in Message(value.bytes()?) {
                    if let (1, value) = field? {
                        once(&mut size, value.number()?)?;
                    }
                }
                self.shape.push(size);
            }
        }
        Ok(())
    }
}
