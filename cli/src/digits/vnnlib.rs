//! The robustness of one image as a VNN-LIB query.

use engine::numerics::Decimal;

use super::dataset::Example;

/// The VNN-LIB query "does some picture within `eps` get another class?": `unsat` means robust.
pub fn query(example: &Example, eps: f64, classes: usize) -> String {
    let Example { id, x, label } = example;
    let mut text = format!("; Digits test image {id}: a {label}. Every pixel may move by {eps} within [0, 1].\n\n");
    (0..x.len()).for_each(|i| text += &format!("(declare-const X_{i} Real)\n"));
    (0..classes).for_each(|i| text += &format!("(declare-const Y_{i} Real)\n"));
    text += "\n";
    let decimal = |v: f64| Decimal::shortest_f64(v).expect("pixels and radius are finite");
    let (zero, one, eps) = (decimal(0.0), decimal(1.0), decimal(eps));
    for (i, &pixel) in x.iter().enumerate() {
        let (low, high) = ((&decimal(pixel) - &eps).clamp_to(&zero, &one), (&decimal(pixel) + &eps).clamp_to(&zero, &one));
        text += &format!("(assert (>= X_{i} {low}))\n(assert (<= X_{i} {high}))\n");
    }
    text += &format!("\n; Some other class is at least as likely as {label}.\n(assert (or\n");
    (0..classes).filter(|j| j != label).for_each(|j| text += &format!("    (and (>= Y_{j} Y_{label}))\n"));
    text + "))\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_exact_clipped_decimals() {
        let text = query(&Example { id: 0, x: vec![0.0, 0.0625, 1.0], label: 1 }, 0.02, 3);
        assert!(text.contains("(assert (>= X_0 0))\n(assert (<= X_0 0.02))"), "{text}");
        assert!(text.contains("(assert (>= X_1 0.0425))\n(assert (<= X_1 0.0825))"));
        assert!(text.contains("(assert (>= X_2 0.98))\n(assert (<= X_2 1))"));
        assert!(text.contains("(and (>= Y_0 Y_1))\n    (and (>= Y_2 Y_1))\n))"));
    }

    #[test]
    fn our_own_reader_understands_the_query() {
        use engine::input::vnnlib::{ParseOptions, read_query};
        let text = query(&Example { id: 0, x: vec![0.0, 0.0625], label: 1 }, 0.02, 3);
        let query = read_query(text.as_bytes(), &ParseOptions::default()).expect("readable");
        assert_eq!((query.input_len(), query.output_len(), query.disjunct_count()), (2, 3, 2));
    }
}
