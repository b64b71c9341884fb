//! `ironbound digits` as a user runs it.

use std::path::{Path, PathBuf};

use assert_cmd::Command;

fn ironbound(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("ironbound").expect("the binary is built").args(arguments).output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("not killed"), text(output.stdout), text(output.stderr))
}

/// The counts of a table: nominal, interval, CROWN, margin.
fn counts(table: &str) -> Vec<String> {
    table
        .lines()
        .filter(|l| l.starts_with("  nominal") || l.starts_with("  certified by") && !l.contains("search"))
        .map(|l| l.split_whitespace().last().unwrap_or("").to_string())
        .collect()
}

/// The reference weights, images and certificate of the shared data folder, if it is there.
fn reference() -> Option<[String; 3]> {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|p| p.join("shared"));
    let shared = std::env::var_os("IRONBOUND_SHARED").map(PathBuf::from).into_iter().chain(above).find(|p| p.join("data").is_dir());
    let Some(shared) = shared else {
        eprintln!("SKIPPED 1 test: no shared data folder (set IRONBOUND_SHARED)");
        return None;
    };
    let file = |name: &str| shared.join("data/torchlean/aug04/NN/Examples/Verification/Robustness").join(name).display().to_string();
    Some(["digits_linear_weights.json", "digits_test.json", "digits_linear_margin_cert.json"].map(file))
}

/// A trained network in a fresh folder: (folder, weights, images, certificate).
fn trained(extra: &[&str]) -> (tempfile::TempDir, [String; 3]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files = ["w.json", "d.json", "c.json"].map(|name| folder.path().join(name).display().to_string());
    let onnx = folder.path().join("n.onnx").display().to_string();
    let mut arguments = vec!["digits", "train-certify", "--epochs=3", "--max-test=40", "--onnx", &onnx];
    arguments.extend(["--weights", &files[0], "--dataset", &files[1], "--certificate", &files[2]]);
    arguments.extend(extra);
    let (code, table, errors) = ironbound(&arguments);
    assert_eq!(code, 0, "{errors}");
    assert_eq!(counts(&table).len(), 4, "{table}");
    (folder, files)
}

#[test]
fn without_options_the_embedded_networks_are_certified() {
    let (code, table, errors) = ironbound(&["digits"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(table.contains("linear 64-10") && table.contains("ReLU 64-64-64-10") && table.contains("Certified means"));
}

#[test]
fn the_reference_counts_come_out_of_rigorous_bounds() {
    let Some([weights, images, _]) = reference() else { return };
    for semantics in ["--semantics=both", "--semantics=real", "--semantics=float32", "--float32-mode=ieee754exec"] {
        let (_, table, _) = ironbound(&["digits", "--weights", &weights, "--dataset", &images, semantics]);
        assert_eq!(counts(&table), ["97/100", "91/100", "91/100", "93/100"]);
        let (_, table, _) = ironbound(&["digits", "--weights", &weights, "--dataset", &images, semantics, "--max", "360"]);
        assert_eq!(counts(&table), ["349/360", "318/360", "318/360", "331/360"]);
    }
}

#[test]
fn the_reference_certificate_is_proved_anew() {
    let Some([weights, images, certificate]) = reference() else { return };
    let (code, text, _) = ironbound(&["digits", "check", &certificate, "--weights", &weights, "--dataset", &images]);
    assert_eq!(code, 0, "{text}");
    assert!(text.starts_with("accepted: 360 images, 349 right, 318 certified at eps = 0.02"), "{text}");
}

#[test]
fn a_trained_network_is_exported_certified_and_its_certificate_accepted() {
    for extra in [&[][..], &["--hidden", "8,8", "--semantics", "real"]] {
        let (_folder, [weights, images, certificate]) = trained(extra);
        let (code, text, _) = ironbound(&["digits", "check", &certificate, "--weights", &weights, "--dataset", &images]);
        assert_eq!(code, 0, "{text}");
        assert!(text.starts_with("accepted: 40 images") && !text.contains("tighter"), "{text}");
    }
    assert_eq!(ironbound(&["digits-train-certify", "--help"]).0, 0);
}

#[test]
fn changed_certificates_are_rejected_with_the_reason() {
    let (folder, [weights, images, certificate]) = trained(&[]);
    let good: serde_json::Value = serde_json::from_slice(&std::fs::read(&certificate).expect("written")).expect("JSON");
    let check = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut bad = good.clone();
        change(&mut bad);
        let file = folder.path().join("bad.json").display().to_string();
        std::fs::write(&file, bad.to_string()).expect("writable");
        let (code, text, _) = ironbound(&["digits", "check", &file, "--weights", &weights, "--dataset", &images]);
        assert_eq!(code, 1, "{text}");
        text
    };
    let low = good["examples"][0]["logits_lo"][3].as_f64().expect("a number");
    assert!(check(&|c| c["format"] = "x".into()).contains("robust_margin_cert_v0_1"));
    assert!(check(&|c| c["examples"][0]["logits_lo"][3] = (low + 1e3).into()).contains("at most logits_hi[3]"));
    assert!(check(&|c| c["examples"][0]["logits_lo"][3] = (low + 1e-6).into()).contains("logit 3 is claimed"));
    assert!(check(&|c| c["examples"][0]["logits_lo"][3] = serde_json::Value::Null).contains("a finite number"));
    assert!(check(&|c| c["examples"][0]["logits_hi"] = serde_json::json!([1.0])).contains("an array of 10 elements"));
    assert!(check(&|c| c["summary"]["certified_ok"] = 999.into()).contains("as the examples say"));
    assert!(
        check(&|c| c["eps"] = 0.05.into()).contains("can be proved") || check(&|c| c["eps"] = 0.05.into()).contains("cannot be proved")
    );
    assert!(check(&|c| c["eps"] = (-0.1).into()).contains("at least 0"));
    assert!(check(&|c| c["meta"]["weights_sha256"] = "00".into()).contains("another weights file"));
    let flag = good["examples"][0]["certified"].as_bool().expect("a flag");
    assert!(check(&|c| c["examples"][0]["certified"] = (!flag).into()).contains("as the intervals say"));
}

#[test]
fn bad_input_gives_exit_code_3_and_no_table() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("w.json").display().to_string();
    std::fs::write(&file, "{\"format\":").expect("writable");
    let nowhere = folder.path().join("no/such/place").display().to_string();
    for (arguments, part) in [
        (vec!["digits", "--weights", &nowhere], "cannot read"),
        (vec!["digits", "--weights", &file], "not valid JSON"),
        (vec!["digits", "--eps", "-1"], "at least 0"),
        (vec!["digits", "--eps", "nan"], "finite"),
        (vec!["digits", "--max", "0"], "at least 1"),
        (vec!["digits", "--semantics", "exact"], "possible values"),
        (vec!["digits", "--eps=0.1", "--eps=0.2"], "cannot be used multiple times"),
        (vec!["digits", "train-certify", "--epochs", "1", "--weights", &nowhere], "cannot write"),
        (vec!["digits", "train-certify", "--lr", "1e6", "--hidden", "8,8,8,8,8,8,8,8,8", "--epochs", "9"], "smaller --lr"),
    ] {
        let (code, text, errors) = ironbound(&arguments);
        assert_eq!(code, 3, "{arguments:?}");
        assert_eq!(text, "", "an error leaves standard output empty");
        assert!(errors.contains(part), "{errors}");
    }
}

#[test]
fn exported_files_are_what_the_program_holds() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (code, text, _) = ironbound(&["digits", "export", &file("demo"), "--max", "2"]);
    assert_eq!(code, 0, "{text}");
    let (_, embedded, _) = ironbound(&["digits"]);
    let (_, table, _) = ironbound(&["digits", "--weights", &file("demo/linear.json"), "--dataset", &file("demo/test.json")]);
    let first = embedded.lines().filter(|l| l.starts_with("  certified by")).map(|l| l.split_whitespace().nth_back(1).unwrap_or(""));
    assert_eq!(first.take(3).collect::<Vec<_>>(), counts(&table)[1..]);
    let list = std::fs::read_to_string(file("demo/instances.csv")).expect("written");
    assert_eq!(
        list,
        "linear.onnx,image_000.vnnlib,10\nlinear.onnx,image_001.vnnlib,10\nrelu.onnx,image_000.vnnlib,10\nrelu.onnx,image_001.vnnlib,10\n"
    );
}
