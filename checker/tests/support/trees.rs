//! Random row trees as bytes.

use checker::plan::{Plan, Step};

use super::Random;

fn is_relu(plan: &Plan, activation: usize) -> bool {
    matches!(plan.nodes[plan.activations[activation].node].step, Step::Hinge(_, 0.0, _))
}

fn is_free(plan: &Plan, activation: usize) -> bool {
    is_relu(plan, activation) || matches!(plan.nodes[plan.activations[activation].node].step, Step::Curve(..))
}

/// Masks of free slopes of the activations below `end`, `count`, and as many trees, each after its `head`. Without a count for 0.
pub fn random(plan: &Plan, end: usize, count: usize, random: &mut Random, head: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut slopes = 0;
    for (a, activation) in plan.activations[..end].iter().enumerate() {
        for first in (0..activation.len).step_by(8) {
            let there = (0..8).filter(|bit| first + bit < activation.len).fold(0u8, |mask, bit| mask | 1 << bit);
            let mask = if is_free(plan, a) { there & random.bits() as u8 } else { 0 };
            slopes += mask.count_ones() as usize;
            bytes.push(mask);
        }
    }
    if count > 0 {
        bytes.push(count as u8);
    }
    let relus: Vec<(usize, usize)> =
        (0..end).filter(|&a| is_relu(plan, a)).flat_map(|a| (0..plan.activations[a].len).map(move |j| (a, j))).collect();
    for row in 0..count.max(1) {
        bytes.extend(head(row));
        tree(&relus, 0, slopes, random, &mut bytes);
    }
    bytes
}

fn tree(relus: &[(usize, usize)], depth: usize, slopes: usize, random: &mut Random, bytes: &mut Vec<u8>) {
    if depth < 3 && !relus.is_empty() && random.below(2) == 0 {
        let k = random.below(relus.len());
        bytes.extend([1, relus[k].0 as u8, relus[k].1 as u8]);
        let others: Vec<(usize, usize)> = relus.iter().copied().filter(|r| *r != relus[k]).collect();
        tree(&others, depth + 1, slopes, random, bytes);
        tree(&others, depth + 1, slopes, random, bytes);
        return;
    }
    bytes.push(0);
    for _ in 0..depth {
        let beta = [0.0, -0.0, 1.0, 1e-30, 1e30, 0.25 * random.unit().abs() as f32][random.below(6)];
        bytes.extend(beta.to_le_bytes());
    }
    (0..slopes).for_each(|_| bytes.push([0, 255, random.bits() as u8][random.below(3)]));
}
