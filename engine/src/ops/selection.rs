//! `y[o] = x_k[i]`, or 0, or a constant: Reshape, Transpose, Slice, Concat, Split, Gather, Expand, Pad, Upsample.

use super::Affine;
use crate::numerics::{Numbers, Real};

/// The source of one output element: element `.1` of operand `.0`; `None` for zero.
pub type Pick = Option<(u32, u32)>;

/// `length` consecutive output elements that copy consecutive elements of an operand.
#[derive(Clone, Copy, Debug)]
struct Run {
    output: u32,
    input: u32,
    length: u32,
}

#[derive(Debug)]
struct Part {
    inputs: usize,
    runs: Vec<Run>,
    fan_out: usize,
}

/// Copies of elements of its operands, in runs of neighbours.
#[derive(Debug)]
pub struct Selection {
    name: &'static str,
    outputs: usize,
    parts: Vec<Part>,
    bias: Option<Numbers>,
}

impl Selection {
    /// All elements in their order: only the shape changes.
    pub fn same(name: &'static str, len: usize) -> Selection {
        let runs = vec![Run { output: 0, input: 0, length: len as u32 }];
        Selection { name, outputs: len, parts: vec![Part { inputs: len, runs, fan_out: 1 }], bias: None }
    }

    /// One pick for each output element, from operands of these sizes.
    pub fn new(name: &'static str, operands: &[usize], picks: impl Iterator<Item = Pick>) -> Result<Selection, String> {
        let mut parts: Vec<Part> = operands.iter().map(|&inputs| Part { inputs, runs: vec![], fan_out: 0 }).collect();
        let mut uses: Vec<Vec<u32>> = operands.iter().map(|&n| vec![0; n]).collect();
        let mut outputs = 0;
        for pick in picks {
            if let Some((k, i)) = pick {
                let used = uses.get_mut(k as usize).and_then(|u| u.get_mut(i as usize));
                *used.ok_or_else(|| format!("element {i} of operand {k}, of {operands:?}"))? += 1;
                parts[k as usize].push(outputs as u32, i);
            }
            outputs += 1;
        }
        for (part, uses) in parts.iter_mut().zip(&uses) {
            part.fan_out = uses.iter().copied().max().unwrap_or(0) as usize;
        }
        Ok(Selection { name, outputs, parts, bias: None })
    }

    /// Adds constants, meant for the outputs that pick nothing.
    pub fn with_bias(self, bias: Numbers) -> Result<Selection, String> {
        match bias.len() == self.outputs {
            true => Ok(Selection { bias: Some(bias), ..self }),
            false => Err(format!("{} constants for {} elements", bias.len(), self.outputs)),
        }
    }

    fn apply<F: Real>(&self, operand: usize, x: &[F], y: &mut [F], rows: usize) {
        let (n, m) = (self.parts[operand].inputs, self.outputs);
        for r in 0..rows {
            self.parts[operand].each_run(&x[r * n..][..n], &mut y[r * m..][..m], |x, y| add(x, y));
        }
    }

    fn transpose<F: Real>(&self, operand: usize, y: &[F], x: &mut [F], rows: usize) {
        let (n, m) = (self.parts[operand].inputs, self.outputs);
        for r in 0..rows {
            let (x, y) = (&mut x[r * n..][..n], &y[r * m..][..m]);
            for run in &self.parts[operand].runs {
                add(&y[run.output as usize..][..run.length as usize], &mut x[run.input as usize..][..run.length as usize]);
            }
        }
    }
}

impl Part {
    fn push(&mut self, output: u32, input: u32) {
        match self.runs.last_mut() {
            Some(r) if r.output + r.length == output && r.input + r.length == input => r.length += 1,
            _ => self.runs.push(Run { output, input, length: 1 }),
        }
    }

    fn each_run<F: Real>(&self, x: &[F], y: &mut [F], work: impl Fn(&[F], &mut [F])) {
        for run in &self.runs {
            work(&x[run.input as usize..][..run.length as usize], &mut y[run.output as usize..][..run.length as usize]);
        }
    }
}

fn add<F: Real>(from: &[F], to: &mut [F]) {
    for (t, &f) in to.iter_mut().zip(from) {
        *t += f;
    }
}

impl Affine for Selection {
    fn name(&self) -> &str {
        self.name
    }

    fn output_len(&self, inputs: &[usize]) -> Result<usize, String> {
        match inputs.iter().copied().eq(self.parts.iter().map(|p| p.inputs)) {
            true => Ok(self.outputs),
            false => Err(format!("{} cannot take operands of {inputs:?} elements", self.name)),
        }
    }

    fn for_each_weight(&self, operand: usize, visit: &mut dyn FnMut(usize, usize, f64)) {
        for run in &self.parts[operand].runs {
            for j in 0..run.length {
                visit((run.output + j) as usize, (run.input + j) as usize, 1.0);
            }
        }
    }

    fn bias(&self) -> Option<&Numbers> {
        self.bias.as_ref()
    }

    fn inexact_in_f32(&self) -> bool {
        self.bias.as_ref().is_some_and(|b| !b.all_binary32())
    }

    fn fan_in(&self) -> usize {
        1 + self.bias.is_some() as usize
    }

    fn fan_out(&self, operand: usize) -> usize {
        self.parts[operand].fan_out
    }

    fn is_selection(&self) -> bool {
        self.bias.is_none()
    }

    fn apply_f32(&self, operand: usize, x: &[f32], y: &mut [f32], rows: usize, _absolute: bool) {
        self.apply(operand, x, y, rows)
    }

    fn apply_f64(&self, operand: usize, x: &[f64], y: &mut [f64], rows: usize, _absolute: bool) {
        self.apply(operand, x, y, rows)
    }

    fn transpose_f32(&self, operand: usize, y: &[f32], x: &mut [f32], rows: usize) {
        self.transpose(operand, y, x, rows)
    }

    fn transpose_f64(&self, operand: usize, y: &[f64], x: &mut [f64], rows: usize) {
        self.transpose(operand, y, x, rows)
    }
}
