//! Deployed evaluations: binary32, terms in any order, fused multiply-add or not, affine blocks fused or not, subnormal
//! numbers kept or flushed to zero.

use engine::graph::{Graph, NodeId};
use engine::ops::{Affine, Operation, Scalar};

use crate::graphs::Dice;

/// How one evaluation computes.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    fused_multiply_add: bool,
    flush: bool,
    bias_first: bool,
    pairwise: bool,
    /// Scales that follow an affine operator which nothing else reads are folded into its weights.
    folded: bool,
}

impl Style {
    pub fn random(dice: &mut Dice) -> Style {
        Style {
            fused_multiply_add: dice.one_in(2),
            flush: dice.one_in(3),
            bias_first: dice.one_in(2),
            pairwise: dice.one_in(3),
            folded: dice.one_in(2),
        }
    }

    fn flushed(self, x: f32) -> f32 {
        if self.flush && x.is_subnormal() { 0.0 } else { x }
    }

    /// The sum of the terms, in a random order.
    fn sum(self, dice: &mut Dice, mut terms: Vec<(f32, f32)>, bias: Option<f32>) -> f32 {
        for i in (1..terms.len()).rev() {
            terms.swap(i, dice.below(i + 1));
        }
        let mut total = match bias {
            Some(b) if self.bias_first => b,
            _ => 0.0,
        };
        if self.pairwise {
            let products: Vec<f32> = terms.iter().map(|t| self.flushed(t.0 * t.1)).collect();
            total = self.flushed(total + self.halves(&products));
        } else {
            for (w, x) in terms {
                total = match self.fused_multiply_add {
                    true => self.flushed(w.mul_add(x, total)),
                    false => self.flushed(total + self.flushed(w * x)),
                };
            }
        }
        match bias {
            Some(b) if !self.bias_first => self.flushed(total + b),
            _ => total,
        }
    }

    fn halves(self, products: &[f32]) -> f32 {
        match products {
            [] => 0.0,
            [x] => *x,
            _ => {
                let (a, b) = products.split_at(products.len() / 2);
                self.flushed(self.halves(a) + self.halves(b))
            }
        }
    }
}

/// Values of all nodes; `None` for a node that folding leaves out.
pub fn evaluate(graph: &Graph, point: &[f64], style: Style, dice: &mut Dice) -> Vec<Option<Vec<f32>>> {
    let mut values: Vec<Option<Vec<f32>>> = Vec::new();
    for (id, node) in graph.nodes.iter().enumerate() {
        let folded = style.folded && is_folded(graph, id);
        let value = match &node.operation {
            _ if folded => None,
            Operation::Input => Some(point.iter().map(|&x| style.flushed(x as f32)).collect()),
            Operation::Constant(c) => Some((0..c.len()).map(|i| c.at(i) as f32).collect()),
            Operation::Affine(op) => Some(affine(graph, id, op.as_ref(), &values, style, dice)),
            Operation::Scalar(op) => {
                let x = values[node.inputs[0]].as_ref().expect("only affine operands are folded");
                Some(x.iter().map(|&x| scalar(op.as_ref(), x, dice)).collect())
            }
            Operation::General(op) => {
                let operands: Vec<&[f32]> = node.inputs.iter().map(|&p| &values[p].as_ref().expect("not folded")[..]).collect();
                let mut y = vec![0.0; node.len()];
                op.eval_f32(&operands, &mut y);
                Some(y)
            }
        };
        values.push(value);
    }
    values
}

/// A binary32 number as far from the real value as the operator says that a deployed function may be.
fn scalar(op: &dyn Scalar, x: f32, dice: &mut Dice) -> f32 {
    let (own, y) = (op.deployed_error(), op.eval(x as f64));
    let most = own.absolute + own.relative * y.abs();
    let wrong = (y + (2.0 * dice.unit() - 1.0) * most) as f32;
    if (wrong as f64 - y).abs() <= 0.999 * most { wrong } else { op.eval_f32(x) }
}

/// True if node `id` is affine, of one operand, and read only by one elementwise affine operator.
fn is_folded(graph: &Graph, id: NodeId) -> bool {
    let readers: Vec<NodeId> = (0..graph.nodes.len()).filter(|&r| graph.nodes[r].inputs.contains(&id)).collect();
    let affine = |n: NodeId| matches!(&graph.nodes[n].operation, Operation::Affine(op) if !op.is_selection());
    let elementwise = |n: NodeId| graph.nodes[n].inputs == [id] && graph.nodes[n].operation.name() == "BatchNormalization";
    let plain = affine(id) && graph.nodes[id].inputs.len() == 1 && graph.nodes[id].operation.name() != "BatchNormalization";
    plain && !graph.outputs.contains(&id) && readers.len() == 1 && elementwise(readers[0])
}

fn affine(graph: &Graph, id: NodeId, op: &dyn Affine, values: &[Option<Vec<f32>>], style: Style, dice: &mut Dice) -> Vec<f32> {
    let node = &graph.nodes[id];
    let mut terms: Vec<Vec<(f32, f32)>> = vec![Vec::new(); node.len()];
    let below = node.inputs[0];
    let mut bias: Vec<Option<f32>> = (0..node.len()).map(|i| op.bias().map(|b| b.at(i) as f32)).collect();
    if let (None, Operation::Affine(inner)) = (&values[below], &graph.nodes[below].operation) {
        // `s (W x + b) + t` as `(s W) x + (s b + t)`, the constants rounded once they are combined.
        let x = values[graph.nodes[below].inputs[0]].as_ref().expect("folded once");
        let mut factor = vec![0.0f32; node.len()];
        op.for_each_weight(0, &mut |o, _, w| factor[o] = w as f32);
        inner.for_each_weight(0, &mut |o, i, w| terms[o].push((style.flushed(factor[o] * w as f32), x[i])));
        for (o, b) in bias.iter_mut().enumerate() {
            let inner = inner.bias().map_or(0.0, |b| b.at(o) as f32);
            *b = Some(style.flushed(style.flushed(factor[o] * inner) + b.unwrap_or(0.0)));
        }
    } else {
        for (k, &p) in node.inputs.iter().enumerate() {
            let x = values[p].as_ref().expect("read by several, so not folded");
            op.for_each_weight(k, &mut |o, i, w| terms[o].push((w as f32, x[i])));
        }
    }
    terms.into_iter().zip(bias).map(|(terms, bias)| style.sum(dice, terms, bias)).collect()
}
