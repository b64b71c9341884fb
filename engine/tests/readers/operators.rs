//! Single operators with random attributes, written with the engine's messages: both readers compute the same.

use std::collections::BTreeMap;
use std::path::Path;

use engine::input::onnx::load_model;
use engine::input::onnx::proto::*;
use prost::Message;

use crate::random;

pub struct Random(pub u64);

impl Random {
    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        random(&mut self.0) as usize % n
    }

    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as usize) as i64
    }

    pub fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    pub fn shape(&mut self, rank: usize) -> Vec<i64> {
        (0..rank).map(|_| self.between(1, 4)).collect()
    }

    pub fn floats(&mut self, count: i64) -> Vec<f32> {
        (0..count).map(|_| self.between(-40, 40) as f32 / 8.0).collect()
    }
}

/// A model of one node that reads `x`, of `shape`, and constants `c0`, `c1`, ...
pub struct Trial {
    pub operator: &'static str,
    pub shape: Vec<i64>,
    /// Shape of a second input `z`.
    pub second: Option<Vec<i64>>,
    pub constants: Vec<TensorProto>,
    /// Names of the operands; by default `x` and then all constants.
    pub operands: Option<Vec<String>>,
    pub attributes: Vec<AttributeProto>,
    pub outputs: usize,
    pub opset: i64,
}

pub fn trial(operator: &'static str, shape: Vec<i64>) -> Trial {
    Trial { operator, shape, second: None, constants: vec![], operands: None, attributes: vec![], outputs: 1, opset: 13 }
}

impl Trial {
    pub fn constant(mut self, dims: &[i64], values: Vec<f32>) -> Trial {
        let name = Some(format!("c{}", self.constants.len()));
        let raw = values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        let tensor = TensorProto { name, dims: dims.into(), data_type: Some(element::FLOAT), ..Default::default() };
        self.constants.push(match values.len().is_multiple_of(2) {
            true => TensorProto { raw_data: Some(raw.into()), ..tensor },
            false => TensorProto { float_data: values, ..tensor },
        });
        self
    }

    pub fn integers(mut self, values: &[i64]) -> Trial {
        let name = Some(format!("c{}", self.constants.len()));
        let (dims, int64_data) = (vec![values.len() as i64], values.to_vec());
        self.constants.push(TensorProto { name, dims, data_type: Some(element::INT64), int64_data, ..Default::default() });
        self
    }

    pub fn with(mut self, name: &str, set: impl FnOnce(&mut AttributeProto)) -> Trial {
        let mut attribute = AttributeProto { name: Some(name.into()), ..Default::default() };
        set(&mut attribute);
        self.attributes.push(attribute);
        self
    }

    pub fn int(self, name: &str, value: i64) -> Trial {
        self.with(name, |a| a.i = Some(value))
    }

    pub fn ints(self, name: &str, values: &[i64]) -> Trial {
        self.with(name, |a| a.ints = values.into())
    }

    fn model(&self) -> ModelProto {
        let info = |name: &str, dims: &[i64]| {
            let dim = dims.iter().map(|&d| DimensionProto { dim_value: Some(d), dim_param: None }).collect();
            let tensor_type = Some(TensorTypeProto { elem_type: Some(element::FLOAT), shape: Some(TensorShapeProto { dim }) });
            ValueInfoProto { name: Some(name.into()), r#type: Some(TypeProto { tensor_type }) }
        };
        let constants = self.constants.iter().map(|c| c.name.clone().unwrap());
        let operands = self.operands.clone().unwrap_or_else(|| std::iter::once("x".into()).chain(constants).collect());
        let outputs: Vec<String> = (0..self.outputs).map(|k| format!("y{k}")).collect();
        let node = NodeProto {
            input: operands,
            output: outputs.clone(),
            name: Some("node".into()),
            op_type: Some(self.operator.into()),
            attribute: self.attributes.clone(),
            domain: None,
        };
        let graph = GraphProto {
            node: vec![node],
            name: None,
            initializer: self.constants.clone(),
            input: std::iter::once(info("x", &self.shape)).chain(self.second.iter().map(|dims| info("z", dims))).collect(),
            output: outputs.iter().map(|name| info(name, &[])).collect(),
            sparse_initializer: vec![],
        };
        let opset_import = vec![OperatorSetIdProto { domain: None, version: Some(self.opset) }];
        ModelProto { ir_version: Some(8), graph: Some(graph), opset_import }
    }
}

/// Operands in either order.
pub fn swapped(trial: Trial, swap: bool) -> Trial {
    Trial { operands: swap.then(|| vec!["c0".into(), "x".into()]), ..trial }
}

/// A shape that broadcasts with `shape`.
pub fn partner(r: &mut Random, shape: &[i64]) -> Vec<i64> {
    let kept = r.below(shape.len() + 1);
    shape[kept..].iter().map(|&d| if r.flag() { d } else { 1 }).collect()
}

fn windowed(r: &mut Random, operator: &'static str) -> Trial {
    let rank = 1 + r.below(2);
    let groups = if operator == "Conv" { r.between(1, 2) } else { 1 };
    let channels = groups * r.between(1, 3);
    let size: Vec<i64> = (0..rank).map(|_| r.between(3, 7)).collect();
    let kernel: Vec<i64> = (0..rank).map(|_| r.between(1, 3)).collect();
    let mut t = trial(operator, [&[1, channels][..], &size].concat());
    if operator == "Conv" {
        let filters = groups * r.between(1, 2);
        let dims = [&[filters, channels / groups][..], &kernel].concat();
        t = t.int("group", groups).constant(&dims, r.floats(dims.iter().product()));
        if r.flag() {
            t = t.constant(&[filters], r.floats(filters));
        }
    } else {
        t = t.ints("kernel_shape", &kernel);
        t = if r.flag() { t.int("ceil_mode", 1) } else { t };
        t.opset = 19;
    }
    if operator == "AveragePool" && r.flag() {
        t = t.int("count_include_pad", 1);
    }
    if r.flag() {
        t = t.ints("strides", &(0..rank).map(|_| r.between(1, 3)).collect::<Vec<_>>());
    }
    if r.flag() {
        t = t.ints("dilations", &(0..rank).map(|_| r.between(1, 2)).collect::<Vec<_>>());
    }
    match r.below(4) {
        0 => t.ints("pads", &(0..2 * rank).map(|a| r.between(0, kernel[a % rank] - 1)).collect::<Vec<_>>()),
        1 => t.with("auto_pad", |a| a.s = Some("SAME_UPPER".to_string().into())),
        2 => t.with("auto_pad", |a| a.s = Some("SAME_LOWER".to_string().into())),
        _ => t,
    }
}

fn shaped(r: &mut Random, operator: &'static str) -> Trial {
    let rank = 1 + r.below(4);
    let shape = r.shape(rank);
    let axis = r.below(rank);
    let size = shape[axis];
    let t = trial(operator, shape.clone());
    match operator {
        "Transpose" => {
            let mut order: Vec<i64> = (0..rank as i64).collect();
            (1..rank).for_each(|a| order.swap(a, r.below(a + 1)));
            if r.flag() { t.ints("perm", &order) } else { t }
        }
        "Slice" => {
            let (start, end) = (r.between(-size - 1, size), r.between(-size - 1, size + 1));
            let step = [-2, -1, 1, 2, i64::MAX][r.below(5)];
            t.integers(&[start]).integers(&[end]).integers(&[axis as i64]).integers(&[step])
        }
        "Gather" => {
            let indices: Vec<i64> = (0..1 + r.below(3)).map(|_| r.between(-size, size - 1)).collect();
            t.integers(&indices).int("axis", axis as i64 - if r.flag() { rank as i64 } else { 0 })
        }
        "Concat" => {
            let mut other = shape.clone();
            other[axis] = r.between(1, 3);
            let swap = r.flag();
            swapped(t.constant(&other, r.floats(other.iter().product())).int("axis", axis as i64), swap)
        }
        "Split" => {
            let first = r.between(1, size);
            let sizes: Vec<i64> = [first, size - first].into_iter().filter(|&s| s > 0).collect();
            Trial { outputs: sizes.len(), ..t.integers(&sizes).int("axis", axis as i64) }
        }
        "Pad" => {
            let pads: Vec<i64> = (0..2 * rank).map(|a| r.between(if shape[a % rank] > 2 { -1 } else { 0 }, 2)).collect();
            let value = r.floats(1);
            if r.flag() { t.integers(&pads).constant(&[], value) } else { t.integers(&pads) }
        }
        "Expand" => {
            let wanted: Vec<i64> =
                [r.between(1, 2)].into_iter().chain(shape.iter().map(|&d| if d == 1 { r.between(1, 3) } else { d })).collect();
            t.integers(&wanted)
        }
        "ReduceSum" => if r.flag() { t.integers(&[axis as i64]) } else { t }.int("keepdims", r.below(2) as i64),
        _ => if r.flag() { t.ints("axes", &[axis as i64]) } else { t }.int("keepdims", r.below(2) as i64),
    }
}

fn weighted(r: &mut Random, operator: &'static str) -> Trial {
    match operator {
        "Gemm" => {
            let (m, k, n) = (r.between(1, 3), r.between(1, 4), r.between(1, 4));
            let (a, b) = (r.flag(), r.flag());
            let dims = if b { [n, k] } else { [k, n] };
            let t = trial("Gemm", if a { vec![k, m] } else { vec![m, k] }).int("transA", a.into()).int("transB", b.into());
            let t = t.constant(&dims, r.floats(k * n));
            let t = t.with("alpha", |x| x.f = Some(0.5)).with("beta", |x| x.f = Some(-2.0));
            let bias = partner(r, &[m, n]);
            if r.flag() { t.constant(&bias, r.floats(bias.iter().product())) } else { t }
        }
        "MatMul" => {
            let (rank, k) = (1 + r.below(3), r.between(1, 4));
            let lead = r.shape(rank - 1);
            let right = r.flag();
            let n = r.between(1, 4);
            let constant = match (right, r.flag()) {
                (true, true) => vec![k],
                (true, false) => vec![k, n],
                (false, _) => vec![n, *lead.last().unwrap_or(&k)],
            };
            let lead = if right || lead.len() < 2 { lead } else { vec![1, lead[1]] };
            let t = trial("MatMul", [&lead[..], &[k]].concat());
            swapped(t.constant(&constant, r.floats(constant.iter().product())), !right)
        }
        "BatchNormalization" => {
            let rank = 2 + r.below(3);
            let mut shape = r.shape(rank);
            shape[0] = 1;
            let c = shape[1];
            let t = trial(operator, shape);
            let t = t.constant(&[c], r.floats(c)).constant(&[c], r.floats(c)).constant(&[c], r.floats(c));
            t.constant(&[c], r.floats(c).iter().map(|x| x.abs()).collect()).with("epsilon", |a| a.f = Some(0.01))
        }
        _ => {
            let rank = 1 + r.below(4);
            let shape = r.shape(rank);
            let other = partner(r, &shape);
            let values = r.floats(other.iter().product()).iter().map(|x| x + 1.0 / 16.0).collect();
            let swap = r.flag() && operator != "Div";
            swapped(trial(operator, shape).constant(&other, values), swap)
        }
    }
}

#[test]
fn random_operators_agree() {
    let windows = ["Conv", "AveragePool", "MaxPool"];
    let shapes = ["Transpose", "Slice", "Gather", "Concat", "Split", "Pad", "Expand", "ReduceSum", "ReduceMean"];
    let weights = ["Gemm", "MatMul", "BatchNormalization", "Add", "Sub", "Mul", "Div"];
    let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    let mut r = Random(11);
    for round in 0..6000 {
        let (w, s) = (windows.len(), shapes.len());
        let t = match round % (w + s + weights.len()) {
            k if k < w => windowed(&mut r, windows[k]),
            k if k < w + s => shaped(&mut r, shapes[k - w]),
            k => weighted(&mut r, weights[k - w - s]),
        };
        let count = counts.entry(t.operator).or_default();
        match compare(&t, &mut r) {
            Some(true) => count[0] += 1,
            Some(false) => count[1] += 1,
            None => count[2] += 1,
        }
    }
    println!("operator: agree, refused by the checker alone, refused by the engine: {counts:#?}");
    assert!(counts.values().all(|[agree, refused, _]| *agree >= 60 && refused < agree), "{counts:#?}");
}

/// Whether the checker reads the model, which both then compute alike; none if the engine refuses it.
pub fn compare(t: &Trial, r: &mut Random) -> Option<bool> {
    let model = t.model();
    let ours = checker::read::onnx::network(&model.encode_to_vec());
    let graph = load_model(model, Path::new("trial.onnx")).ok()?;
    let Ok(network) = ours else { return Some(false) };
    let len = |dims: &Vec<i64>| dims.iter().product::<i64>();
    let point = r.floats(len(&t.shape) + t.second.as_ref().map_or(0, len));
    let wide: Vec<f64> = point.iter().map(|&x| x.into()).collect();
    let engines = graph.output_f64(&wide);
    let shown = (t.operator, &t.shape, &t.second, &t.attributes, &t.constants);
    let agree = |values: &[f64], tolerance: f64| {
        assert_eq!(values.len(), engines.len(), "{shown:?}");
        let size = engines.iter().filter(|y| y.is_finite()).fold(1.0, |size: f64, y| size.max(y.abs()));
        // Quotients by 0 are not finite in either.
        let same = |(a, b): (&f64, &f64)| (a - b).abs() <= tolerance * size || !(a.is_finite() || b.is_finite());
        assert!(values.iter().zip(&engines).all(same), "{shown:?}: {values:?} {engines:?}");
    };
    agree(&crate::evaluate::outputs(&network, &wide), 1e-12);
    if let Ok(values) = checker::witness::deployed_outputs(&network, &wide) {
        agree(&values, 1e-4);
    }
    Some(true)
}
