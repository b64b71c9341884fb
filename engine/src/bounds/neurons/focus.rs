//! Which neurons' bounds matter to some rows: those whose relaxations the rows pay most for.

use std::sync::Arc;

use super::batch::{Batch, Step};
use super::program::{Node, Program, Start};
use crate::kernels::Kernel;

/// Steps down the gradient before payments are read off.
const STEPS: usize = 20;
/// What a negative coefficient counts beside a positive one: its line passes through the kink, where it costs nothing.
const BELOW: f64 = 0.25;

/// For each node the elements that `starts` (rows of one node) pay most for, which together make up `share` of all payments
/// of some row; nothing at nodes other than ReLUs.
pub fn focus<F: Kernel>(program: &Program<F>, starts: &[Arc<Start<F>>], share: f64, step: Step) -> Vec<Vec<bool>> {
    let mut wanted: Vec<Vec<bool>> = program.nodes.iter().map(|n| vec![false; n.width()]).collect();
    let Some(first) = starts.first() else { return wanted };
    let mut batch = Batch::new(program, first.node, starts.len());
    starts.iter().enumerate().for_each(|(tag, start)| batch.add(start.clone(), Vec::new(), None, tag));
    for _ in 0..STEPS {
        batch.sweep();
        batch.climb(step);
    }
    batch.sweep();
    for r in 0..starts.len() {
        let mut paid: Vec<(f64, usize, usize)> = Vec::new();
        for (id, node) in program.nodes[..=first.node].iter().enumerate() {
            let Node::Hinge(hinge) = node else { continue };
            for (i, c) in batch.coefficients(r, id).iter().enumerate().filter(|(i, _)| hinge.unstable(*i)) {
                let c = c.to_f64();
                let size = (if c > 0.0 { c } else { -BELOW * c }) * hinge.offset[i].to_f64();
                if size > 0.0 {
                    paid.push((size, id, i));
                }
            }
        }
        paid.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut left = share * paid.iter().map(|p| p.0).sum::<f64>();
        for (size, id, i) in paid {
            if left <= 0.0 {
                break;
            }
            left -= size;
            wanted[id][i] = true;
        }
    }
    wanted
}
