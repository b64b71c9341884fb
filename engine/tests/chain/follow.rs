//! Following counterexamples down a search tree: each must stay in a part that is open until the end.

use engine::bounds::chain::{Bounder, Facts, Objectives, Outcome, Part, Workspace};
use engine::kernels::Kernel;
use engine::numerics::Random;

use super::exact::{Dyadic, dot};
use super::networks::{Sample, below};

/// What was looked at, so that a test can say that it was not empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub parts: usize,
    pub closed: usize,
    pub facts: usize,
    pub lines: usize,
    pub clipped: usize,
    pub neuron_splits: usize,
    pub widened: usize,
    pub followed: usize,
}

/// The true objective of a row, within what its rounding errors allow.
pub fn objective<F: Kernel>(objectives: &Objectives<F>, row: usize, sample: &Sample, sign: f64) -> Dyadic {
    let row = &objectives.rows[row];
    let off = |c: &[F], error: f64| c.iter().map(|x| x.to_f64()).zip(std::iter::repeat(error)).collect::<Vec<_>>();
    let x: Vec<Dyadic> = sample.x.iter().map(|&x| Dyadic::of(x)).collect();
    let part = |c: Vec<(f64, f64)>, values: &[Dyadic]| {
        let own = dot(c.iter().map(|c| c.0), values);
        &own + &dot(c.iter().map(|c| sign * c.1), values)
    };
    let outputs = part(off(&row.outputs, row.output_error), &sample.outputs);
    let inputs = part(off(&row.inputs, row.input_error), &x);
    &(&outputs + &inputs) + &Dyadic::of(row.constant)
}

/// The disjuncts that `sample` satisfies together with all cuts.
pub fn satisfied<F: Kernel>(objectives: &Objectives<F>, sample: &Sample, sign: f64) -> Vec<u32> {
    let holds = |&r: &usize| {
        let value = objective(objectives, r, sample, sign).sign();
        value > 0 || (value == 0 && !objectives.rows[r].strict)
    };
    if !objectives.cuts.iter().all(holds) {
        return Vec::new();
    }
    (0..objectives.disjuncts.len() as u32).filter(|&d| objectives.disjuncts[d as usize].iter().all(holds)).collect()
}

/// True if the sample lies in the part: box and phases, zero on both sides.
pub fn contains<F: Kernel>(bounder: &Bounder<F>, part: &Part<F>, sample: &Sample) -> bool {
    let inside = |d: usize| part.low[d].to_f64() <= sample.x[d] && sample.x[d] <= part.high[d].to_f64();
    let start = |k: u32| bounder.chain.hidden()[..k as usize].iter().map(|l| l.neurons).sum::<usize>();
    (0..sample.x.len()).all(inside)
        && part.phases.iter().all(|p| {
            let a = sample.pre[start(p.layer) + p.neuron as usize].sign();
            if p.active { a >= 0 } else { a <= 0 }
        })
}

/// Panics unless the facts enclose the sample's pre-activations, intervals and lines.
pub fn check_facts<F: Kernel>(bounder: &Bounder<F>, facts: &Facts<F>, sample: &Sample, tally: &mut Tally, note: &str) {
    let dims = bounder.chain.inputs;
    let first = bounder.chain.hidden().first().map_or(0, |l| l.neurons);
    let lined = facts.low.len() - first;
    let x: Vec<Dyadic> = sample.x.iter().map(|&x| Dyadic::of(x)).collect();
    for (j, a) in sample.pre.iter().enumerate() {
        let (low, high) = (facts.low[j].to_f64(), facts.high[j].to_f64());
        assert!(low == f64::NEG_INFINITY || Dyadic::of(low) <= *a, "{note}: neuron {j} is below {low:e}");
        assert!(high == f64::INFINITY || Dyadic::of(high) >= *a, "{note}: neuron {j} is above {high:e}");
        tally.facts += low.is_finite() as usize + high.is_finite() as usize;
        let Some(i) = j.checked_sub(first) else { continue };
        for (line, lower) in [(&facts.lower, true), (&facts.upper, false)] {
            let constant = line[dims * lined + i].to_f64();
            if constant == if lower { f64::NEG_INFINITY } else { f64::INFINITY } {
                continue;
            }
            let at = &dot((0..dims).map(|d| line[d * lined + i].to_f64()), &x) + &Dyadic::of(constant);
            assert!(if lower { at <= *a } else { at >= *a }, "{note}: neuron {j} is beyond its line (lower: {lower})");
            tally.lines += 1;
        }
    }
}

/// A part with the counterexamples in it: which sample, which disjunct.
struct Followed<F> {
    part: Part<F>,
    inside: Vec<(usize, u32)>,
}

/// Counterexamples, for the exact sign of the objectives' rounding errors, and how far to follow them.
pub struct Hunt<'a> {
    pub samples: &'a [Sample],
    pub sign: f64,
    pub parts: usize,
    pub note: String,
}

impl Hunt<'_> {
    /// Searches the tree below `root` in `F`, on in `f64` where `F` ends, and panics where a counterexample is lost.
    pub fn run<F: Kernel>(&self, bounder: &Bounder<F>, wide: &Bounder<f64>, root: Part<F>, random: &mut Random) -> Tally {
        let mut tally = Tally::default();
        let counterexample = |s: usize| satisfied(&bounder.objectives, &self.samples[s], self.sign).into_iter().map(move |d| (s, d));
        let inside: Vec<(usize, u32)> = (0..self.samples.len()).flat_map(counterexample).collect();
        tally.followed = inside.len();
        let (mut open, mut exhausted) = (vec![Followed { part: root, inside }], Vec::new());
        let mut ws = Workspace::default();
        // Of the root's facts every sample is a test, counterexample or not.
        if let Outcome::Split(parts) = bounder.bound(open[0].part.clone(), false, &mut ws) {
            for sample in self.samples {
                check_facts(bounder, &parts[0].facts, sample, &mut tally, &self.note);
            }
        }
        while !open.is_empty() && tally.parts < self.parts {
            let at = if below(2, random) == 0 { below(open.len(), random) } else { open.len() - 1 };
            let item = open.swap_remove(at);
            exhausted.extend(self.step(bounder, item, &mut open, &mut ws, &mut tally));
        }
        let (mut open, mut ws) = (Vec::new(), Workspace::default());
        for Followed { part, inside } in exhausted {
            tally.widened += 1;
            open.push(Followed { part: part.widen::<f64>(), inside });
        }
        while let Some(item) = open.pop().filter(|_| tally.parts < 2 * self.parts) {
            self.step(wide, item, &mut open, &mut ws, &mut tally);
        }
        tally
    }

    /// Bounds one part; the part itself comes back where it can be neither closed nor split.
    fn step<F: Kernel>(
        &self,
        bounder: &Bounder<F>,
        item: Followed<F>,
        open: &mut Vec<Followed<F>>,
        ws: &mut Workspace<F>,
        tally: &mut Tally,
    ) -> Option<Followed<F>> {
        tally.parts += 1;
        match bounder.bound(item.part.clone(), tally.parts.is_multiple_of(3), ws) {
            Outcome::Closed { margin } => {
                tally.closed += 1;
                let lost = item.inside.first().map(|&(s, d)| (&self.samples[s].x, d));
                assert!(lost.is_none(), "{}: closed by {margin:e} with a counterexample inside: {lost:?} of {:?}", self.note, item.part);
                None
            }
            Outcome::Exhausted { .. } => Some(item),
            Outcome::Split(parts) => {
                tally.neuron_splits += (parts[0].phases.len() > item.part.phases.len()) as usize;
                let shrunk =
                    |d: usize| parts.iter().all(|p| p.low[d] > item.part.low[d]) || parts.iter().all(|p| p.high[d] < item.part.high[d]);
                tally.clipped += (0..item.part.low.len()).any(shrunk) as usize;
                self.hand_down(bounder, item.inside, *parts, open, tally);
                None
            }
        }
    }

    /// Every counterexample must be in a child that is open for its disjunct.
    fn hand_down<F: Kernel>(
        &self,
        bounder: &Bounder<F>,
        inside: Vec<(usize, u32)>,
        parts: [Part<F>; 2],
        open: &mut Vec<Followed<F>>,
        tally: &mut Tally,
    ) {
        let mut children = parts.map(|part| Followed { part, inside: Vec::new() });
        let neuron_split = !children[0].part.phases.is_empty();
        // A sample without pre-activations is lost sight of where a neuron is split.
        for (s, d) in inside.into_iter().filter(|i| !neuron_split || !self.samples[i.0].pre.is_empty()) {
            let sample = &self.samples[s];
            check_facts(bounder, &children[0].part.facts, sample, tally, &self.note);
            let mut homes = 0;
            for child in &mut children {
                if child.part.open.contains(&d) && contains(bounder, &child.part, sample) {
                    child.inside.push((s, d));
                    homes += 1;
                }
            }
            let seen = children.each_ref().map(|c| (&c.part.low, &c.part.high, &c.part.phases, &c.part.open));
            assert!(homes > 0, "{}: {:?} satisfies disjunct {d} and is in no child: {seen:?}", self.note, sample.x);
        }
        open.extend(children);
    }
}
