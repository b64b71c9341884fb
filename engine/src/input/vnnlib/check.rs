//! Does a query fit a network?

use super::error::{QueryError, QueryErrorKind};
use crate::graph::{Graph, NodeId};
use crate::query::{Query, Variable, VariableKind};

/// Compares the declared inputs and outputs with the network's: number of elements and shapes, up to dimensions of 1 and flattening.
pub fn check_against(query: &Query, graph: &Graph) -> Result<(), QueryError> {
    check_side(query, graph, "input", &VariableKind::Input, &graph.inputs)?;
    check_side(query, graph, "output", &VariableKind::Output, &graph.outputs)
}

fn check_side(query: &Query, graph: &Graph, side: &str, kind: &VariableKind, nodes: &[NodeId]) -> Result<(), QueryError> {
    let network = query.networks.first().ok_or_else(|| mismatch("the query declares no network".into()))?;
    let variables: Vec<&Variable> = network.variables.iter().filter(|variable| variable.kind == *kind).collect();
    let declared: usize = variables.iter().map(|variable| variable.len()).sum();
    let found: usize = nodes.iter().map(|&node| graph.nodes[node].len()).sum();
    if declared != found {
        let message =
            format!("the query declares {declared} {side} elements, the network has {found}: use the network that the query is for");
        return Err(mismatch(message));
    }
    if query.legacy {
        return Ok(());
    }
    if variables.len() != nodes.len() {
        let (declared, found) = (variables.len(), nodes.len());
        return Err(mismatch(format!("the query declares {declared} {side} variables, the network has {found}: declare one for each")));
    }
    for (variable, &node) in variables.iter().zip(nodes) {
        let node = &graph.nodes[node];
        if !shapes_fit(&variable.shape, &node.shape) {
            let (name, declared, theirs, found) = (&variable.name, &variable.shape, &node.name, &node.shape);
            let message = format!("{side} `{name}` is declared with shape {declared:?}, `{theirs}` of the network has shape {found:?}");
            return Err(mismatch(message));
        }
    }
    Ok(())
}

/// Equal up to dimensions of 1, or one of the two is flat.
fn shapes_fit(a: &[usize], b: &[usize]) -> bool {
    let squeeze = |shape: &[usize]| shape.iter().copied().filter(|&d| d != 1).collect::<Vec<_>>();
    let (a, b) = (squeeze(a), squeeze(b));
    let len = |shape: &[usize]| shape.iter().product::<usize>();
    a == b || (len(&a) == len(&b) && (a.len() <= 1 || b.len() <= 1))
}

fn mismatch(message: String) -> QueryError {
    QueryError { kind: QueryErrorKind::Mismatch, file: String::new(), place: None, message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Element;
    use crate::query::NetworkDeclaration;

    /// A network without operations: its input is its output.
    fn graph(shape: &[usize]) -> Graph {
        let mut graph = Graph::new(Element::F32);
        graph.add_input("image", shape);
        graph.outputs = graph.inputs.clone();
        graph
    }

    fn query(shape: &[usize]) -> Query {
        let variable = |name: &str, kind| Variable { name: name.into(), kind, element: "float32".into(), shape: shape.into() };
        let variables = vec![variable("X", VariableKind::Input), variable("Y", VariableKind::Output)];
        let networks = vec![NetworkDeclaration { name: "f".into(), relation: None, variables }];
        Query { networks, legacy: false, cases: vec![], notes: vec![] }
    }

    #[test]
    fn shapes_fit_up_to_flattening_and_dimensions_of_1() {
        for (declared, found) in [(&[2, 3][..], &[1, 2, 3][..]), (&[6], &[1, 2, 3]), (&[2, 3], &[6]), (&[2, 3], &[2, 1, 3, 1])] {
            assert_eq!(check_against(&query(declared), &graph(found)), Ok(()), "{declared:?} {found:?}");
        }
        let error = check_against(&query(&[2, 3]), &graph(&[1, 3, 2])).unwrap_err();
        assert_eq!(error.kind, QueryErrorKind::Mismatch);
        assert!(error.message.contains("shape [2, 3]") && error.message.contains("`image` of the network has shape [1, 3, 2]"), "{error}");
    }

    #[test]
    fn both_numbers_are_named_where_counts_differ() {
        let error = check_against(&query(&[2, 3]), &graph(&[1, 784])).unwrap_err();
        assert!(error.message.contains("declares 6 input elements, the network has 784"), "{error}");
        let mut graph = graph(&[6]);
        graph.outputs.clear();
        assert!(check_against(&query(&[6]), &graph).unwrap_err().message.contains("6 output elements, the network has 0"));
    }
}
