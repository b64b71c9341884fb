//! What row trees leave for a certificate: the multipliers of their leaves, written as steps (docs/certificate.md).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::batch::Split;
use super::forest::Leaf;
use super::program::{Node, Program};
use crate::graph::Graph;
use crate::kernels::Kernel;
use crate::ops::Operation;
use crate::proof::{RowTree, Steps};

/// A neuron of a program: the hinge's node, and the element.
pub type Neuron = (u32, u32);

/// The multipliers that bound a row in one region.
#[derive(Clone, Debug)]
pub struct Multipliers {
    /// From the root on: the neuron, its side (true for active), and the multiplier of that fact; -0 where the bound
    /// does not rest on it.
    pub splits: Box<[(Neuron, bool, f32)]>,
    /// Lower slopes of the program's unstable neurons below the row, in 255ths.
    pub slopes: Box<[u8]>,
}

/// Marks a side that a bound does not rest on.
const UNUSED: f32 = -0.0;

impl Multipliers {
    /// The same bound for a part of the region, on one side of another neuron.
    pub fn inherited(&self, neuron: Neuron, active: bool) -> Multipliers {
        let splits = self.splits.iter().copied().chain([(neuron, active, UNUSED)]).collect();
        Multipliers { splits, slopes: self.slopes.clone() }
    }

    /// Of a row with these slopes and splits.
    pub fn new<F: Kernel>(slopes: Box<[u8]>, splits: &[Split<F>]) -> Multipliers {
        let split = |s: &Split<F>| ((s.node, s.neuron), s.active, s.beta.to_f64() as f32 + 0.0);
        Multipliers { splits: splits.iter().map(split).collect(), slopes }
    }

    /// Memory in bytes, about.
    pub fn size(&self) -> u64 {
        (self.slopes.len() + self.splits.len() * size_of::<(Neuron, bool, f32)>() + 48) as u64
    }
}

/// The neurons whose lower slopes are free in rows that start at node `last`: the unstable ones.
pub fn free_neurons<F: Kernel>(program: &Program<F>, last: usize) -> Vec<Neuron> {
    let hinges = program.nodes[..=last].iter().enumerate().filter_map(|(id, node)| match node {
        Node::Hinge(hinge) => Some((id as u32, hinge)),
        _ => None,
    });
    hinges.flat_map(|(id, hinge)| (0..hinge.up.len()).filter(|&i| hinge.unstable(i)).map(move |i| (id, i as u32))).collect()
}

/// An open leaf that has not been bounded, with these multipliers to begin with.
fn open_leaf<F: Kernel>(multipliers: Arc<Multipliers>) -> Leaf<F> {
    let split = |&((node, neuron), active, beta): &(Neuron, bool, f32)| Split { node, neuron, active, beta: F::from_f64(beta.into()) };
    let splits = multipliers.splits.iter().map(split).collect();
    Leaf { splits, slopes: Some(multipliers.slopes.clone()), proof: Some(multipliers), ..Leaf::root() }
}

/// What bounds the closed leaves of a tree, and its open leaves.
pub type Retraced<F> = (Vec<Arc<Multipliers>>, Vec<Leaf<F>>);

/// The leaves of an earlier tree in terms of a program: what bounds the closed ones, and open ones to go on from. None if it splits
/// neurons that the program does not have.
pub fn retrace<F: Kernel>(tree: &RowTree, program: &Program<F>, last: usize, names: &Names) -> Option<Retraced<F>> {
    let free = free_neurons(program, last);
    let numbered: BTreeMap<_, usize> = tree.free.iter().enumerate().map(|(k, element)| (*element, k)).collect();
    let places: Vec<Option<usize>> = free.iter().map(|&n| names(n).and_then(|e| numbered.get(&e).copied())).collect();
    let widths = program.nodes[..=last].iter().enumerate().filter(|(_, node)| matches!(node, Node::Hinge(_)));
    let neurons = widths.flat_map(|(id, node)| (0..node.width()).map(move |i| (id as u32, i as u32)));
    let neurons: BTreeMap<_, Neuron> = neurons.filter_map(|n| Some((names(n)?, n))).collect();
    // Neurons that are unstable only now take CROWN's slope.
    let default = |(node, i): Neuron| match &program.nodes[node as usize] {
        Node::Hinge(hinge) if hinge.start[i as usize] > F::ZERO => 255,
        _ => 0,
    };
    let (mut closed, mut open) = (Vec::new(), Vec::new());
    for leaf in &tree.leaves {
        let slope = |(place, &neuron): (&Option<usize>, &Neuron)| place.map_or_else(|| default(neuron), |p| leaf.slopes[p]);
        let slopes: Box<[u8]> = places.iter().zip(&free).map(slope).collect();
        let splits = leaf.path.iter().map(|&(element, active, beta)| Some((*neurons.get(&element)?, active, beta)));
        let multipliers = Arc::new(Multipliers { splits: splits.collect::<Option<_>>()?, slopes });
        if leaf.open {
            open.push(open_leaf(multipliers));
        } else {
            closed.push(multipliers);
        }
    }
    Some((closed, open))
}

/// How a certificate names a program's neurons: activation and element.
pub type Names<'a> = dyn Fn(Neuron) -> Option<(usize, usize)> + 'a;

/// The tree of a disjunct that it does not exclude: the share that is closed, and the step.
#[derive(Clone, Debug)]
struct Part {
    closed: f64,
    step: Steps,
}

/// The steps of the root of a case, in the order in which they are taken.
#[derive(Clone, Debug)]
pub struct Recorder {
    /// Elements of every activation.
    lens: Vec<usize>,
    steps: Steps,
    /// For open disjuncts the best tree so far.
    parts: BTreeMap<usize, Part>,
    most: u64,
    failed: Option<String>,
}

impl Recorder {
    /// Of a network of affine operators and hinges; keeps at most `most` bytes.
    pub fn new(graph: &Graph, most: u64) -> Recorder {
        let hinges = graph.nodes.iter().filter(|n| matches!(n.operation, Operation::Scalar(_)));
        Recorder { lens: hinges.map(|n| n.len()).collect(), steps: Steps::default(), parts: BTreeMap::new(), most, failed: None }
    }

    /// Begins with steps that were recorded before.
    pub fn resume(&mut self, steps: &[u8]) {
        self.add(|own| own.resume(steps));
    }

    /// Nothing more is kept.
    pub fn give_up(&mut self, why: impl Into<String>) {
        self.failed.get_or_insert(why.into());
        self.steps.clear();
        self.parts.clear();
    }

    /// Bytes that may still be kept.
    pub fn room(&self) -> u64 {
        if self.failed.is_some() { 0 } else { self.most.saturating_sub(self.steps.bytes().len() as u64) }
    }

    /// True if nothing is kept any more.
    pub fn has_given_up(&self) -> bool {
        self.failed.is_some()
    }

    /// Gives up as it would keep too much.
    pub fn run_out(&mut self) {
        let megabytes = self.most >> 20;
        self.give_up(format!("the proof takes more than {megabytes} MB (a quarter of the memory limit)"));
    }

    /// Interval arithmetic for an activation's operand.
    pub fn intervals(&mut self, activation: usize) {
        self.add(|steps| steps.refresh_by_intervals(activation));
    }

    /// Fresh bounds with default slopes for all activations.
    pub fn defaults(&mut self) {
        let count = self.lens.len();
        self.add(|steps| {
            (0..count).for_each(|activation| steps.refresh_by_intervals(activation));
            steps.refresh_all();
        });
    }

    /// Ends of an activation's elements: (element, true for the lower end, leaves of the row's tree).
    pub fn ends(&mut self, activation: usize, names: &Names, free: &[Neuron], ends: &[(usize, bool, &[Arc<Multipliers>])]) {
        let trees = ends.iter().map(|e| (Some(2 * e.0 + e.1 as usize), e.2, &[][..]));
        let Some(trees) = self.trees(activation, names, free, trees) else { return };
        self.add(|steps| steps.refresh_by_trees(activation, ends.len(), &trees.0, &trees.1));
    }

    /// A disjunct that one of its rows excludes.
    pub fn drop(&mut self, disjunct: usize, row: usize, names: &Names, free: &[Neuron], leaves: &[Arc<Multipliers>]) {
        let Some(trees) = self.trees(self.lens.len(), names, free, std::iter::once((None, leaves, &[][..]))) else { return };
        self.parts.remove(&disjunct);
        self.add(|steps| steps.drop_by_tree(disjunct, row, &trees.0, &trees.1));
    }

    /// The tree of a disjunct so far, with what bounds its closed and its open leaves. Kept until a better one comes.
    pub fn drop_in_part(&mut self, disjunct: usize, row: usize, names: &Names, free: &[Neuron], leaves: [&[Arc<Multipliers>]; 2]) {
        let closed = leaves[0].iter().map(|leaf| 0.5f64.powi(leaf.splits.len() as i32)).sum();
        if closed == 0.0 || self.parts.get(&disjunct).is_some_and(|part| part.closed > closed) {
            return;
        }
        let Some(trees) = self.trees(self.lens.len(), names, free, std::iter::once((None, leaves[0], leaves[1]))) else { return };
        let mut step = Steps::default();
        step.drop_by_tree(disjunct, row, &trees.0, &trees.1);
        if self.room() >= step.bytes().len() as u64 {
            self.parts.insert(disjunct, Part { closed, step });
        }
    }

    /// A tree of an earlier proof.
    pub fn keep_part(&mut self, tree: &RowTree) {
        let mut step = Steps::default();
        tree.write(&self.lens, &mut step);
        self.parts.insert(tree.disjunct, Part { closed: tree.closed(), step });
    }

    fn add(&mut self, write: impl FnOnce(&mut Steps)) {
        if self.failed.is_none() {
            write(&mut self.steps);
            if self.steps.bytes().len() as u64 > self.most {
                self.run_out();
            }
        }
    }

    /// Masks of the free elements of the activations below `end`, and trees (closed and open leaves), each after its head.
    fn trees<'t>(
        &mut self,
        end: usize,
        names: &Names,
        free: &[Neuron],
        trees: impl Iterator<Item = (Option<usize>, &'t [Arc<Multipliers>], &'t [Arc<Multipliers>])>,
    ) -> Option<(Vec<u8>, Steps)> {
        if self.failed.is_some() {
            return None;
        }
        let lens = &self.lens[..end];
        let named: Option<Vec<(usize, usize)>> = free.iter().map(|&n| names(n).filter(|a| a.0 < end && a.1 < lens[a.0])).collect();
        let Some(named) = named else {
            self.give_up("the network's activations are not in the order of its layers");
            return None;
        };
        let mut order: Vec<usize> = (0..named.len()).collect();
        order.sort_unstable_by_key(|&k| named[k]);
        let mut steps = Steps::default();
        for (head, closed, open) in trees {
            if let Some(end) = head {
                steps.varint(end as u64);
            }
            write_tree(closed, open, names, &order, &mut steps);
        }
        Some((masks(lens, &named), steps))
    }

    /// The steps (of an open case with those of disjuncts that are excluded in part), or why there are none.
    pub fn finish(mut self, closed: bool) -> Result<Steps, String> {
        self.parts.values().filter(|_| !closed).for_each(|part| self.steps.resume(part.step.bytes()));
        match self.failed {
            Some(why) => Err(why),
            None => Ok(self.steps),
        }
    }
}

fn masks(lens: &[usize], named: &[(usize, usize)]) -> Vec<u8> {
    let mut masks: Vec<Vec<u8>> = lens.iter().map(|len| vec![0; len.div_ceil(8)]).collect();
    named.iter().for_each(|&(activation, element)| masks[activation][element / 8] |= 1 << (element % 8));
    masks.concat()
}

/// The tree of some leaves, in pre-order: at every leaf the splits that no leaf before it went through are new.
fn write_tree(closed: &[Arc<Multipliers>], open: &[Arc<Multipliers>], names: &Names, order: &[usize], steps: &mut Steps) {
    let mut sorted: Vec<(&Multipliers, bool)> = closed.iter().map(|leaf| (&**leaf, false)).collect();
    sorted.extend(open.iter().map(|leaf| (&**leaf, true)));
    sorted.sort_by(|a, b| a.0.splits.iter().map(|s| s.1).cmp(b.0.splits.iter().map(|s| s.1)));
    let mut before: Option<&Multipliers> = None;
    for (leaf, open) in sorted {
        let shared = before.map_or(0, |b| 1 + b.splits.iter().zip(&leaf.splits).take_while(|(x, y)| x.1 == y.1).count());
        for (neuron, _, _) in leaf.splits.iter().skip(shared) {
            // A neuron without a name is one that is not free either, which `trees` refuses.
            let (activation, element) = names(*neuron).unwrap_or_default();
            steps.tree_split(activation, element);
        }
        steps.tree_leaf(open, leaf.splits.iter().map(|s| s.2), order.iter().map(|&k| leaf.slopes[k]));
        before = Some(leaf);
    }
}
