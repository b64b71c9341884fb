//! Functions, products of two values, transposed convolutions and repetition: both readers compute the same; hostile attributes
//! are refused or mean the same to both.

use std::collections::BTreeMap;

use crate::operators::{Random, Trial, compare, partner, trial};

fn function(r: &mut Random, operator: &'static str) -> Trial {
    let rank = 1 + r.below(3);
    let shape = r.shape(rank);
    let t = trial(operator, shape.clone());
    match operator {
        "Pow" => {
            let exponent = r.between(2, 7) as f32;
            let dims = partner(r, &shape);
            let count = dims.iter().product::<i64>() as usize;
            if r.flag() { t.integers(&[exponent as i64]) } else { t.constant(&dims, vec![exponent; count]) }
        }
        "Clip" if r.flag() => Trial { opset: 10, ..t.with("min", |a| a.f = Some(-1.5)) },
        "Max" | "Min" if r.flag() => {
            // Several numbers, so that they are values of their own.
            let dims = partner(r, &shape);
            let count = dims.iter().product();
            t.constant(&dims, r.floats(count)).constant(&[1], vec![0.25])
        }
        "Max" | "Min" => t.constant(&[], vec![-0.5]),
        "HardSigmoid" => t.with("alpha", |a| a.f = Some(0.3)),
        "Clip" => t.constant(&[], vec![-0.5]).constant(&[1], vec![2.0]),
        _ => t,
    }
}

/// Two inputs, or the same one twice.
fn product(r: &mut Random, operator: &'static str) -> Trial {
    let rank = 1 + r.below(3);
    let mut shape = r.shape(rank);
    let twice = r.below(4) == 0;
    let mut other = partner(r, &shape);
    if operator == "MatMul" {
        let k = shape[rank - 1];
        other = match r.below(3) {
            0 => vec![k],
            1 => vec![k, r.between(1, 4)],
            _ => vec![if r.flag() { shape[0] } else { 1 }, k, r.between(1, 4)],
        };
        if twice && rank > 1 {
            shape[rank - 2] = k;
        }
    }
    let (first, second) = match (twice, r.flag()) {
        (true, _) => ("x", "x"),
        (false, true) if operator != "MatMul" => ("z", "x"),
        _ => ("x", "z"),
    };
    let operands = Some(vec![first.into(), second.into()]);
    Trial { second: (!twice).then_some(other), operands, ..trial(operator, shape) }
}

fn transposed(r: &mut Random) -> Trial {
    let (rank, groups) = (1 + r.below(2), r.between(1, 2));
    let (channels, per_group) = (groups * r.between(1, 3), r.between(1, 3));
    let mut list = |low: i64, high: i64, n: usize| -> Vec<i64> { (0..n).map(|_| r.between(low, high)).collect() };
    let (size, kernel, strides, dilations) = (list(1, 4, rank), list(1, 4, rank), list(1, 3, rank), list(1, 2, rank));
    let (pads, extra) = (list(0, 1, 2 * rank), list(0, 1, rank));
    let dims = [&[channels, per_group][..], &kernel].concat();
    let t = trial("ConvTranspose", [&[1, channels][..], &size].concat()).int("group", groups);
    let mut t = t.constant(&dims, r.floats(dims.iter().product()));
    if r.flag() {
        t = t.constant(&[per_group * groups], r.floats(per_group * groups));
    }
    for (name, values) in [("strides", strides), ("dilations", dilations), ("pads", pads), ("output_padding", extra)] {
        t = if r.flag() { t.ints(name, &values) } else { t };
    }
    t
}

fn repeated(r: &mut Random, operator: &'static str) -> Trial {
    let rank = 1 + r.below(4);
    let shape = r.shape(rank);
    let factors: Vec<i64> = (0..rank).map(|_| r.between(1, 3)).collect();
    let scales: Vec<f32> = factors.iter().map(|&f| f as f32).collect();
    let t = trial(operator, shape.clone());
    let dims = [rank as i64];
    let text = |t: Trial, name: &str, value: &str| t.with(name, |a| a.s = Some(value.to_string().into()));
    match (operator, r.below(3)) {
        ("Upsample", _) => text(Trial { opset: 9, ..t.constant(&dims, scales) }, "mode", "nearest"),
        (_, 0) => Trial { opset: 10, ..t.constant(&dims, scales) },
        (_, 1) => {
            let t = t.constant(&[0], vec![]).constant(&dims, scales);
            text(text(t, "coordinate_transformation_mode", "asymmetric"), "nearest_mode", "floor")
        }
        _ => {
            let sizes: Vec<i64> = shape.iter().zip(&factors).map(|(d, f)| d * f).collect();
            t.constant(&[0], vec![]).constant(&[0], vec![]).integers(&sizes)
        }
    }
}

const FUNCTIONS: [&str; 11] = ["Sigmoid", "Tanh", "Sin", "Cos", "Floor", "Reciprocal", "Pow", "Clip", "Max", "Min", "HardSigmoid"];
const PRODUCTS: [&str; 5] = ["Mul", "Div", "MatMul", "Max", "Min"];

fn any(r: &mut Random, round: usize) -> Trial {
    let (f, p) = (FUNCTIONS.len(), PRODUCTS.len());
    match round % (f + p + 4) {
        k if k < f => function(r, FUNCTIONS[k]),
        k if k < f + p => product(r, PRODUCTS[k - f]),
        k if k < f + p + 2 => transposed(r),
        k if k < f + p + 3 => repeated(r, "Upsample"),
        _ => repeated(r, "Resize"),
    }
}

#[test]
fn random_functions_and_products_agree() {
    let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    let mut r = Random(12);
    for round in 0..6000 {
        let t = any(&mut r, round);
        let count = counts.entry(t.operator).or_default();
        match compare(&t, &mut r) {
            Some(true) => count[0] += 1,
            Some(false) => count[1] += 1,
            None => count[2] += 1,
        }
    }
    println!("operator: agree, refused by the checker alone, refused by the engine: {counts:#?}");
    assert!(counts.values().all(|[agree, refused, _]| *agree >= 100 && refused < agree), "{counts:#?}");
}

const HOSTILE: [i64; 12] = [0, -1, 1, 2, 5, 255, 1 << 20, 1 << 31, 1 << 40, i64::MAX - 1, i64::MAX, i64::MIN];

/// One attribute, shape or list changed for the worse.
fn spoilt(r: &mut Random, mut t: Trial) -> Trial {
    let value = HOSTILE[r.below(HOSTILE.len())];
    let names = ["group", "strides", "pads", "output_padding", "dilations", "kernel_shape", "auto_pad", "mode", "min", "axes", "alpha"];
    let picked = r.below(t.attributes.len().max(1));
    match r.below(6) {
        0 => t.int(names[r.below(names.len())], value),
        1 => t.ints(names[r.below(names.len())], &[value, 1][..1 + r.below(2)]),
        2 => t.with(names[r.below(names.len())], |a| a.f = Some(value as f32)),
        3 if !t.constants.is_empty() => {
            let k = r.below(t.constants.len());
            let constant = &mut t.constants[k];
            match (r.below(3), constant.int64_data.first_mut(), constant.dims.first_mut()) {
                (0, Some(x), _) => *x = value,
                (1, _, Some(d)) => *d = value,
                _ => constant.dims.push(value),
            }
            t
        }
        _ => {
            if let Some(attribute) = t.attributes.get_mut(picked) {
                match attribute.ints.first_mut() {
                    Some(x) => *x = value,
                    None => attribute.i = Some(value),
                }
            }
            t
        }
    }
}

#[test]
fn hostile_attributes_are_refused_or_mean_the_same() {
    let (mut r, mut read, mut refused) = (Random(13), 0, 0);
    for round in 0..6000 {
        let t = any(&mut r, round);
        let t = spoilt(&mut r, t);
        match compare(&t, &mut r) {
            Some(true) => read += 1,
            _ => refused += 1,
        }
    }
    println!("{read} read by both, {refused} refused");
    assert!(read > 100 && refused > 1000);
}
