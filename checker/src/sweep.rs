//! Backward sweeps: rows of coefficients on nodes become upper bounds that are affine in the inputs.
//!
//! A row starts as `g = sum c_q . v_q + constant`. Nodes are passed in descending order, every reader before what it
//! reads; each replaces its value by what it reads. Rounding and the deployed network are paid for in `errors`, so at the
//! end `g <= v . x + constants + errors` for every counterexample, with the computed `v` as exact numbers.

use crate::curve::Curve;
use crate::function::Function;
use crate::kernel::{self, LANES, Pass, PassFreely, Product, Vector, nonzero, total};
use crate::linear::Map;
use crate::narrow::Multipliers;
use crate::plan::{Operand, Plan, Step, Sum};
use crate::relax::{Prepared, Relaxed};
use crate::rounding::{SLACK, TINY, UNIT};
use crate::rows::{Choice, Free};

/// True if some row chooses something at node `id`.
fn concerns(id: usize, free: &Free, choices: &[Choice]) -> bool {
    !free.places[id].is_empty() || choices.iter().any(|choice| choice.sides.iter().any(|side| side.node == id))
}

/// How rows pass hinges.
enum Rule<'r, 's> {
    /// By default lines.
    Lines,
    /// Each row by choices of its own.
    Free(&'r Free, &'r [Choice<'r>]),
    /// The only row by given multipliers.
    Given(&'r mut Multipliers<'s>),
}

/// A batch of rows under way.
#[derive(Debug, Default)]
pub struct Batch {
    /// Number of rows.
    pub rows: usize,
    /// Constants, in partial sums.
    pub constants: Vec<Vector>,
    /// What to allow for, likewise.
    pub errors: Vec<Vector>,
    /// Finished rows: coefficients of the inputs.
    pub forms: Vec<f64>,
    /// For each node its coefficients, row by row, if any.
    buffers: Vec<Option<Vec<f64>>>,
    pool: Vec<Vec<f64>>,
}

impl Batch {
    /// Starts `rows` rows, all zero.
    pub fn start(&mut self, rows: usize, nodes: usize) {
        self.rows = rows;
        for list in [&mut self.constants, &mut self.errors] {
            list.clear();
            list.resize(rows, [0.0; LANES]);
        }
        self.buffers.resize_with(nodes, || None);
        for buffer in &mut self.buffers {
            self.pool.extend(buffer.take());
        }
    }

    /// The coefficients of node `id`, zeros at first: `width` per row.
    pub fn coefficients(&mut self, id: usize, width: usize) -> &mut Vec<f64> {
        let (buffer, fresh) = self.buffer(id, width);
        if fresh {
            buffer.fill(0.0);
        }
        buffer
    }

    /// As [`Batch::coefficients`], but says whether these are the first ones; any numbers stand there then.
    fn buffer(&mut self, id: usize, width: usize) -> (&mut Vec<f64>, bool) {
        let Batch { buffers, pool, rows, .. } = self;
        let fresh = buffers[id].is_none();
        let buffer = buffers[id].get_or_insert_with(|| {
            let mut buffer = pool.pop().unwrap_or_default();
            buffer.resize(*rows * width, 0.0);
            buffer
        });
        (buffer, fresh)
    }

    /// Adds element `j` of the operand of the activation at `id`, everything included, to some rows, each time with a factor. The
    /// operand must be prepared; false if the element is provably zero and left out.
    pub fn add_operand(&mut self, relaxed: &Relaxed, id: usize, j: usize, rows: &[(usize, f64)]) -> bool {
        match &relaxed.plan.nodes[id].step {
            Step::Hinge(_, _, Operand::Joined(sum)) => {
                let Some(r) = relaxed.nodes[id].place(relaxed.plan.nodes[id].compressed, j) else { return false };
                for &(row, factor) in rows {
                    self.errors[row][0] += relaxed.start_error(id, r);
                    self.constants[row][0] += factor * sum.bias.get(j).copied().unwrap_or(0.0);
                }
                for (k, (p, map)) in sum.parts.iter().enumerate() {
                    let width = relaxed.nodes[*p].width;
                    let target = self.coefficients(*p, width);
                    for &(row, factor) in rows {
                        let target = &mut target[row * width..][..width];
                        match (map, relaxed.nodes[id].gathered.get(k)) {
                            (Map::Matrix { .. }, Some(weights)) => {
                                target.iter_mut().zip(&weights[r * width..]).for_each(|(t, w)| *t += factor * w);
                            }
                            _ => map.add_row(j, factor, target),
                        }
                    }
                }
            }
            Step::Hinge(_, _, Operand::Node(p)) | Step::Maximum(_, _, p) | Step::Curve(_, _, p) | Step::Product(_, p) => {
                rows.iter().for_each(|&(row, factor)| self.add_element(relaxed, *p, j, factor, row));
            }
            _ => return false,
        }
        true
    }

    /// Adds `c` times element `j` of an uncompressed node to a row.
    pub fn add_element(&mut self, relaxed: &Relaxed, id: usize, j: usize, c: f64, row: usize) {
        self.errors[row][0] += c.abs() * relaxed.deployed_error(id, j) * SLACK;
        let width = relaxed.nodes[id].width;
        self.coefficients(id, width)[row * width + j] += c;
    }

    /// Takes all rows down to the inputs; their coefficients are in `forms` afterwards.
    pub fn descend(&mut self, relaxed: &Relaxed) {
        self.take_down(relaxed, Rule::Lines);
    }

    /// As [`Batch::descend`], each row with a choice of its own.
    pub fn descend_freely(&mut self, relaxed: &Relaxed, free: &Free, choices: &[Choice]) {
        self.take_down(relaxed, Rule::Free(free, choices));
    }

    /// As [`Batch::descend`], the only row with given multipliers.
    pub fn descend_with(&mut self, relaxed: &Relaxed, multipliers: &mut Multipliers) {
        self.take_down(relaxed, Rule::Given(multipliers));
    }

    fn take_down(&mut self, relaxed: &Relaxed, mut rule: Rule) {
        let plan = relaxed.plan;
        let mut underflow = 0.0;
        for id in (0..plan.nodes.len()).rev() {
            if matches!(plan.nodes[id].step, Step::Input(_)) {
                continue;
            }
            let Some(mut now) = self.buffers[id].take() else { continue };
            let node = &relaxed.nodes[id];
            underflow += node.underflow;
            match &plan.nodes[id].step {
                Step::Maximum(_, _, source) => self.pass_maximum(&now, node, relaxed, *source),
                Step::Product(_, source) => self.pass_product(&now, node, relaxed, *source),
                step => match &mut rule {
                    Rule::Free(free, rows) if concerns(id, free, rows) => match *step {
                        Step::Curve(_, function, source) => self.pass_curve_freely(&mut now, relaxed, (id, function, source), free, rows),
                        _ => self.pass_freely(id, &mut now, node, free, rows),
                    },
                    Rule::Given(multipliers) if matches!(step, Step::Hinge(..)) => {
                        multipliers.pass(id, &mut now, relaxed, (&mut self.constants[0][0], &mut self.errors[0][0]));
                    }
                    _ => {
                        let (constants, errors) = (&mut self.constants, &mut self.errors);
                        kernel::run(Pass { coefficients: &mut now, width: node.width, lines: node.lines(), constants, errors });
                    }
                },
            }
            if matches!(rule, Rule::Given(_)) && nonzero(&now).next().is_none() {
                self.pool.push(now);
                continue;
            }
            match &plan.nodes[id].step {
                Step::Affine(sum) | Step::Hinge(_, _, Operand::Joined(sum)) => self.pass_sum(&now, node, relaxed, sum),
                Step::Hinge(_, _, Operand::Node(p)) | Step::Curve(_, _, p) => {
                    let target = self.coefficients(*p, node.width);
                    target.iter_mut().zip(&now).for_each(|(t, x)| *t += x);
                }
                _ => (),
            }
            self.pool.push(now);
        }
        self.errors.iter_mut().for_each(|e| e[0] += underflow);
        self.collect(plan);
    }

    /// As a pass through a hinge's lines, but with the rows' own lower slopes and sides.
    ///
    /// On the side `a >= 0` of a ReLU `c h(a) = c a <= (c + beta) a`, on the other one `c h(a) = 0 <= -beta a`; both sums are
    /// rounded in the direction that keeps this.
    fn pass_freely(&mut self, id: usize, now: &mut [f64], node: &Prepared, free: &Free, choices: &[Choice]) {
        let (width, lines) = (node.width, node.lines());
        let mut slopes = self.pool.pop().unwrap_or_default();
        slopes.clear();
        let mut held = Vec::new();
        for (row, choice) in choices.iter().enumerate() {
            slopes.extend_from_slice(lines.lower_slope);
            let own = &mut slopes[row * width..];
            for at in &free.places[id] {
                own[at.place as usize] = choice.slopes[at.number as usize] as f64 / 255.0;
            }
            for side in choice.sides.iter().filter(|s| s.node == id) {
                held.push((row, side, std::mem::take(&mut now[row * width + side.place])));
            }
        }
        let (constants, errors) = (&mut self.constants, &mut self.errors);
        kernel::run(PassFreely { coefficients: now, width, lines, slopes: &slopes, bias: &node.bias, constants, errors });
        self.pool.push(slopes);
        for (row, side, c) in held {
            // A coefficient that is not finite stays so.
            let multiplier = if side.active { c + side.beta } else { 0.0 * c - side.beta };
            now[row * width + side.place] = multiplier;
            let constant = &mut self.constants[row][0];
            *constant += multiplier * node.bias[side.place];
            let error = c.abs() * lines.own_error[side.place] + multiplier.abs() * lines.passed_error[side.place];
            self.errors[row][0] += error + 2.0 * UNIT * constant.abs() + TINY;
        }
    }

    /// As a pass through a function's lines, but each row by lines of its own: any slopes are valid with the constants that go with them.
    fn pass_curve_freely(
        &mut self,
        now: &mut [f64],
        relaxed: &Relaxed,
        (id, function, source): (usize, Function, usize),
        free: &Free,
        choices: &[Choice],
    ) {
        let node = &relaxed.nodes[id];
        let mut held = Vec::new();
        for at in &free.places[id] {
            let (j, curve) = (at.place as usize, Curve::new(function, at.on.0, at.on.1));
            for (row, choice) in choices.iter().enumerate() {
                let c = std::mem::take(&mut now[row * node.width + j]);
                if c == 0.0 {
                    continue;
                }
                let share = choice.slopes[at.number as usize] as f64 / 255.0;
                let [slope, constant, error] = relaxed.line_at((function, source, j), (&curve, at.on), c > 0.0, share);
                // Partial sums per lane: no more roundings than in a pass by vectors.
                self.constants[row][j % LANES] += c * constant;
                self.errors[row][j % LANES] += c.abs() * error;
                held.push((row * node.width + j, c * slope));
            }
        }
        let (constants, errors) = (&mut self.constants, &mut self.errors);
        kernel::run(Pass { coefficients: now, width: node.width, lines: node.lines(), constants, errors });
        held.into_iter().for_each(|(at, passed)| now[at] = passed);
    }

    fn pass_sum(&mut self, now: &[f64], node: &Prepared, relaxed: &Relaxed, sum: &Sum) {
        let rows = self.rows;
        for (k, (p, map)) in sum.parts.iter().enumerate() {
            let columns = relaxed.nodes[*p].width;
            match (map, node.gathered.get(k)) {
                (Map::Matrix { .. }, Some(weights)) => {
                    let depth = weights.len().checked_div(columns).unwrap_or(0);
                    let (c, fresh) = self.buffer(*p, columns);
                    kernel::run(Product {
                        rows,
                        depth,
                        columns,
                        a: now,
                        a_stride: node.width,
                        b: weights,
                        b_stride: columns,
                        c,
                        c_stride: columns,
                        accumulate: !fresh,
                    });
                }
                _ => map.transposed(now, node.width, rows, self.coefficients(*p, columns), columns),
            }
        }
    }

    /// Element by element: below, the element with the greatest lower end; above, it or the greatest upper end.
    fn pass_maximum(&mut self, now: &[f64], node: &Prepared, relaxed: &Relaxed, source: usize) {
        let below = relaxed.nodes[source].width;
        for r in 0..self.rows {
            let row = &now[r * node.width..][..node.width];
            let (mut constant, mut error) = (0.0, 0.0);
            for ((&c, pick), e) in row.iter().zip(&node.picks).zip(node.lines().error) {
                if c == 0.0 {
                    continue;
                }
                error += c.abs() * e;
                if c < 0.0 || pick.dominates {
                    self.coefficients(source, below)[r * below + pick.element as usize] += c;
                } else {
                    constant += c * pick.most;
                }
            }
            self.constants[r][0] += constant;
            self.errors[r][0] += error;
        }
    }

    /// Each product by its plane below or above, which passes something on to both factors.
    fn pass_product(&mut self, now: &[f64], node: &Prepared, relaxed: &Relaxed, source: usize) {
        let (count, below) = (node.planes.len(), relaxed.nodes[source].width);
        for r in 0..self.rows {
            let row = &now[r * node.width..][..count];
            let target = &mut self.coefficients(source, below)[r * below..][..2 * count];
            let (first, second) = target.split_at_mut(count);
            let (mut constant, mut error) = (0.0, 0.0);
            for (j, (&c, planes)) in row.iter().zip(&node.planes).enumerate().filter(|(_, (c, _))| **c != 0.0) {
                first[j] += c * planes.slopes.0;
                second[j] += c * planes.slopes.1;
                constant += c * if c > 0.0 { planes.most } else { planes.least };
                error += c.abs() * node.lines().error[j];
            }
            self.constants[r][0] += constant;
            self.errors[r][0] += error;
        }
    }

    fn collect(&mut self, plan: &Plan) {
        self.forms.clear();
        self.forms.resize(self.rows * plan.inputs, 0.0);
        for (id, node) in plan.nodes.iter().enumerate() {
            let (Step::Input(offset), Some(buffer)) = (&node.step, &self.buffers[id]) else { continue };
            let width = buffer.len() / self.rows.max(1);
            for r in 0..self.rows {
                self.forms[r * plan.inputs + offset..][..node.len].copy_from_slice(&buffer[r * width..][..node.len]);
            }
        }
    }

    /// A finished row: coefficients, and the constant with everything it has to allow for, rounded up.
    pub fn form(&self, row: usize) -> (&[f64], f64) {
        let dims = self.forms.len() / self.rows.max(1);
        (&self.forms[row * dims..][..dims], (total(&self.constants[row]) + total(&self.errors[row]) * SLACK).next_up())
    }
}
