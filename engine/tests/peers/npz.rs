//! A reader of NumPy's .npz files, as far as these tests need it: deflated or stored `.npy` members of 4- or 8-byte numbers.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

/// A matrix or vector: row-major values, and the length of the first dimension.
pub struct Array {
    pub rows: usize,
    pub values: Vec<f64>,
}

impl Array {
    pub fn row(&self, r: usize) -> &[f64] {
        let width = self.values.len() / self.rows;
        &self.values[r * width..(r + 1) * width]
    }
}

fn number(bytes: &[u8], at: usize, width: usize) -> usize {
    bytes[at..at + width].iter().rev().fold(0, |n, &b| n << 8 | b as usize)
}

/// All members by name, without `.npy`.
pub fn read(path: &Path) -> HashMap<String, Array> {
    let bytes = std::fs::read(path).expect("readable");
    let end = (0..bytes.len() - 21).rev().find(|&i| bytes[i..].starts_with(b"PK\x05\x06")).expect("an end record");
    let mut at = number(&bytes, end + 16, 4);
    let mut members = HashMap::new();
    for _ in 0..number(&bytes, end + 10, 2) {
        let (method, size, name) = (number(&bytes, at + 10, 2), number(&bytes, at + 20, 4), number(&bytes, at + 28, 2));
        let local = number(&bytes, at + 42, 4);
        let text = String::from_utf8(bytes[at + 46..at + 46 + name].to_vec()).expect("a name");
        let start = local + 30 + number(&bytes, local + 26, 2) + number(&bytes, local + 28, 2);
        let mut content = bytes[start..start + size].to_vec();
        if method == 8 {
            content = Vec::new();
            flate2::read::DeflateDecoder::new(&bytes[start..start + size]).read_to_end(&mut content).expect("deflated");
        }
        members.insert(text.trim_end_matches(".npy").to_owned(), array(&content));
        at += 46 + name + number(&bytes, at + 30, 2) + number(&bytes, at + 32, 2);
    }
    members
}

fn array(bytes: &[u8]) -> Array {
    let start = 10 + number(bytes, 8, 2);
    let header = std::str::from_utf8(&bytes[10..start]).expect("a header");
    let field = |name: &str| header.split(&format!("'{name}': ")).nth(1).expect("the field");
    let shape: Vec<usize> = field("shape")
        .split(['(', ')'])
        .nth(1)
        .expect("a tuple")
        .split(", ")
        .filter_map(|n| n.trim_end_matches(',').parse().ok())
        .collect();
    let data = &bytes[start..];
    let values: Vec<f64> = match &field("descr")[1..4] {
        "<f8" => data.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().expect("8 bytes"))).collect(),
        "<f4" => data.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("4 bytes")) as f64).collect(),
        "<i8" => data.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().expect("8 bytes")) as f64).collect(),
        other => panic!("numbers of type {other}"),
    };
    let rows = shape.first().copied().unwrap_or(1);
    if field("fortran_order").starts_with("True") && shape.len() == 2 {
        let columns = shape[1];
        return Array { rows, values: (0..rows * columns).map(|i| values[i % columns * rows + i / columns]).collect() };
    }
    assert!(!field("fortran_order").starts_with("True") || shape.len() < 2, "column order of {shape:?}");
    Array { rows, values }
}
