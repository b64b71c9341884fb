//! A network inside a certificate: TorchLean's graph dialect with the weights beside the nodes.
//!
//! `{"nodes": [{"id", "parents", "kind", "outShape", ...}], "output"?: id}`. Weights are the binary64 numbers nearest to those written.

use engine::graph::{Element, Graph, NodeId};
use engine::numerics::Numbers;
use engine::ops::{
    Abs, Affine, Bilinear, Conv, Curve, Dense, Exp, Extreme, Extremum, General, Operation, Relu, Scalar, Selection, Sigmoid,
};
use engine::ops::{Softmax, Softplus, Spread, Sum, Tanh, Wave, Window};

use super::LayerNorm;
use crate::ExchangeError;
use crate::json::Field;

/// Most elements of a value.
const LARGEST: usize = 1 << 20;
/// Most nodes.
const MOST_NODES: usize = 1 << 16;
/// The epsilon of TorchLean's layer normalisation.
pub const EPSILON: f64 = 1e-6;

/// Members that every node may have.
const COMMON: [&str; 4] = ["id", "parents", "kind", "outShape"];

/// Reads a graph. Every node reads earlier ones only, so there are no cycles.
pub fn read(field: &Field) -> Result<Graph, ExchangeError> {
    field.only(&["nodes", "output"])?;
    let list = field.member("nodes")?;
    let nodes = list.elements()?;
    if nodes.is_empty() || nodes.len() > MOST_NODES {
        return Err(list.expected(format!("from 1 to {MOST_NODES} nodes")));
    }
    let mut graph = Graph::new(Element::F64);
    for (id, node) in nodes.iter().enumerate() {
        node.member("id")?
            .natural(usize::MAX)
            .ok()
            .filter(|&own| own == id)
            .ok_or_else(|| node.expected(format!("a node with id {id}")))?;
        add(&mut graph, node, id)?;
    }
    let output = match field.optional("output")? {
        Some(output) => output.natural(nodes.len() - 1)?,
        None => nodes.len() - 1,
    };
    graph.outputs.push(output);
    match graph.inputs.is_empty() {
        true => Err(list.expected("a node of kind `input`")),
        false => Ok(graph),
    }
}

fn add(graph: &mut Graph, node: &Field, id: NodeId) -> Result<(), ExchangeError> {
    let shape = shape(&node.member("outShape")?)?;
    let parents = node.member("parents")?;
    let before = |p: &Field| match p.natural(usize::MAX) {
        Ok(parent) if parent < id => Ok(parent),
        _ => Err(p.expected(format!("a node before {id}"))),
    };
    let operands: Vec<NodeId> = parents.elements()?.iter().map(before).collect::<Result<_, _>>()?;
    let (kind, name) = (node.member("kind")?, format!("node{id}"));
    if kind.text()? == "input" {
        node.only(&COMMON)?;
        graph.add_input(&name, &shape);
        return if operands.is_empty() { Ok(()) } else { Err(parents.expected("no parents of an input")) };
    }
    let shapes: Vec<Vec<usize>> = operands.iter().map(|&p| graph.nodes[p].shape.clone()).collect();
    let reader = Reader { node, kind: kind.text()?, shape: &shape, shapes: &shapes };
    let operation = reader.operation()?;
    graph.add(&name, operation, &operands, &shape).map_err(|e| node.expected(format!("operands that fit ({e})")))?;
    Ok(())
}

fn shape(field: &Field) -> Result<Vec<usize>, ExchangeError> {
    let dims: Vec<usize> = field.elements()?.iter().map(|d| d.positive(LARGEST)).collect::<Result<_, _>>()?;
    let count = dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    match count.is_some_and(|n| n <= LARGEST) && dims.len() <= 8 {
        true => Ok(dims),
        false => Err(field.expected(format!("at most 8 dimensions and {LARGEST} elements"))),
    }
}

/// One node and what its parents look like.
struct Reader<'a> {
    node: &'a Field<'a>,
    kind: &'a str,
    shape: &'a [usize],
    shapes: &'a [Vec<usize>],
}

fn affine(op: impl Affine + 'static) -> Operation {
    Operation::Affine(Box::new(op))
}

fn scalar(op: impl Scalar + 'static) -> Operation {
    Operation::Scalar(Box::new(op))
}

fn general(op: impl General + 'static) -> Operation {
    Operation::General(Box::new(op))
}

impl Reader<'_> {
    fn operation(&self) -> Result<Operation, ExchangeError> {
        let kind = self.kind;
        let fits = |result: Result<Operation, String>| result.map_err(|e| self.node.expected(format!("operands that fit `{kind}` ({e})")));
        let function = match kind {
            "relu" => scalar(Relu),
            "sigmoid" => scalar(Curve(Sigmoid)),
            "tanh" => scalar(Curve(Tanh)),
            "exp" => scalar(Curve(Exp)),
            "abs" => scalar(Abs),
            "softplus" => scalar(Curve(Softplus)),
            "sin" => scalar(Curve(Wave::Sin)),
            "cos" => scalar(Curve(Wave::Cos)),
            "linear" | "matmul" if self.shapes.len() == 1 => return self.dense(),
            "conv2d" => return self.conv(),
            "const" => return self.constant(),
            "softmax" => {
                self.node.only(&[&COMMON[..], &["axis"]].concat())?;
                return fits(Softmax::new(self.shape, self.node.member("axis")?.natural(8)?).map(general));
            }
            "layernorm" => {
                self.node.only(&[&COMMON[..], &["axis", "epsilon"]].concat())?;
                let epsilon = self.node.optional("epsilon")?.map_or(Ok(EPSILON), |e| e.number().map(|n| n.exact.to_f64()))?;
                return fits(LayerNorm::new(self.shape, self.node.member("axis")?.natural(8)?, epsilon).map(general));
            }
            _ => return self.plain().and_then(fits),
        };
        self.node.only(&COMMON)?;
        Ok(function)
    }

    /// Kinds without further members.
    fn plain(&self) -> Result<Result<Operation, String>, ExchangeError> {
        self.node.only(&COMMON)?;
        let parts: Vec<&[usize]> = self.shapes.iter().map(Vec::as_slice).collect();
        let sizes: Vec<usize> = parts.iter().map(|s| s.iter().product()).collect();
        let equal = |op: Result<Operation, String>| match &parts[..] {
            [a, b] if a == b => op,
            _ => Err(format!("{} takes two operands of one shape", self.kind)),
        };
        let sum = |negative: bool| {
            let spread = |n: &usize| Spread::same(*n);
            Sum::new(if negative { "Sub" } else { "Add" }, sizes.iter().enumerate().map(|(k, n)| (spread(n), negative && k == 1)).collect())
        };
        Ok(match (self.kind, &parts[..]) {
            ("add", _) => equal(sum(false).map(affine)),
            ("sub", _) => equal(sum(true).map(affine)),
            ("mul_elem", [a, b]) => equal(Bilinear::product(a, b).map(general)),
            ("max_elem", _) => equal(Extremum::new(Extreme::Max, &parts).map(general)),
            ("min_elem", _) => equal(Extremum::new(Extreme::Min, &parts).map(general)),
            ("matmul", [a, b]) => Bilinear::matrix(a, b).map(general),
            ("reshape" | "flatten" | "detach", [_]) => Ok(affine(Selection::same("Reshape", sizes[0]))),
            ("sum", [_]) => Dense::new("Sum", sizes[0], 1, Numbers::F64(vec![1.0; sizes[0]]), None).map(affine),
            _ => {
                let kinds = "input, const, linear, matmul, conv2d, add, sub, mul_elem, max_elem, min_elem, relu, sigmoid, tanh, exp, abs, \
                             softplus, sin, cos, softmax, layernorm, reshape, flatten, detach, sum";
                return Err(self.node.member("kind")?.expected(format!("one of {kinds}, with the number of parents it takes")));
            }
        })
    }

    fn numbers(&self, field: &Field, n: usize) -> Result<Numbers, ExchangeError> {
        Ok(Numbers::F64(field.numbers(n)?.iter().map(|x| x.exact.to_f64()).collect()))
    }

    fn constant(&self) -> Result<Operation, ExchangeError> {
        self.node.only(&[&COMMON[..], &["value"]].concat())?;
        Ok(Operation::Constant(self.numbers(&self.node.member("value")?, self.shape.iter().product())?))
    }

    fn dense(&self) -> Result<Operation, ExchangeError> {
        self.node.only(&[&COMMON[..], &["weight", "bias"]].concat())?;
        let (inputs, outputs) = (self.shapes[0].iter().product(), self.shape.iter().product());
        let weight = self.node.member("weight")?.matrix(outputs, inputs)?;
        let weights = Numbers::F64(weight.iter().map(|x| x.exact.to_f64()).collect());
        let bias = self.node.optional("bias")?.map(|b| self.numbers(&b, outputs)).transpose()?;
        Dense::new("Gemm", inputs, outputs, weights, bias).map(affine).map_err(|e| self.node.expected(e))
    }

    /// One stride and one padding for both axes; weights `[out][in][rows][columns]`, one bias per output channel.
    fn conv(&self) -> Result<Operation, ExchangeError> {
        self.node.only(&[&COMMON[..], &["weight", "bias", "stride", "padding"]].concat())?;
        let ([[channels, height, width]], [filters, rows, columns]) =
            (&self.shapes.iter().filter_map(|s| <[usize; 3]>::try_from(s.as_slice()).ok()).collect::<Vec<_>>()[..], self.shape)
        else {
            return Err(self.node.expected("shapes of channels, rows and columns"));
        };
        let size = |name: &str, usual: usize| self.node.optional(name)?.map_or(Ok(usual), |f| f.natural(1 << 20));
        let (stride, padding) = (size("stride", 1)?, size("padding", 0)?);
        let weight = self.node.member("weight")?;
        let (kernel, weights) = kernel(&weight, *filters, *channels)?;
        let along = |size: usize, k: usize| (size + 2 * padding).checked_sub(k).filter(|_| stride > 0).map(|room| room / stride + 1);
        if [along(*height, kernel[0]), along(*width, kernel[1])] != [Some(*rows), Some(*columns)] {
            return Err(self.node.expected("an outShape of floor((size + 2 padding - kernel) / stride) + 1 rows and columns"));
        }
        let window = Window {
            input: [*height, *width],
            output: [*rows, *columns],
            kernel,
            strides: [stride; 2],
            dilations: [1; 2],
            pads: [padding; 2],
        };
        let each = self.node.optional("bias")?.map(|b| b.numbers(*filters)).transpose()?;
        let bias = each.map(|b| Numbers::F64((0..filters * rows * columns).map(|o| b[o / (rows * columns)].exact.to_f64()).collect()));
        let conv = Conv::new("Conv", window, [*channels, *filters], 1, Numbers::F64(weights)).and_then(|c| c.with_bias(bias));
        conv.map(affine).map_err(|e| self.node.expected(e))
    }
}

/// Rows and columns of a kernel, and its numbers in order.
fn kernel(weight: &Field, filters: usize, channels: usize) -> Result<([usize; 2], Vec<f64>), ExchangeError> {
    let (mut size, mut all) = (None, Vec::new());
    for filter in weight.exactly(filters)? {
        for plane in filter.exactly(channels)? {
            let rows = plane.elements()?;
            let columns = rows.first().map_or(Ok(0), |r| r.elements().map(|e| e.len()))?;
            let own = [rows.len(), columns];
            if own.contains(&0) || *size.get_or_insert(own) != own {
                return Err(plane.expected("a kernel of the same positive size as the others"));
            }
            all.extend(plane.matrix(own[0], own[1])?.iter().map(|x| x.exact.to_f64()));
        }
    }
    size.map(|s| (s, all)).ok_or_else(|| weight.expected("at least one kernel"))
}
