//! Every way in which a constant may be stored.

use super::*;
use crate::graph::Element;

/// `x + c` at zero, with a constant of two elements that is cast to binary32.
fn read(constant: TensorProto) -> Vec<f64> {
    let builder = Builder::new(&[2]).constant(TensorProto { name: Some("c".into()), dims: vec![2], ..constant });
    builder.node("Cast", "c", "f", vec![int("to", 1)]).node("Add", "x f", "y", vec![]).run(&[0.0, 0.0]).1
}

fn raw(data_type: i32, bytes: Vec<u8>) -> TensorProto {
    TensorProto { data_type: Some(data_type), raw_data: Some(bytes.into()), ..Default::default() }
}

fn small(data_type: i32, int32_data: &[i32]) -> TensorProto {
    TensorProto { data_type: Some(data_type), int32_data: int32_data.into(), ..Default::default() }
}

#[test]
fn raw_bytes_of_every_type() {
    let bytes = |parts: [&[u8]; 2]| parts.concat();
    assert_eq!(read(raw(element::FLOAT, bytes([&1.5f32.to_le_bytes(), &(-2f32).to_le_bytes()]))), [1.5, -2.0]);
    assert_eq!(read(raw(element::DOUBLE, bytes([&1.5f64.to_le_bytes(), &(-2f64).to_le_bytes()]))), [1.5, -2.0]);
    assert_eq!(read(raw(element::FLOAT16, bytes([&0x3e00u16.to_le_bytes(), &0xc000u16.to_le_bytes()]))), [1.5, -2.0]);
    assert_eq!(read(raw(element::FLOAT16, bytes([&0x0001u16.to_le_bytes(), &0x7bffu16.to_le_bytes()]))), [2f64.powi(-24), 65504.0]);
    assert_eq!(read(raw(element::BFLOAT16, bytes([&0x3fc0u16.to_le_bytes(), &0xc000u16.to_le_bytes()]))), [1.5, -2.0]);
    assert_eq!(read(raw(element::INT64, bytes([&3i64.to_le_bytes(), &(-4i64).to_le_bytes()]))), [3.0, -4.0]);
    assert_eq!(read(raw(element::INT32, bytes([&3i32.to_le_bytes(), &(-4i32).to_le_bytes()]))), [3.0, -4.0]);
    assert_eq!(read(raw(element::INT16, bytes([&3i16.to_le_bytes(), &(-4i16).to_le_bytes()]))), [3.0, -4.0]);
    assert_eq!(read(raw(element::UINT16, bytes([&3u16.to_le_bytes(), &0xffffu16.to_le_bytes()]))), [3.0, 65535.0]);
    assert_eq!(read(raw(element::UINT32, bytes([&3u32.to_le_bytes(), &0x8000_0000u32.to_le_bytes()]))), [3.0, 2_147_483_648.0]);
    assert_eq!(read(raw(element::INT8, vec![3, 0xfc])), [3.0, -4.0]);
    assert_eq!(read(raw(element::UINT8, vec![3, 0xfc])), [3.0, 252.0]);
    assert_eq!(read(raw(element::BOOL, vec![0, 1])), [0.0, 1.0]);
}

#[test]
fn typed_fields_of_every_type() {
    assert_eq!(read(TensorProto { data_type: Some(element::FLOAT), float_data: vec![1.5, -2.0], ..Default::default() }), [1.5, -2.0]);
    assert_eq!(read(TensorProto { data_type: Some(element::DOUBLE), double_data: vec![1.5, -2.0], ..Default::default() }), [1.5, -2.0]);
    assert_eq!(read(TensorProto { data_type: Some(element::INT64), int64_data: vec![3, -4], ..Default::default() }), [3.0, -4.0]);
    assert_eq!(read(TensorProto { data_type: Some(element::UINT64), uint64_data: vec![3, 4], ..Default::default() }), [3.0, 4.0]);
    assert_eq!(read(small(element::FLOAT16, &[0x3e00, 0xc000])), [1.5, -2.0]);
    assert_eq!(read(small(element::BFLOAT16, &[0x3fc0, 0xc000])), [1.5, -2.0]);
    assert_eq!(read(small(element::INT32, &[3, -4])), [3.0, -4.0]);
    assert_eq!(read(small(element::INT8, &[3, -4])), [3.0, -4.0]);
    assert_eq!(read(small(element::BOOL, &[0, 1])), [0.0, 1.0]);
}

#[test]
fn a_float64_network_keeps_its_precision() {
    let w = TensorProto { data_type: Some(element::DOUBLE), double_data: vec![0.1, 1e300], ..floats("w", &[2], &[]) };
    let builder = Builder { inputs: vec![value_info("x", element::DOUBLE, &[2])], ..Builder::new(&[2]) };
    let graph = builder.constant(w).node("Mul", "x w", "y", vec![]).load();
    assert_eq!(graph.element, Element::F64);
    assert_eq!(graph.output_f64(&[1.0, 1.0]), [0.1, 1e300]);
}

#[test]
fn external_data_lies_beside_the_model() {
    let folder = std::env::temp_dir().join(format!("ironbound-external-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let bytes: Vec<u8> = [9.0f32, 1.5, -2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    std::fs::write(folder.join("weights.bin"), bytes).expect("written");
    let load = |entries: &[(&str, &str)]| {
        let entry = |(k, v): &(&str, &str)| StringStringEntryProto { key: Some(k.to_string()), value: Some(v.to_string()) };
        let stored = TensorProto { external_data: entries.iter().map(entry).collect(), data_location: Some(1), ..floats("w", &[2], &[]) };
        let model = Builder::new(&[2]).constant(stored).node("Add", "x w", "y", vec![]).model();
        load_model(model, &folder.join("model.onnx")).map_err(|e| e.to_string())
    };
    let graph = load(&[("location", "weights.bin"), ("offset", "4"), ("length", "8")]).expect("reads");
    assert_eq!(graph.output_f64(&[0.0, 0.0]), [1.5, -2.0]);
    let refused = |entries: &[(&str, &str)]| load(entries).expect_err("refused");
    assert!(refused(&[("location", "../weights.bin")]).contains("leaves the model's folder"));
    assert!(refused(&[("location", "/etc/passwd")]).contains("leaves the model's folder"));
    assert!(refused(&[("location", "missing.bin")]).contains("put the file beside the model"));
    assert!(refused(&[("location", "weights.bin"), ("offset", "8"), ("length", "8")]).contains("8 bytes at 8 where the file has 12"));
    assert!(refused(&[("location", "weights.bin")]).contains("12 bytes stored, 2 elements of float32 need 8"));
    std::fs::remove_dir_all(&folder).expect("removed");
}
