//! Every file of `engine/src/ops` is registered, so that the laws see every operator.

use std::collections::BTreeSet;
use std::path::Path;

use engine::ops::examples::{WITHOUT_OPERATOR, examples};

#[test]
fn every_operator_file_has_an_example() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ops");
    let registered: BTreeSet<String> = examples().iter().map(|e| e.file.to_owned()).collect();
    let files: BTreeSet<String> = std::fs::read_dir(&folder)
        .expect("the sources are beside the tests")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .filter(|name| !WITHOUT_OPERATOR.contains(&name.as_str()))
        .collect();
    assert_eq!(files, registered, "left: files, right: registered in ops/examples.rs");
}

#[test]
fn examples_accept_their_operands_and_no_others() {
    for example in examples() {
        let op = &example.operation;
        assert!(op.output_len(&example.sizes).is_ok(), "{op:?}");
        assert!(op.output_len(&[]).is_err(), "{op:?} takes no operands at all");
        let more: Vec<usize> = example.sizes.iter().map(|n| n + 1).collect();
        assert!(matches!(op, engine::ops::Operation::Scalar(_)) || op.output_len(&more).is_err(), "{op:?} takes operands of other sizes");
    }
}
