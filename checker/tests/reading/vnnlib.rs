//! Queries, and the order of their cases.

use checker::exact::Rational;
use checker::query::{Case, Constraint, Query};
use checker::read::vnnlib::query;

const HEAD: &str = "(declare-const X_0 Real) (declare-const X_1 Real)\n(declare-const Y_0 Real) (declare-const Y_1 Real)\n";
const BOX: &str = "(assert (>= X_0 0)) (assert (<= X_0 1.0)) (assert (and (<= X_1 2e0) (<= -1 X_1)))\n";

fn read(text: &str) -> Query {
    query(text.as_bytes()).unwrap_or_else(|error| panic!("{error} in {text}"))
}

fn cases(more: &str) -> Vec<Case> {
    read(&format!("{HEAD}{BOX}{more}")).cases
}

fn refused(text: &str) -> String {
    query(text.as_bytes()).expect_err("a refusal").to_string()
}

/// A constraint in letters: `2 Y0 - X1 + 3 > 0`.
fn shown(constraint: &Constraint) -> String {
    let term = |letter: &'static str| move |(i, c): &(usize, Rational)| format!("{} {letter}{i} + ", c.down());
    let inputs: String = constraint.inputs.iter().map(term("X")).collect();
    let outputs: String = constraint.outputs.iter().map(term("Y")).collect();
    format!("{inputs}{outputs}{} {} 0", constraint.constant.down(), if constraint.strict { ">" } else { ">=" })
}

fn box_of(case: &Case) -> Vec<[f64; 2]> {
    case.low.iter().zip(&case.high).map(|(low, high)| [low.down(), high.down()]).collect()
}

fn disjuncts(case: &Case) -> Vec<Vec<String>> {
    case.disjuncts.iter().map(|disjunct| disjunct.iter().map(shown).collect()).collect()
}

#[test]
fn bounds_make_the_box_and_comparisons_of_outputs_are_asked() {
    let cases = cases("(assert (<= Y_0 Y_1)) (assert (>= (+ Y_0 (* 2 X_1)) 3))");
    assert_eq!(cases.len(), 1);
    assert_eq!(box_of(&cases[0]), [[0.0, 1.0], [-1.0, 2.0]]);
    assert_eq!(disjuncts(&cases[0]), [["-1 Y0 + 1 Y1 + 0 >= 0", "2 X1 + 1 Y0 + -3 >= 0"]]);
    assert!(cases[0].cuts.is_empty());
}

#[test]
fn the_first_formula_varies_slowest_and_common_comparisons_come_first() {
    let text = "(assert (or (<= Y_0 1) (<= Y_0 2))) (assert (or (<= Y_1 3) (and (<= Y_1 4) (<= Y_1 5)))) (assert (<= Y_0 9))";
    let expected: [&[&str]; 4] = [&["9", "1", "3"], &["9", "1", "4", "5"], &["9", "2", "3"], &["9", "2", "4", "5"]];
    let found = disjuncts(&cases(text)[0]);
    let constants: Vec<Vec<&str>> =
        found.iter().map(|d| d.iter().map(|c| c.split("+ ").nth(1).unwrap().trim_end_matches(" >= 0")).collect()).collect();
    assert_eq!(constants, expected);
}

#[test]
fn regions_are_merged_dropped_and_ordered() {
    // The third region is the first again, the second is empty.
    let regions = "(assert (or (<= X_0 0.5) (>= X_0 2) (and (<= X_0 0.50) (>= X_1 -1)) (>= X_0 0.5)))";
    let found = cases(&format!("{regions} (assert (or (<= Y_0 1) (<= Y_0 2)))"));
    assert_eq!(found.iter().map(|case| box_of(case)[0]).collect::<Vec<_>>(), [[0.0, 0.5], [0.5, 1.0]]);
    assert!(found.iter().all(|case| case.disjuncts.len() == 2));
    // Where the formulas mix inputs and outputs, disjuncts of equal regions are gathered.
    let mixed = cases("(assert (or (and (<= X_0 0.5) (<= Y_0 1)) (<= Y_0 2) (and (<= X_0 5e-1) (<= Y_0 3))))");
    assert_eq!(mixed.iter().map(|case| (box_of(case)[0][1], case.disjuncts.len())).collect::<Vec<_>>(), [(0.5, 2), (1.0, 1)]);
    assert_eq!(disjuncts(&mixed[0]), [["-1 Y0 + 1 >= 0"], ["-1 Y0 + 3 >= 0"]]);
    assert!(cases("(assert (>= X_0 2))").is_empty());
}

#[test]
fn an_or_of_one_part_is_that_part() {
    let text = "(assert (or (and (<= Y_0 1) (<= X_0 0.5)))) (assert (<= Y_0 2))";
    let found = cases(text);
    assert_eq!(box_of(&found[0])[0], [0.0, 0.5]);
    assert_eq!(disjuncts(&found[0]), [["-1 Y0 + 1 >= 0", "-1 Y0 + 2 >= 0"]]);
}

#[test]
fn strict_bounds_and_other_comparisons_of_inputs_are_cuts() {
    let found = cases("(assert (< X_0 1)) (assert (< X_0 7)) (assert (<= (+ X_0 X_1) 1)) (assert (<= (+ X_1 X_0) 1))");
    assert_eq!(found[0].cuts.iter().map(shown).collect::<Vec<_>>(), ["-1 X0 + 1 > 0", "-1 X0 + -1 X1 + 1 >= 0"]);
    assert_eq!(disjuncts(&found[0]), [Vec::<String>::new()]);
    assert!(cases("(assert (< X_0 0))").is_empty());
    // A third is no decimal: a cut, not a bound; it may still exclude the whole box.
    assert_eq!(cases("(assert (<= (* 3 X_0) 1))")[0].cuts.iter().map(shown).collect::<Vec<_>>(), ["-3 X0 + 1 >= 0"]);
    assert!(cases("(assert (>= (* 3 X_0) 4))").is_empty());
    assert!(cases("(assert (<= 1 0))").is_empty());
    assert_eq!(cases("(assert (<= 0 1))").len(), 1);
}

#[test]
fn equalities_are_two_comparisons_and_inequalities_two_disjuncts() {
    assert_eq!(disjuncts(&cases("(assert (= Y_0 4))")[0]), [["1 Y0 + -4 >= 0", "-1 Y0 + 4 >= 0"]]);
    assert_eq!(disjuncts(&cases("(assert (!= Y_0 4))")[0]), [["1 Y0 + -4 > 0"], ["-1 Y0 + 4 > 0"]]);
    assert_eq!(box_of(&cases("(assert (= X_0 0.5))")[0])[0], [0.5, 0.5]);
}

#[test]
fn arithmetic_is_exact_and_single_terms_are_scaled() {
    let found = cases("(assert (<= (- (* -0.2 Y_0) 1) (- 3)))");
    assert_eq!(disjuncts(&found[0]), [["1 Y0 + -10 >= 0"]]);
    let sum = cases("(assert (<= (+ 0.1 0.2 Y_0 (- Y_0) (* 3 (- Y_1 Y_0 1))) 0.3))");
    assert_eq!(disjuncts(&sum[0]), [["3 Y0 + -3 Y1 + 3 >= 0"]]);
    // 0.1 + 0.2 is 0.3: nothing is left, and 0 >= 0 is true.
    assert_eq!(disjuncts(&cases("(assert (<= (+ 0.1 0.2) 0.3))")[0]), [Vec::<String>::new()]);
    assert!(cases("(assert (< (+ 0.1 0.2) 0.3))").is_empty());
}

#[test]
fn version_2_names_elements_by_indices() {
    let text = "; comment\n(vnnlib-version <2.0>)\n(declare-network f (declare-input X float32 [1,2]) (declare-input Z float32 [])\n\
        (declare-output Y float32 [2]))\n(assert (and (>= X[0,0] 0) (<= X[0,0] 1) (>= X[0,1] 2) (<= X[0,1] 3) (>= Z 4) (<= Z 5)))\n\
        (assert (> Y[1] (* 2.0 Z)))";
    let query = read(text);
    assert_eq!((query.inputs, query.outputs), (3, 2));
    assert_eq!(box_of(&query.cases[0]), [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]);
    assert_eq!(disjuncts(&query.cases[0]), [["-2 X2 + 1 Y1 + 0 > 0"]]);
    let with = |from: &str, to: &str| refused(&text.replace(from, to));
    assert!(with("[0,1] 2", "[0,2] 2").starts_with("unreadable: line 5: indices"));
    assert!(with("(* 2.0 Z)", "(* Y[0] Z)").contains("a product of variables on line 6"));
    assert!(with("float32 [])", "int8 [])").contains("element type int8 on line 3"));
    assert!(with("(assert (> ", "(declare-network g (declare-input U real [1]))(assert (> ").contains("declare-network"));
    assert!(with("<2.0>", "<3.0>").contains("version <3.0>"));
    assert!(with("Y float32 [2]", "Y float32 [2] initialized").contains("more than name, type and shape"));
    assert!(with("(declare-output", "(declare-hidden H float32 [1] \"h\") (declare-output").contains("declare-hidden"));
}

#[test]
fn broken_queries_are_refused() {
    let with = |more: &str| refused(&format!("{HEAD}{BOX}{more}"));
    for text in ["(assert (<= Y_0", "(assert (<= Y_0 1)", "(assert )", "(assert (or))", "(assert (and))", "(assert (<= Y_0))", "(assert 1)"]
    {
        assert!(with(text).starts_with("unreadable"), "{text}");
    }
    for text in
        ["(assert (<= Y_0 1 2))", "(assert (+ Y_0 1))", "(assert (<= (<= Y_0 1) 1))", "(assert (or Y_0))", "(assert (not (<= Y_0 1)))"]
    {
        assert!(with(text).starts_with("unreadable"), "{text}");
    }
    for text in
        ["(assert (<= Y_0 1..2))", "(assert (<= Y_2 1))", "(assert (<= Y_0 1e99999))", ")", "X", "(assert (<= \"Y_0\" 1))", "\u{e9}"]
    {
        assert!(with(text).starts_with("unreadable"), "{text}");
    }
    assert!(with("(declare-const X_3 Real)").contains("without gaps"));
    assert!(with("(declare-const X_0 Real)").contains("declared twice"));
    assert!(with("(declare-const X_01 Real)").contains("variables are named"));
    assert!(with("(check-sat)").contains("command check-sat"));
    assert!(refused(&format!("{HEAD}(assert (<= X_0 1)) (assert (>= X_0 0)) (assert (>= X_1 0))")).contains("one side of input 1"));
    assert!(refused("").contains("without gaps"));
    let text = format!("{HEAD}{BOX}(assert (or (and (<= Y_0 1.5) (< X_1 (* 2 X_0))) (= Y_1 3)))");
    (0..text.len()).for_each(|end| drop(query(&text.as_bytes()[..end])));
}

#[test]
fn nested_conjunctions_end_where_they_end() {
    let text = "(assert (or (and (and (<= Y_0 1) (and (<= Y_0 2))) (<= Y_0 3)) (and (<= Y_1 4) (and (and (<= Y_1 5)) (<= Y_1 6)))))";
    let constants =
        |disjunct: &[&str], letter: usize| -> Vec<String> { disjunct.iter().map(|c| format!("-1 Y{letter} + {c} >= 0")).collect() };
    assert_eq!(disjuncts(&cases(text)[0]), [constants(&["1", "2", "3"], 0), constants(&["4", "5", "6"], 1)]);
    assert!(!refused(&format!("{HEAD}{BOX}(assert (and (and (<= Y_0 1)))")).is_empty());
}

#[test]
fn indices_of_several_digits_and_axes_name_their_element() {
    let names = |letter: &str, n: usize| (0..n).map(|i| format!("(declare-const {letter}_{i} Real)")).collect::<String>();
    let bounds: String = (0..12).map(|i| format!("(assert (and (>= X_{i} {i}) (<= X_{i} {i}.5)))")).collect();
    let query = read(&format!("{}{}{bounds}(assert (<= Y_11 Y_1))", names("X", 12), names("Y", 12)));
    assert_eq!(box_of(&query.cases[0]), (0..12).map(|i| [i as f64, i as f64 + 0.5]).collect::<Vec<_>>());
    assert_eq!(disjuncts(&query.cases[0]), [["1 Y1 + -1 Y11 + 0 >= 0"]]);
    // Row-major: X[1,2] of 2 x 4 is element 6, Y[2,0,1] of 3 x 2 x 2 is element 9.
    let head = "(vnnlib-version <2.0>) (declare-network N (declare-input X float32 [2,4]) (declare-output Y float32 [3,2,2]))";
    let bounds: String = (0..8).map(|i| format!("(assert (and (>= X[{},{}] {i}) (<= X[{},{}] 9)))", i / 4, i % 4, i / 4, i % 4)).collect();
    let query = read(&format!("{head}{bounds}(assert (<= Y[2,0,1] X[1,2]))"));
    assert_eq!(box_of(&query.cases[0]), (0..8).map(|i| [i as f64, 9.0]).collect::<Vec<_>>());
    assert_eq!(disjuncts(&query.cases[0]), [["1 X6 + -1 Y9 + 0 >= 0"]]);
}

#[test]
fn strict_bounds_stay_where_they_bind() {
    let shown_cuts = |more: &str| cases(more)[0].cuts.iter().map(shown).collect::<Vec<_>>();
    assert_eq!(shown_cuts("(assert (> X_0 0)) (assert (<= Y_0 0))"), ["1 X0 + 0 > 0"]);
    assert_eq!(shown_cuts("(assert (> X_0 -1)) (assert (< X_0 2)) (assert (<= Y_0 0))"), Vec::<String>::new());
    assert_eq!(shown_cuts("(assert (< X_0 1)) (assert (> X_1 -1)) (assert (<= Y_0 0))"), ["-1 X0 + 1 > 0", "1 X1 + 1 > 0"]);
}

#[test]
fn outputs_are_numbered_without_gaps() {
    let outputs = |names: &str| {
        let declared: String = names.split(' ').filter(|n| !n.is_empty()).map(|n| format!("(declare-const {n} Real)")).collect();
        query(format!("(declare-const X_0 Real){declared}(assert (and (>= X_0 0) (<= X_0 1)))").as_bytes()).is_ok()
    };
    assert!(outputs("Y_0 Y_1") && !outputs("Y_0 Y_2") && !outputs("Y_1") && !outputs(""));
    assert!(query(b"(declare-const Y_0 Real) (assert (<= Y_0 0))").is_err());
}

#[test]
fn a_variable_that_stands_twice_counts_twice() {
    let text = "(assert (>= (+ Y_0 (* 2 Y_1) Y_0 (* -3 Y_1) X_1) 7))";
    assert_eq!(disjuncts(&cases(text)[0]), [["1 X1 + 2 Y0 + -1 Y1 + -7 >= 0"]]);
    assert_eq!(disjuncts(&cases("(assert (>= (+ Y_0 Y_1) (+ Y_0 3)))")[0]), [["1 Y1 + -3 >= 0"]]);
}
