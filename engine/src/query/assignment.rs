//! A witness printed in the query's own format.

use std::fmt::Write;

use super::{Query, Variable, VariableKind};
use crate::numerics::Decimal;

impl Query {
    /// The assignment after `sat`: in version 1.0 `((X_0 v)` ... `(Y_0 v))`, else for every variable a header
    /// `NAME type [d0,d1]` and one value per line. Expects one value per declared element; no trailing newline.
    ///
    /// Values are plain decimals, as version 2 has no exponents.
    pub fn format_assignment(&self, inputs: &[Decimal], outputs: &[Decimal]) -> String {
        assert_eq!((inputs.len(), outputs.len()), (self.input_len(), self.output_len()), "one value per declared element");
        if self.legacy { format_pairs(inputs, outputs) } else { self.format_variables(inputs, outputs) }
    }

    /// Every variable with its values, in order of declaration; hidden variables have none and are left out.
    pub fn variables_with_values<'a>(&'a self, inputs: &'a [Decimal], outputs: &'a [Decimal]) -> Vec<(&'a Variable, &'a [Decimal])> {
        let (mut inputs, mut outputs) = (inputs, outputs);
        let mut assigned = Vec::new();
        for variable in self.networks.iter().flat_map(|network| &network.variables) {
            let values = match variable.kind {
                VariableKind::Input => &mut inputs,
                VariableKind::Output => &mut outputs,
                VariableKind::Hidden(_) => continue,
            };
            let (own, rest) = values.split_at(variable.len().min(values.len()));
            *values = rest;
            assigned.push((variable, own));
        }
        assigned
    }

    fn format_variables(&self, inputs: &[Decimal], outputs: &[Decimal]) -> String {
        let mut lines = Vec::new();
        for (variable, values) in self.variables_with_values(inputs, outputs) {
            let shape: Vec<String> = variable.shape.iter().map(usize::to_string).collect();
            lines.push(format!("{} {} [{}]", variable.name, variable.element, shape.join(",")));
            lines.extend(values.iter().map(Decimal::to_string));
        }
        lines.join("\n")
    }
}

fn format_pairs(inputs: &[Decimal], outputs: &[Decimal]) -> String {
    let mut text = String::from("(");
    let pairs = inputs.iter().enumerate().map(|pair| ('X', pair)).chain(outputs.iter().enumerate().map(|pair| ('Y', pair)));
    for (name, (i, value)) in pairs {
        let separator = if text.len() > 1 { "\n" } else { "" };
        write!(text, "{separator}({name}_{i} {value})").expect("writing to a string succeeds");
    }
    text + ")"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::NetworkDeclaration;

    fn variable(name: &str, kind: VariableKind, shape: &[usize]) -> Variable {
        Variable { name: name.into(), kind, element: "float32".into(), shape: shape.into() }
    }

    fn query(legacy: bool) -> Query {
        let input = if legacy { variable("X", VariableKind::Input, &[2]) } else { variable("image", VariableKind::Input, &[1, 2]) };
        let output = if legacy { variable("Y", VariableKind::Output, &[1]) } else { variable("score", VariableKind::Output, &[]) };
        let network = NetworkDeclaration { name: "f".into(), relation: None, variables: vec![input, output] };
        Query { networks: vec![network], legacy, cases: vec![], notes: vec![] }
    }

    fn values(texts: &[&str]) -> Vec<Decimal> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn version_1_prints_pairs() {
        let text = query(true).format_assignment(&values(&["0.5", "-1e-7"]), &values(&["3"]));
        assert_eq!(text, "((X_0 0.5)\n(X_1 -0.0000001)\n(Y_0 3))");
    }

    #[test]
    fn version_2_prints_every_variable_with_type_and_shape() {
        let text = query(false).format_assignment(&values(&["0.5", "-1e-7"]), &values(&["3"]));
        assert_eq!(text, "image float32 [1,2]\n0.5\n-0.0000001\nscore float32 []\n3");
        assert_eq!(query(false).element_name(1), "image[0,1]");
        assert_eq!(query(false).element_name(2), "score");
    }
}
