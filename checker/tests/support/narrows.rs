//! Random sums with multipliers, and upper bounds of hinges, as bytes.

use checker::certificate::write_varint;
use checker::plan::{Plan, Step};

use super::Random;

/// Activations and elements of all hinges.
fn hinges(plan: &Plan) -> Vec<(usize, usize)> {
    let is_hinge = |a: usize| matches!(plan.nodes[plan.activations[a].node].step, Step::Hinge(..));
    let of = |a: usize| (0..plan.activations[a].len).map(move |j| (a, j));
    (0..plan.activations.len()).filter(|&a| is_hinge(a)).flat_map(of).collect()
}

fn number(random: &mut Random) -> [u8; 4] {
    let x = [0.0, 1.0, -1.0, 1e-30, -1e30, random.unit() as f32, 0.25 * random.unit() as f32, random.unit() as f32][random.below(8)];
    x.to_le_bytes()
}

/// A step that narrows; `facts` are how many rows, cuts and caps it may weigh.
pub fn narrow(plan: &Plan, facts: [usize; 3], random: &mut Random) -> Vec<u8> {
    let hinges = hinges(plan);
    let mut bytes = vec![0x14, random.below(2) as u8];
    let references: Vec<u64> = facts.iter().zip([0, 1, 3]).flat_map(|(&n, kind)| (0..n as u64).map(move |i| 4 * i + kind)).collect();
    let weighed: Vec<u64> = references.into_iter().filter(|r| r % 4 == 0 || random.below(2) == 0).collect();
    write_varint(&mut bytes, weighed.len() as u64);
    for reference in weighed {
        write_varint(&mut bytes, reference);
        bytes.extend([0.0, 1.0, random.unit().abs() as f32][random.below(3)].to_le_bytes());
    }
    let count = if hinges.is_empty() { 0 } else { random.below(5) };
    write_varint(&mut bytes, count as u64);
    for _ in 0..count {
        let (activation, j) = hinges[random.below(hinges.len())];
        bytes.extend([activation as u8, (2 * j + random.below(2)) as u8]);
        bytes.extend(number(random));
    }
    bytes
}

/// A step that bounds a hinge, where there is one.
pub fn cap(plan: &Plan, random: &mut Random) -> Option<Vec<u8>> {
    let hinges = hinges(plan);
    let &(activation, j) = hinges.get(random.below(hinges.len().max(1)))?;
    let mut bytes = vec![0x31, activation as u8, j as u8];
    let count = random.below(4);
    bytes.push(count as u8);
    for _ in 0..count {
        match random.below(3) {
            0 => {
                let (activation, j) = hinges[random.below(hinges.len())];
                bytes.extend([activation as u8 + 1, j as u8]);
            }
            _ => bytes.extend([0, random.below(plan.inputs) as u8]),
        }
        bytes.extend(number(random));
    }
    Some(bytes)
}

/// Some steps of both kinds; `facts` are how many rows and cuts they may weigh, `caps` how many there are already.
pub fn several(plan: &Plan, facts: [usize; 2], mut caps: usize, random: &mut Random) -> Vec<Vec<u8>> {
    let mut steps = Vec::new();
    for _ in 0..random.below(6) {
        match (random.below(3), cap(plan, random)) {
            (0, Some(cap)) => {
                steps.push(cap);
                caps += 1;
            }
            _ => steps.push(narrow(plan, [facts[0], facts[1], caps], random)),
        }
    }
    steps
}
