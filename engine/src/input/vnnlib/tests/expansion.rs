//! A query's cases mean exactly what its nested conditions mean: compared at random points in exact arithmetic.

use dashu::rational::RBig;
use proptest::prelude::*;

use super::*;
use crate::numerics::Decimal;

const INPUTS: usize = 2;
const VARIABLES: [&str; 4] = ["X_0", "X_1", "Y_0", "Y_1"];

#[derive(Clone, Debug)]
enum Term {
    Number(i32),
    Variable(usize),
    Sum(Vec<Term>),
    Difference(Vec<Term>),
    Multiple(i32, Box<Term>),
}

#[derive(Clone, Debug)]
enum Condition {
    Compare(usize, Term, Term),
    And(Vec<Condition>),
    Or(Vec<Condition>),
}

const SIGNS: [&str; 6] = ["<", "<=", ">", ">=", "==", "!="];

impl Term {
    fn text(&self) -> String {
        let list = |terms: &[Term]| terms.iter().map(Term::text).collect::<Vec<_>>().join(" ");
        match self {
            Term::Number(n) => format!("{}e-1", n * 5),
            Term::Variable(i) => VARIABLES[*i].into(),
            Term::Sum(terms) => format!("(+ {})", list(terms)),
            Term::Difference(terms) => format!("(- {})", list(terms)),
            Term::Multiple(n, term) => format!("(* {} {n})", term.text()),
        }
    }

    fn value(&self, point: &[Decimal]) -> RBig {
        match self {
            Term::Number(n) => RBig::from(*n) / RBig::from(2),
            Term::Variable(i) => point[*i].to_rational(),
            Term::Sum(terms) => terms.iter().map(|term| term.value(point)).fold(RBig::ZERO, |a, b| a + b),
            Term::Difference(terms) => match &terms[..] {
                [only] => -only.value(point),
                [first, rest @ ..] => rest.iter().fold(first.value(point), |a, b| a - b.value(point)),
                [] => unreachable!("lists have members"),
            },
            Term::Multiple(n, term) => RBig::from(*n) * term.value(point),
        }
    }
}

impl Condition {
    fn text(&self) -> String {
        let list = |parts: &[Condition]| parts.iter().map(Condition::text).collect::<Vec<_>>().join(" ");
        match self {
            Condition::Compare(sign, left, right) => format!("({} {} {})", SIGNS[*sign], left.text(), right.text()),
            Condition::And(parts) => format!("(and {})", list(parts)),
            Condition::Or(parts) => format!("(or {})", list(parts)),
        }
    }

    fn holds(&self, point: &[Decimal]) -> bool {
        match self {
            Condition::And(parts) => parts.iter().all(|part| part.holds(point)),
            Condition::Or(parts) => parts.iter().any(|part| part.holds(point)),
            Condition::Compare(sign, left, right) => {
                let order = left.value(point).cmp(&right.value(point));
                [order.is_lt(), order.is_le(), order.is_gt(), order.is_ge(), order.is_eq(), order.is_ne()][*sign]
            }
        }
    }
}

fn terms() -> impl Strategy<Value = Term> {
    let leaf = prop_oneof![(-4i32..5).prop_map(Term::Number), (0usize..4).prop_map(Term::Variable), (0usize..2).prop_map(Term::Variable)];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Term::Sum),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Term::Difference),
            (-3i32..4, inner).prop_map(|(n, term)| Term::Multiple(n, Box::new(term)))
        ]
    })
}

fn conditions() -> impl Strategy<Value = Condition> {
    let bound = (0usize..6, 0usize..4, -4i32..5).prop_map(|(sign, i, n)| Condition::Compare(sign, Term::Variable(i), Term::Number(n)));
    let leaf = prop_oneof![3 => bound, 2 => (0usize..6, terms(), terms()).prop_map(|(sign, a, b)| Condition::Compare(sign, a, b))];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Condition::And),
            prop::collection::vec(inner, 1..4).prop_map(Condition::Or)
        ]
    })
}

fn satisfied(query: &Query, point: &[Decimal]) -> bool {
    query.cases.iter().any(|case| {
        let exact = |i: usize| point[i].to_rational();
        case.contains(&point[..INPUTS]) && case.disjuncts.iter().any(|disjunct| disjunct.iter().all(|claim| claim.holds(exact)))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn cases_mean_what_the_nested_conditions_mean(
        asserted in prop::collection::vec(conditions(), 1..4),
        points in prop::collection::vec(prop::array::uniform4(-5i32..6), 40),
    ) {
        let text: String = asserted.iter().map(|condition| format!("(assert {})\n", condition.text())).collect();
        let within = "(assert (and (<= X_0 2) (>= X_0 -2) (<= X_1 2) (>= X_1 -2)))";
        let options = ParseOptions { allow_empty: true, ..ParseOptions::default() };
        let text = legacy(2, 2, &format!("{within}{text}"));
        let query = read_query(text.as_bytes(), &options).unwrap();
        for numbers in points {
            // Halves hit the constants, so that strictness matters; thirds are no decimals, but these come close.
            let point: Vec<Decimal> = numbers.iter().map(|&n| Decimal::new((n * 5).into(), -1)).collect();
            let inside = point[..INPUTS].iter().all(|x| x.abs() <= Decimal::from(2));
            let expected = inside && asserted.iter().all(|condition| condition.holds(&point));
            prop_assert_eq!(satisfied(&query, &point), expected, "{} at {:?}", text, numbers);
        }
        for case in &query.cases {
            for cut in &case.region.cuts {
                prop_assert!(cut.terms.iter().all(|(i, c)| *i < INPUTS && !c.is_zero()));
            }
        }
    }
}
