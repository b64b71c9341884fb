//! Lines of a row's own: chosen by the engine's optimised slopes (alpha-CROWN), a byte each, and bounded by the checker.

use checker::plan::{Activation, Plan, Step};

use super::*;
use crate::bounds::{Bounds, Choices, Plan as Effort, Relaxation};
use crate::graph::Graph;
use crate::ops::Operation;
use crate::search::forms::choose_rows;

/// Steps down the gradient.
const STEPS: usize = 20;
/// Slopes are worth their time where they take this share off the worst bound.
const LEAST_GAIN: f64 = 0.25;

/// For each activation of the plan the scalar node of the graph that it is, where the two have as many.
///
/// Only a matter of what is tried: lines chosen for other elements are as sound.
pub(super) fn twins(plan: &Plan, graph: &Graph) -> Vec<Option<NodeId>> {
    let bends = |id: &NodeId| matches!(graph.nodes[*id].operation, Operation::Scalar(_) | Operation::General(_));
    let nodes: Vec<NodeId> = (0..graph.nodes.len()).filter(bends).collect();
    if nodes.len() != plan.activations.len() {
        return vec![None; plan.activations.len()];
    }
    let twin = |(id, activation): (NodeId, &Activation)| {
        let free = matches!(plan.nodes[activation.node].step, Step::Hinge(_, 0.0, _) | Step::Curve(..));
        let scalar = matches!(graph.nodes[id].operation, Operation::Scalar(_)) && graph.nodes[id].len() == activation.len;
        (free && scalar).then_some(id)
    };
    nodes.into_iter().zip(&plan.activations).map(twin).collect()
}

impl Checked<'_> {
    /// Drops disjuncts by rows with lines of their own, as far as the checker agrees; says whether that was worth it. The least margin of
    /// what is dropped is taken over into the judgement.
    pub(super) fn choose(&self, judgement: &mut Judgement, node: &mut Node) -> bool {
        if self.twins.iter().all(Option::is_none) || (self.stop)() {
            return false;
        }
        let (objectives, region) = (self.probe.objectives, Ranges { low: node.state.low.clone(), high: node.state.high.clone() });
        let known = self.known(&node.state);
        let relaxation =
            Relaxation::<f64>::planned(self.network, &region, Effort { inherited: Some(&known), rows: false, ..Effort::crown(self.stop) });
        let mut rows = rows_of(objectives, &judgement.open);
        rows.retain(|r| !objectives.cuts.contains(r));
        let (forms, choices) = choose_rows(&relaxation, objectives, &rows, STEPS, self.stop);
        let (before, mut margin) = (node.state.open.len(), judgement.margin);
        for &d in &judgement.open {
            let bound = |&r: &usize| forms.forms[r].as_ref().map_or(f64::INFINITY, |form| form.bound);
            let Some(best) = objectives.disjuncts[d].iter().min_by(|a, b| bound(a).total_cmp(&bound(b))) else { continue };
            let chosen = rows.binary_search(best).ok().and_then(|at| choices.get(at));
            if let (true, Some((_, row)), Some(chosen)) = (bound(best) <= 0.0, self.places[*best], chosen) {
                let step = self.drop_step((d, row), chosen, &node.state);
                let open = node.state.open.len();
                node.take(&step, &self.case);
                if node.state.open.len() < open {
                    margin = node.stepper.trees.bounds.iter().fold(margin, |margin, bound| margin.min(-bound));
                }
            }
        }
        let sharper = forms.judge(objectives, &judgement.open, &region);
        let worth = node.state.open.len() < before || judgement.worst - sharper.worst > LEAST_GAIN * judgement.worst;
        if node.state.open.len() < before {
            let again = self.judge(node);
            *judgement = Judgement { margin: margin.min(again.margin), ..again };
        }
        if sharper.worst.is_finite() {
            judgement.worst = judgement.worst.min(sharper.worst);
        }
        worth
    }

    /// What the checker knows of the nodes that activations read.
    fn known(&self, state: &State) -> Bounds {
        let graph = self.network.graph;
        let mut ranges = vec![Ranges::default(); graph.nodes.len()];
        for (activation, twin) in self.plan.activations.iter().zip(&self.twins) {
            let Some(id) = *twin else { continue };
            let all = activation.start..activation.start + activation.len;
            ranges[graph.nodes[id].inputs[0]] = Ranges { low: state.below[all.clone()].to_vec(), high: state.above[all].to_vec() };
        }
        Bounds { ranges, magnitude: Vec::new() }
    }

    /// Drops a disjunct by one of its rows with the lines that were chosen for it, where there is a choice.
    fn drop_step(&self, (disjunct, row): (usize, usize), choices: &[Choices], state: &State) -> Steps {
        let (mut masks, mut shares) = (Vec::new(), Vec::new());
        for (activation, twin) in self.plan.activations.iter().zip(&self.twins) {
            let hinge = matches!(self.plan.nodes[activation.node].step, Step::Hinge(..));
            let open = |j: usize| {
                let (low, high) = (state.below[activation.start + j], state.above[activation.start + j]);
                if hinge { low < 0.0 && high > 0.0 } else { low < high }
            };
            let start = masks.len();
            masks.resize(start + activation.len.div_ceil(8), 0u8);
            let Some(own) = choices.iter().find(|own| Some(own.node) == *twin) else { continue };
            for j in (0..activation.len).filter(|&j| open(j)) {
                masks[start + j / 8] |= 1 << (j % 8);
                shares.push(own.shares[j]);
            }
        }
        let (mut tree, mut step) = (Steps::default(), Steps::default());
        tree.tree_leaf(false, std::iter::empty(), shares.into_iter());
        step.drop_by_tree(disjunct, row, &masks, &tree);
        step
    }
}
