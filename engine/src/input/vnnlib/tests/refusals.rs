//! Every kind of error, with its place; hostile files end in an error soon, never in a panic.

use super::*;
use QueryErrorKind::*;

fn refused(text: &str) -> QueryError {
    read(text).map(|query| query.cases.len()).expect_err("a refusal")
}

fn refusal_of(assertions: &str) -> QueryError {
    refused(&legacy(2, 2, &format!("{UNIT_BOX}\n{assertions}")))
}

#[test]
fn wrong_text_is_refused_with_kind_and_remedy() {
    for (assertions, kind, words) in [
        ("(assert (<= Y_0 1)", Syntax, "after the condition of `assert`, found the end"),
        ("(assert (<= Y_0 1", Syntax, "never closed"),
        ("(assert (<= Y_0 1)))", Syntax, "expected `(` before a command, found `)`"),
        ("(assert)", Syntax, "before a condition"),
        ("(assert (and))", Syntax, "at least one condition"),
        ("(assert (or (<= Y_0 1) Y_1))", Syntax, "expected a condition"),
        ("(assert (<= Y_0 1 2))", Syntax, "two sides, found 3"),
        ("(assert (<= Y_0))", Syntax, "two sides, found 1"),
        ("(assert (<= Y_0 (<= Y_1 0)))", Syntax, "cannot be an operand"),
        ("(assert (+ Y_0 1))", Syntax, "inside a comparison"),
        ("(assert (not (<= Y_0 1)))", Syntax, "write the opposite comparison"),
        ("(assert (<= Y_0 (/ 1 3)))", Syntax, "as a decimal"),
        ("(assert (<= Y_0 (+)))", Syntax, "at least one operand"),
        ("(assert (=< Y_0 1))", Syntax, "found `=<`"),
        ("(asert (<= Y_0 1))", Syntax, "unknown command `asert`"),
        ("(push 1)", Syntax, "unknown command `push`"),
        ("(assert (<= Y_0 \"a\"))", Syntax, "quoted name"),
        ("(assert (<= Y_0 \0))", Syntax, "unexpected byte 0x00"),
        ("(assert (<= Y_0 1.2.3))", Number, "number `1.2.3`: not a decimal number"),
        ("(assert (<= Y_0 1e))", Number, "number `1e`"),
        ("(assert (<= Y_0 -inf))", Number, "number `-inf`"),
        ("(assert (<= Y_0 0x1F))", Number, "number `0x1F`"),
        ("(assert (<= Y_0 1e999999999))", TooLarge, "exponent is out of range"),
        ("(assert (<= Y_0 nan))", Declaration, "unknown variable `nan`"),
        ("(assert (<= Y_2 1))", Declaration, "unknown variable `Y_2`: declared before it are Y_0 to Y_1"),
        ("(assert (<= X_00 1))", Declaration, "unknown variable `X_00`"),
        ("(assert (<= x_0 1))", Declaration, "unknown variable `x_0`"),
        ("(declare-const X_1 Real)", Declaration, "`X_1` is declared twice"),
        ("(declare-const Z_1 Real)", Declaration, "not a variable of VNN-LIB 1.0"),
        ("(declare-const X_99999999999999999999 Real)", Declaration, "not a variable"),
        ("(declare-const X_999999 Real)", Declaration, "without gaps"),
        ("(declare-const X_3 Real)", Declaration, "X_2 is not declared, but X_3 is"),
        ("(declare-const X_2 Int)", Declaration, "are `Real`"),
        ("(declare-fun X_2 (Real) Real)", Syntax, "no arguments"),
        ("(declare-const X_2 Real) (assert (<= X_2 1))", MissingBound, "input X_2 has no lower bound: expected (>= X_2 ...)"),
        ("(declare-const X_2 Real) (assert (or (<= X_2 1) (<= Y_0 1)))", MissingBound, "input X_2 has no lower bound"),
        ("(assert (<= Y_0 (* Y_1 Y_0)))", Unsupported, "product of variables"),
        ("(assert (>= X_0 1.5))", EmptyInput, "X_0 >= 1.5 (line 6) and X_0 <= 1 (line 5) exclude each other"),
        ("(assert (> X_0 1))", EmptyInput, "X_0 > 1 (line 6) and X_0 <= 1 (line 5)"),
        ("(assert (or (>= X_0 1.5) (<= X_1 -1)))", EmptyInput, "none of its 2 disjuncts"),
        ("(assert (>= (* 3 X_0) 1)) (assert (< (* 3 X_0) 1))", EmptyInput, "exclude each other"),
        ("(assert (<= 1 0))", EmptyInput, "the comparison on line 6 is false"),
        ("(assert (< Y_0 Y_0))", EmptyInput, "is false"),
    ] {
        let error = refusal_of(assertions);
        assert_eq!(error.kind, kind, "{assertions}: {error}");
        assert!(error.message.contains(words), "{assertions}: {error}");
        assert!(error.place.is_some() || matches!(kind, Declaration | MissingBound), "{assertions}: {error}");
    }
}

#[test]
fn wrong_version_2_text_is_refused() {
    let network = "(declare-network f (declare-input X float32 [2]) (declare-output Y float32 [1,2]))";
    let bounds = "(assert (and (<= X[0] 1) (>= X[0] 0) (<= X[1] 1) (>= X[1] 0)))";
    for (body, kind, words) in [
        (format!("{network}{bounds}(assert (<= X 1))"), Declaration, "expected 1 indices, found 0"),
        (format!("{network}{bounds}(assert (<= Y[2,0] 1))"), Declaration, "index 2 of `Y` is out of range"),
        (format!("{network}{bounds}(assert (<= Y[0,-1] 1))"), Syntax, "expected an index"),
        (format!("{network}{bounds}(assert (<= Y[0 1] 1))"), Syntax, "expected `,` or `]`"),
        (format!("{network}{bounds}(assert (<= Z[0] 1))"), Declaration, "unknown variable `Z`: declared are X, Y"),
        (format!("{network}{bounds}(assert (<= f 1))"), Declaration, "is a network"),
        (format!("{network}{bounds}(assert (<= 0 1))"), Syntax, "must contain a variable"),
        (format!("{network}{bounds}{network}"), Declaration, "before the first assertion"),
        (format!("{network}(assert (<= X[1] 1))"), MissingBound, "input X[0] has no bounds"),
        (format!("{network}{network}"), Declaration, "`f` is declared twice"),
        ("(declare-network f (declare-input X float32 [0]) (declare-output Y float32 []))".into(), Declaration, "dimension of 0"),
        ("(declare-network f (declare-input X float99 [2]) (declare-output Y float32 []))".into(), Declaration, "unknown element type"),
        (
            "(declare-network f (declare-input X real [2]) (declare-output Y float32 []))".into(),
            Declaration,
            "for every variable or for none",
        ),
        ("(declare-network f (declare-output Y real []) (declare-input X real [2]))".into(), Declaration, "inputs are declared first"),
        ("(declare-network f (declare-input X real [2]))".into(), Declaration, "no (declare-output ...)"),
        ("(declare-network f (declare-input 2X real [2]))".into(), Declaration, "not a name"),
        ("(declare-network f (declare-input X real 2))".into(), Syntax, "expected a shape"),
        ("(declare-network f (declare-input X real [1073741824,1073741824])".into(), TooLarge, "elements are declared"),
        ("(declare-network f (equal-to g) (declare-input X real [2]))".into(), Declaration, "no network `g` is declared before"),
        (String::new(), Declaration, "no network is declared"),
        (format!("{network}(foo)"), Syntax, "unknown command `foo`"),
    ] {
        let error = refused(&format!("(vnnlib-version <2.1>)\n{body}"));
        assert_eq!(error.kind, kind, "{body}: {error}");
        assert!(error.message.contains(words), "{body}: {error}");
    }
    assert_eq!(refused("(vnnlib-version <3.0>)").kind, Unsupported);
    let mixed = "(declare-network f (declare-input X float32 [1]) (declare-output Y float64 [1])) (assert (<= X[0] Y[0]))";
    assert!(refused(&format!("(vnnlib-version <2.0>){mixed}")).message.contains("no coercion"));
}

#[test]
fn valid_but_unsupported_constructs_say_so() {
    let member = "(declare-input X real [1]) (declare-output Y real [1])";
    let two = format!("(declare-network f {member}) (declare-network g (equal-to f) {})", member.replace('X', "U").replace('Y', "V"));
    let hidden = "(declare-network f (declare-input X real [1]) (declare-hidden H real [9] \"relu:0\") (declare-output Y real [1]))";
    let initialized = "(declare-network f (declare-input X real [1] initialized) (declare-output Y real [1]))";
    for (body, words) in [
        (format!("{two}(assert (== X[0] U[0]))"), "several networks"),
        (format!("{hidden}(assert (<= H[8] X[0]))"), "a hidden variable"),
        (initialized.into(), "`initialized`"),
    ] {
        let error = refused(&format!("(vnnlib-version <2.1>) {body} (assert (<= Y[0] (* 2 Y[0] Y[0])))"));
        assert_eq!(error.kind, Unsupported, "{error}");
        assert!(error.message.contains(words), "{error}");
    }
    // A wrong file is wrong first.
    assert_eq!(refused(&format!("(vnnlib-version <2.1>) {two} (assert (<= Y[0] ))")).kind, Syntax);
}

#[test]
fn messages_name_file_line_and_column() {
    let options = ParseOptions { file: "specs/a.vnnlib".into(), ..ParseOptions::default() };
    let text = legacy(1, 1, "; comment \u{e9}\n  (assert (<= Y_0 1.0.0))");
    let error = read_query(text.as_bytes(), &options).unwrap_err();
    assert!(error.to_string().starts_with("specs/a.vnnlib:4:19: number `1.0.0`: not a decimal number"), "{error}");
}

#[test]
fn an_empty_query_is_accepted_on_request() {
    let text = legacy(2, 2, &format!("{UNIT_BOX} (assert (>= X_0 1.5))"));
    let options = ParseOptions { allow_empty: true, ..ParseOptions::default() };
    let query = read_query(text.as_bytes(), &options).unwrap();
    assert!(query.cases.is_empty() && query.notes.len() == 1);
}

#[test]
fn absurd_expansions_are_refused_with_the_number() {
    let choice = "(assert (or (<= Y_0 1) (<= Y_1 2) (<= Y_0 3) (<= Y_1 4)))";
    let error = refusal_of(&choice.repeat(15));
    assert_eq!(error.kind, TooLarge);
    assert!(error.message.contains("expands to 1.074e9 disjuncts; the limit is 1000000"), "{error}");
    assert_eq!(refusal_of(&choice.repeat(5000)).kind, TooLarge);
    let inputs = "(assert (or (<= X_0 0.5) (<= X_1 0.5)))";
    assert_eq!(refusal_of(&inputs.repeat(21)).kind, TooLarge);
    // Many boxes times many outputs is no expansion: the cases share their disjuncts.
    let query = read(&legacy(2, 2, &(UNIT_BOX.to_string() + &inputs.repeat(8) + &choice.repeat(8)))).unwrap();
    assert!(query.disjunct_count() > 100_000, "{}", query.disjunct_count());
}

#[test]
fn hostile_files_end_soon() {
    let start = Instant::now();
    let deep = 100_000;
    let nest = |open: &str, inner: &str, close: &str| open.repeat(deep) + inner + &close.repeat(deep);
    for assertions in [
        format!("(assert {})", nest("(and ", "(<= Y_0 1)", ")")),
        format!("(assert {})", nest("(or (and (<= Y_1 2) ", "(<= Y_0 1)", "))")),
        format!("(assert {})", nest("(or (<= Y_1 2) (and ", "(<= Y_0 1)", "))")),
        format!("(assert {})", nest("(or (<= Y_1 2) (and (<= Y_0 3) ", "(<= Y_0 1)", "))")),
        format!("(assert (<= Y_0 {}))", nest("(- ", "1", ")")),
        format!("(assert (<= Y_0 {}))", nest("(+ Y_1 ", "1", ")")),
        format!("(assert (<= Y_0 {}))", nest("(- 1 (+ Y_1 ", "1", "))")),
        format!("(assert (<= Y_0 {}))", nest("(* 1.1 (+ Y_1 ", "1", "))")),
        format!("(assert (<= Y_0 {}))", nest("(* 1e4999 (+ 1 ", "1", "))")),
        format!("(assert (<= Y_0 (+ {})))", "1e4999 1e-4999 Y_1 ".repeat(20_000)),
        "(".repeat(deep),
        "(assert ".repeat(deep),
        format!("(assert {}", "(and ".repeat(2_000_000)),
        "((((".repeat(deep),
        "[".repeat(deep),
        "x".repeat(10_000_000),
        ";".repeat(10_000_000),
        "\"".repeat(10_000_000),
        format!("(set-info {}", "(".repeat(deep)),
    ] {
        let _ = read(&legacy(2, 2, &format!("{UNIT_BOX}\n{assertions}")));
    }
    assert!(refused(&nest("(and ", "(<= Y_0 1)", ")")).message.contains("unknown command"));
    assert_eq!(
        refused("(vnnlib-version <2.0>)(declare-network f (declare-input X real [1073741823]) (declare-output Y real [1]))").kind,
        MissingBound
    );
    let garbage: Vec<u8> = (0..100_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    assert!(read_query(&garbage, &ParseOptions::default()).is_err());
    assert!(read_query(&[0; 1000], &ParseOptions::default()).is_err());
    assert!(read("").is_err());
    eprintln!("hostile files: {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn truncated_and_mutated_files_never_panic() {
    let text = VERSION_2.as_bytes();
    let old = legacy(2, 2, &format!("{UNIT_BOX} (assert (or (and (< (* 2 Y_0) 1e-3) (!= X_0 (- Y_1 0.5))) (== X_1 0.25)))"));
    for text in [text, old.as_bytes()] {
        for end in 0..text.len() {
            let _ = read_query(&text[..end], &ParseOptions::default());
        }
        for i in 0..text.len() {
            for byte in *b"()[]0-.e;\" <=X\0\xff" {
                let mut changed = text.to_vec();
                changed[i] = byte;
                let _ = read_query(&changed, &ParseOptions::default());
            }
        }
    }
}
