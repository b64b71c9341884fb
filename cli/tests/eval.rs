//! `ironbound eval` prints the outputs of one deployed evaluation.

mod support;

use support::{Bench, Model};

/// `Y = (2^24 X_0 + X_1 - 2^24 X_2, X_0 / 3 (nearly))`.
fn bench() -> Bench {
    let model = Model::new(&[1, 3]).gemm("X", "Y", &[&[16777216.0, 1.0, -16777216.0], &[1.0 / 3.0, 0.0, 0.0]], &[]).output("Y", &[1, 2]);
    let bench = Bench::empty();
    bench.write("net.onnx", &model.bytes());
    bench
}

#[test]
fn single_precision_sums_from_left_to_right() {
    assert_eq!(bench().run(&["eval", "net.onnx", "--input", "1 1 1"]).output, "0 0.33333334\n");
    assert_eq!(bench().run(&["eval", "net.onnx", "--input", "1,1,1", "--double"]).output, "1 0.3333333432674408\n");
    assert_eq!(bench().run(&["eval", "net.onnx", "--input", "-1 0 0"]).output, "-16777216 -0.33333334\n");
}

#[test]
fn points_come_one_per_line() {
    let bench = bench();
    bench.write("points.txt", b"0 0 0\n\n0 1e0 0\r\n");
    assert_eq!(bench.run(&["eval", "net.onnx", "--points", "points.txt"]).output, "0 0\n1 0\n");
}

#[test]
fn bad_points_are_refused_with_their_line() {
    let bench = bench();
    bench.write("points.txt", b"0 0 0\n1 2\n");
    bench.run(&["eval", "net.onnx", "--points", "points.txt"]).refused(&["points.txt:2", "2 numbers", "3"]);
    bench.write("points.txt", b"0 0 x\n");
    bench.run(&["eval", "net.onnx", "--points", "points.txt"]).refused(&["points.txt:1", "x"]);
    bench.run(&["eval", "net.onnx", "--points", "absent.txt"]).refused(&["absent.txt"]);
    bench.run(&["eval", "net.onnx"]).refused(&["--input"]);
}
