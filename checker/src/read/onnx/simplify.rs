//! Nodes that only add a constant go into the sum before them: `(W h) + b` is one affine node, as in Gemm.

use crate::network::{Affine, Linear, Network, Node, Operation};

/// Folds biases, and drops nodes that change nothing. Neither changes a value, also not in floating point, where the bias is
/// added last.
pub(super) fn simplify(network: &mut Network) {
    let mut readers = vec![0usize; network.nodes.len()];
    network.nodes.iter().flat_map(|node| &node.inputs).chain(&network.outputs).for_each(|&id| readers[id] += 1);
    let mut places = Vec::with_capacity(network.nodes.len());
    // Each kept node with the number of its readers.
    let mut kept: Vec<(Node, usize)> = Vec::with_capacity(network.nodes.len());
    for (mut node, own_readers) in std::mem::take(&mut network.nodes).into_iter().zip(readers) {
        node.inputs.iter_mut().for_each(|id| *id = places[*id]);
        places.push(match into_before(&mut node, &mut kept) {
            Some(before) => {
                // The node's readers come in place of the node.
                kept[before].1 += own_readers;
                kept[before].1 -= 1;
                before
            }
            None => {
                kept.push((node, own_readers));
                kept.len() - 1
            }
        });
    }
    network.nodes = kept.into_iter().map(|(node, _)| node).collect();
    network.inputs.iter_mut().chain(&mut network.outputs).for_each(|id| *id = places[*id]);
}

/// The earlier node that has the same value, perhaps after it took up the bias.
fn into_before(node: &mut Node, kept: &mut [(Node, usize)]) -> Option<usize> {
    let Operation::Affine(Affine { parts, bias, relative_error: 0.0 }) = &mut node.operation else { return None };
    let ([Linear::Scale(weights)], &[before]) = (&parts[..], &node.inputs[..]) else { return None };
    if !weights.iter().all(|&w| w == 1.0) {
        return None;
    }
    if bias.iter().all(|&b| b == 0.0) {
        return Some(before);
    }
    let (node_before, readers) = &mut kept[before];
    match &mut node_before.operation {
        Operation::Affine(Affine { bias: own, relative_error: 0.0, .. }) if own.is_empty() && *readers == 1 => {
            *own = std::mem::take(bias);
            Some(before)
        }
        _ => None,
    }
}
