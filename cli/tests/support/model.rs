//! Writes ONNX files, field by field of the protocol buffer.

/// A network under construction.
#[derive(Clone, Default)]
pub struct Model {
    nodes: Vec<Vec<u8>>,
    initializers: Vec<Vec<u8>>,
    inputs: Vec<Vec<u8>>,
    outputs: Vec<Vec<u8>>,
}

/// An attribute of a node.
pub enum Attribute<'a> {
    /// An integer.
    Int(&'a str, i64),
    /// A float.
    Float(&'a str, f32),
    /// Integers.
    Ints(&'a str, &'a [i64]),
}

impl Model {
    /// A network with input `X` of this shape.
    pub fn new(shape: &[usize]) -> Model {
        Model { inputs: vec![value_info("X", shape)], ..Model::default() }
    }

    /// Adds a float32 constant.
    pub fn constant(mut self, name: &str, shape: &[usize], values: &[f32]) -> Model {
        let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let mut tensor: Vec<u8> = shape.iter().flat_map(|&d| int(1, d as u64)).collect();
        tensor.extend([int(2, 1), bytes(8, name.as_bytes()), bytes(9, &raw)].concat());
        self.initializers.push(tensor);
        self
    }

    /// Adds a node; it is named after its output.
    pub fn node(mut self, operator: &str, inputs: &[&str], output: &str, attributes: &[Attribute]) -> Model {
        let mut node: Vec<u8> = inputs.iter().flat_map(|name| bytes(1, name.as_bytes())).collect();
        node.extend([bytes(2, output.as_bytes()), bytes(3, output.as_bytes()), bytes(4, operator.as_bytes())].concat());
        node.extend(attributes.iter().flat_map(|a| bytes(5, &attribute(a))));
        self.nodes.push(node);
        self
    }

    /// Adds `output = Gemm(input, W, B)` with `W` given row by row, one row per output.
    pub fn gemm(self, input: &str, output: &str, rows: &[&[f32]], bias: &[f32]) -> Model {
        let (w, b) = (format!("{output}_W"), format!("{output}_B"));
        let model = self.constant(&w, &[rows.len(), rows[0].len()], &rows.concat());
        match bias {
            [] => model.node("Gemm", &[input, &w], output, &[Attribute::Int("transB", 1)]),
            _ => model.constant(&b, &[rows.len()], bias).node("Gemm", &[input, &w, &b], output, &[Attribute::Int("transB", 1)]),
        }
    }

    /// Adds a node without attributes.
    pub fn apply(self, operator: &str, inputs: &[&str], output: &str) -> Model {
        self.node(operator, inputs, output, &[])
    }

    /// Declares an output.
    pub fn output(mut self, name: &str, shape: &[usize]) -> Model {
        self.outputs.push(value_info(name, shape));
        self
    }

    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        let part = |number: u64, parts: &[Vec<u8>]| parts.iter().flat_map(|p| bytes(number, p)).collect::<Vec<u8>>();
        let named = bytes(2, b"graph");
        let graph = [part(1, &self.nodes), named, part(5, &self.initializers), part(11, &self.inputs), part(12, &self.outputs)].concat();
        [int(1, 8), bytes(7, &graph), bytes(8, &int(2, 13))].concat()
    }
}

fn attribute(attribute: &Attribute) -> Vec<u8> {
    match attribute {
        Attribute::Int(name, value) => [bytes(1, name.as_bytes()), int(3, *value as u64), int(20, 2)].concat(),
        Attribute::Float(name, value) => [bytes(1, name.as_bytes()), varint(2 << 3 | 5), value.to_le_bytes().to_vec(), int(20, 1)].concat(),
        Attribute::Ints(name, values) => {
            let values: Vec<u8> = values.iter().flat_map(|&v| int(8, v as u64)).collect();
            [bytes(1, name.as_bytes()), values, int(20, 7)].concat()
        }
    }
}

fn value_info(name: &str, shape: &[usize]) -> Vec<u8> {
    let dimensions: Vec<u8> = shape.iter().flat_map(|&d| bytes(1, &int(1, d as u64))).collect();
    let tensor = [int(1, 1), bytes(2, &dimensions)].concat();
    [bytes(1, name.as_bytes()), bytes(2, &bytes(1, &tensor))].concat()
}

fn int(number: u64, value: u64) -> Vec<u8> {
    [varint(number << 3), varint(value)].concat()
}

fn bytes(number: u64, content: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = vec![];
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
