//! From a node of a certificate to the part of the input set that it is about.

use super::bounder::Verdict;
use super::{Bounder, Part, Phase, Workspace};
use crate::kernels::Kernel;
use crate::proof::{Log, OpenNode, Split, Steps, Turn};

impl<F: Kernel> Bounder<F> {
    /// The part of `root` at an open node: every node on the way is refreshed and clipped as the certificate says, so that the
    /// part inherits what the checker's node inherits; unless `fresh`: then nothing is inherited. `None` if the way splits what this network does not have.
    pub fn follow(&self, root: &Part<F>, node: &OpenNode, fresh: bool, ws: &mut Workspace<F>) -> Option<Part<F>> {
        self.follow_on(&mut Vec::new(), root, node, fresh, ws)
    }

    /// As [`Bounder::follow`], after other nodes in the order of the tree: `trail` holds the way to the last one, each turn with the
    /// part that it leads to, so that only what differs is done.
    pub fn follow_on(
        &self,
        trail: &mut Vec<(Turn, Part<F>)>,
        root: &Part<F>,
        node: &OpenNode,
        fresh: bool,
        ws: &mut Workspace<F>,
    ) -> Option<Part<F>> {
        let shared = trail.iter().zip(&node.turns).take_while(|(done, turn)| done.0 == **turn).count();
        trail.truncate(shared);
        let mut part = trail.last().map_or(root, |done| &done.1).clone();
        for turn in &node.turns[shared..] {
            if !fresh && (turn.refreshed || turn.clipped) {
                self.derive(&mut part, turn, ws);
            }
            self.take(&mut part, turn)?;
            trail.push((*turn, part.clone()));
        }
        part.node = node.node;
        part.open.clone_from(&node.open);
        part.share = 0.5f64.powi(node.turns.len() as i32);
        Some(part)
    }

    /// Replaces the part's facts by those of the node at which `turn` was taken, and clips its box.
    fn derive(&self, part: &mut Part<F>, turn: &Turn, ws: &mut Workspace<F>) {
        ws.steps.clear();
        self.load(part, ws);
        let fresh = self.concretise(part, ws) && self.refresh(ws) && !ws.late();
        if fresh && turn.clipped {
            self.bound_objectives(part, ws);
            if let Verdict::Open(_) = self.decide(part, ws) {
                self.clip_box(part, ws);
            }
        }
        ws.keep_or_share(&mut part.facts);
    }

    fn take(&self, part: &mut Part<F>, turn: &Turn) -> Option<()> {
        match (turn.split, turn.second) {
            (Split::Input { input, at }, true) => {
                let low = part.low.get_mut(input)?;
                *low = low.max(F::from_f64_down(at));
            }
            (Split::Input { input, at }, false) => {
                let high = part.high.get_mut(input)?;
                *high = high.min(F::from_f64_up(at));
            }
            // Its disjuncts are told with the node.
            (Split::Disjunct(_), _) => {}
            (Split::Neuron { activation, element }, active) => {
                let (layer, neuron) = self.find(activation as u32, element as u32)?;
                part.phases.push(Phase { layer, neuron, active });
            }
        }
        Some(())
    }

    /// The hidden neuron that is an element of an activation.
    fn find(&self, activation: u32, element: u32) -> Option<(u32, u32)> {
        self.chain.hidden().iter().zip(0..).find_map(|(layer, k)| {
            // Neurons of slope 1 only carry a value.
            let neuron = (0..layer.neurons).find(|&j| layer.origin[j] == (activation, element) && layer.slope[j] != F::ONE)?;
            Some((k, neuron as u32))
        })
    }

    /// Splits an open node in two at the widest input, without bounding it; the node itself where nothing can be split.
    pub fn halve(&self, node: OpenNode, part: &Part<F>, log: &Log) -> Vec<OpenNode> {
        let width = |d: usize| part.high[d].to_f64() - part.low[d].to_f64();
        let Some(input) = (0..part.low.len()).max_by(|&a, &b| width(a).total_cmp(&width(b))) else { return vec![node] };
        let (low, high) = (part.low[input].to_f64(), part.high[input].to_f64());
        let at = 0.5 * low + 0.5 * high;
        if !(low < at && at < high) {
            return vec![node];
        }
        let mut steps = Steps::default();
        steps.split_input(input, at);
        let first = log.children();
        log.split(node.node, steps.bytes(), first);
        let child = |second: bool| {
            let mut turns = node.turns.clone();
            turns.push(Turn { split: Split::Input { input, at }, second, refreshed: false, clipped: false });
            OpenNode { node: first + second as u64, turns, open: node.open.clone() }
        };
        vec![child(false), child(true)]
    }
}
