//! `ironbound quantized`: verdicts, certificates and errors as a user sees them.

mod support;

use support::Bench;

const NETWORK: &str = r#"{"format":"integer_network_v0_1","input_low":0,"input_high":9,"layers":[
    {"weights":[[1],[2]],"bias":[5,0],"multiplier":1,"shift":0,"rounding":"half-up","offset":0,"low":-20,"high":20}]}"#;

fn query(high: i64, label: i64) -> String {
    format!(r#"{{"format":"integer_query_v0_1","low":[0],"high":[{high}],"label":{label}}}"#)
}

fn bench() -> Bench {
    let bench = Bench::empty();
    bench.write("net.json", NETWORK.as_bytes());
    bench.write("robust.json", query(5, 0).as_bytes());
    bench.write("broken.json", query(6, 0).as_bytes());
    bench
}

#[test]
fn verdicts_certificates_and_their_check() {
    let bench = bench();
    let decide = |query: &str| bench.run(&["quantized", "--weights", "net.json", "--query", query, "--certificate", "cert"]);
    let check = |query: &str| bench.run(&["quantized", "check", "cert", "--weights", "net.json", "--query", query]);
    let robust = decide("robust.json");
    assert_eq!((robust.code, robust.output.split_whitespace().next()), (0, Some("robust")));
    // The certificate is about the query as it was written beside it.
    let own = check("cert.query.json");
    assert!(own.code == 0 && own.output.contains("accepted: robust"), "{own:?}");
    let other = check("broken.json");
    assert!(other.code == 1 && other.output.contains("another query file"), "{other:?}");
    let broken = decide("broken.json");
    assert_eq!((broken.code, broken.verdict()), (1, "vulnerable"));
    assert_eq!(broken.detail("image"), Some("6"));
    assert!(check("cert.query.json").output.contains("accepted: vulnerable"));
}

#[test]
fn a_time_limit_leaves_a_part_that_is_gone_on_with() {
    let bench = Bench::empty();
    bench.run(&["quantized", "digits", "--max", "29", "--eps", "1", "--timeout", "0.001", "--save", "d"]);
    // Two classes of this image need branching.
    let files = ["quantized", "--weights", "d/network.json", "--query", "d/query_028.json"];
    let decide = |options: &[&str]| bench.run(&[&files[..], options].concat());
    let check = |file: &str| bench.run(&["quantized", "check", file, "--weights", "d/network.json", "--room"]);
    let part = decide(&["--timeout", "0.000001", "--certificate", "part.cert"]);
    assert_eq!((part.code, part.verdict()), (2, "timeout"), "{part:?}");
    assert!(part.output.contains("classes still open: ") && part.output.contains("partial certificate: part.cert"), "{part:?}");
    let checked = check("part.cert");
    assert!(checked.code == 0 && checked.output.contains("accepted in part: "), "{checked:?}");
    assert!(!checked.output.contains("robust") && !checked.output.contains("room"), "{checked:?}");
    let whole = decide(&["--resume", "part.cert", "--certificate", "whole.cert"]);
    assert_eq!((whole.code, whole.verdict()), (0, "robust"), "{whole:?}");
    let checked = check("whole.cert");
    assert!(checked.code == 0 && checked.output.contains("accepted: robust") && checked.output.contains("; room: 0 "), "{checked:?}");
    // The part and the whole are the whole, whichever is named first; so is a part whose open leaves other parts have closed.
    for pair in [["part.cert", "whole.cert"], ["whole.cert", "part.cert"]] {
        let merge = [&["quantized", "merge", "--weights", "d/network.json", "-o", "joined.cert"][..], &pair].concat();
        let joined = bench.run(&merge);
        assert!(joined.code == 0 && joined.output.contains("joined.cert: accepted: robust"), "{joined:?}");
        assert!(check("joined.cert").output.contains("accepted: robust"));
    }
    // It is about its own query only, and what is damaged is not gone on with.
    let other = ["quantized", "--weights", "d/network.json", "--query", "d/query_027.json", "--resume", "part.cert"];
    bench.run(&other).refused(&["part.cert", "another query"]);
    let mut bytes = std::fs::read(bench.path("part.cert")).expect("written");
    bytes[14] = 0;
    bench.write("bold.cert", &bytes);
    decide(&["--resume", "bold.cert"]).refused(&["bold.cert", "not partial"]);
}

#[test]
fn the_embedded_network_needs_no_files() {
    let run = Bench::empty().run(&["quantized", "digits", "--max", "5", "--eps", "0"]);
    assert!(run.code == 0 && run.output.contains("robust"), "{run:?}");
    let samples = Bench::empty().run(&["quantized", "samples"]);
    assert_eq!(samples.output.lines().count(), 700);
    assert!(samples.output.contains("--dataset fashion-mnist --sample-id 338 --eps 4\n"));
}

#[test]
fn bad_input_is_an_error_without_a_verdict() {
    let bench = bench();
    bench.write("t10k-images", &[0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 7]);
    bench.write("t10k-labels", &[0, 0, 8, 1, 0, 0, 0, 1, 0]);
    bench.write("cut.h5", b"\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08");
    bench.write("cut.npz", b"PK\x03\x04 and nothing else");
    bench.write("wide.json", NETWORK.replace("[2]", "[99999999999]").as_bytes());
    bench.write("shape.json", NETWORK.replace("[2]", "[2,3]").as_bytes());
    bench.write("mode.json", NETWORK.replace("half-up", "up").as_bytes());
    bench.write("label.json", query(5, 2).as_bytes());
    bench.write("range.json", query(10, 0).as_bytes());
    let files = ["--images", "t10k-images", "--labels", "t10k-labels", "--weights"];
    let sample =
        |weights: &str, id: &str, eps: &str| bench.run(&[&["quantized", "--sample-id", id, "--eps", eps][..], &files, &[weights]].concat());
    assert_eq!(sample("net.json", "0", "1").code, 4, "the network gives 7 another class");
    sample("net.json", "1", "1").refused(&["sample id 1", "out of range"]);
    sample("net.json", "-1", "1").refused(&["--sample-id", "a whole number from 0 on"]);
    sample("net.json", "0", "-1").refused(&["0 to 255"]);
    sample("net.json", "0", "1.5").refused(&["0 to 255"]);
    sample("net.json", "0", "256").refused(&["0 to 255"]);
    sample("cut.h5", "0", "1").refused(&["cut.h5", "HDF5"]);
    sample("cut.npz", "0", "1").refused(&["cut.npz", "zip"]);
    sample("wide.json", "0", "1").refused(&["wide.json", "layers[0].weights[1]", "32 bits"]);
    sample("shape.json", "0", "1").refused(&["shape.json", "layers[0].weights[1]"]);
    sample("mode.json", "0", "1").refused(&["mode.json", "rounding", "half-even"]);
    sample("none.json", "0", "1").refused(&["none.json", "cannot be read"]);
    let idx = |images: &str, labels: &str| {
        bench.run(&["quantized", "--sample-id", "0", "--eps", "1", "--weights", "net.json", "--images", images, "--labels", labels])
    };
    bench.write("cut-images", &[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 7]);
    bench.write("cut-labels", &[0, 0, 8, 1, 0, 0, 0, 9, 0]);
    bench.write("cut.gz", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2]);
    bench.write("wide-images", &[0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 7, 7]);
    bench.write("two-labels", &[0, 0, 8, 1, 0, 0, 0, 2, 0, 0]);
    bench.write("class-labels", &[0, 0, 8, 1, 0, 0, 0, 1, 2]);
    idx("cut-images", "t10k-labels").refused(&["cut-images", "truncated"]);
    idx("t10k-images", "cut-labels").refused(&["cut-labels", "truncated"]);
    idx("cut.gz", "t10k-labels").refused(&["cut.gz", "gzip"]);
    idx("t10k-labels", "t10k-images").refused(&["t10k-labels", "idx"]);
    idx("wide-images", "t10k-labels").refused(&["wide-images", "2 pixels", "1 inputs"]);
    idx("t10k-images", "two-labels").refused(&["two-labels", "2 labels for 1 images"]);
    idx("t10k-images", "class-labels").refused(&["class-labels", "class 2", "2 outputs"]);
    let ask = |query: &str| bench.run(&["quantized", "--weights", "net.json", "--query", query]);
    ask("label.json").refused(&["label.json", "label 2"]);
    ask("range.json").refused(&["range.json", "input 0"]);
    ask("net.json").refused(&["net.json", "integer_query_v0_1"]);
    bench.run(&["quantized", "--dataset", "cifar", "--sample-id", "0", "--eps", "1"]).refused(&["cifar", "mnist"]);
    bench.run(&["quantized"]).refused(&["--sample-id"]);
    bench.run(&["quantized", "--sample-id", "0", "--eps", "1"]).refused(&["--data DIR", "IRONBOUND_DATA", "quantized digits"]);
    bench.run(&["quantized", "--sample-id", "0", "--eps", "1", "--data", "nowhere"]).refused(&["nowhere", "mnist_mlp.h5"]);
    bench.run(&["quantized", "bench", "--data", "nowhere"]).refused(&["nowhere", "mnist_mlp.h5"]);
}
