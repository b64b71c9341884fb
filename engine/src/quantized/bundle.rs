//! A proximal bundle method: minimises a convex function of a few dozen variables from values and subgradients.
//!
//! The function is modelled by the maximum of its supporting planes; the next point minimises the model plus a penalty on the
//! distance from the best point so far. The dual of that small quadratic program gives weights of the planes: the average of
//! what the function's primal side said at the planes' points, with these weights, is close to the primal optimum.

/// Planes kept.
const MOST_PLANES: usize = 48;
/// Exchanges of weight between two planes, per plane, when the quadratic program is solved.
const EXCHANGES: usize = 12;

/// A supporting plane.
struct Plane {
    gradient: Vec<f64>,
    /// By how much it lies below the function at the centre.
    error: f64,
    weight: f64,
}

/// The state of a minimisation.
pub struct Bundle {
    low: Vec<f64>,
    high: Vec<f64>,
    centre: Vec<f64>,
    value: f64,
    planes: Vec<Plane>,
    /// Length of a step per unit of gradient.
    reach: f64,
    /// What the model promised at the last point.
    promise: f64,
    /// Points since the centre moved.
    stale: usize,
}

/// What became of a point.
pub struct Told {
    /// It is the new centre.
    pub is_centre: bool,
    /// This plane was dropped to make room, by its number; those after it move up. The new plane is the last.
    pub dropped: Option<usize>,
}

impl Bundle {
    /// Inside a box, from a point whose value and subgradient are known.
    pub fn new(low: Vec<f64>, high: Vec<f64>, centre: Vec<f64>, value: f64, gradient: Vec<f64>) -> Bundle {
        let square: f64 = gradient.iter().map(|g| g * g).sum();
        // Far enough to reach zero, if the function were a plane.
        let reach = (value.abs() + 1.0) / square.max(1e-12);
        Bundle { low, high, centre, value, planes: vec![Plane { gradient, error: 0.0, weight: 1.0 }], reach, promise: 0.0, stale: 0 }
    }

    /// Weights of the planes; their sum is 1.
    pub fn weights(&self) -> impl Iterator<Item = f64> {
        self.planes.iter().map(|p| p.weight)
    }

    /// The next point, or nothing if the model promises no more than `least`.
    pub fn next(&mut self, least: f64) -> Option<Vec<f64>> {
        self.solve();
        let step = self.step();
        let model = self.planes.iter().map(|p| dot(&p.gradient, &step) - p.error).fold(f64::NEG_INFINITY, f64::max);
        self.promise = -model;
        (self.promise > least).then(|| self.centre.iter().zip(&step).map(|(c, s)| c + s).collect())
    }

    /// Value and subgradient at the point that [`Bundle::next`] gave.
    pub fn tell(&mut self, point: &[f64], value: f64, gradient: Vec<f64>) -> Told {
        let step: Vec<f64> = point.iter().zip(&self.centre).map(|(p, c)| p - c).collect();
        let is_centre = value <= self.value - 0.1 * self.promise;
        let error = if is_centre { 0.0 } else { (self.value - value + dot(&gradient, &step)).max(0.0) };
        if is_centre {
            let moved = value - self.value;
            self.planes.iter_mut().for_each(|p| p.error = (p.error + moved - dot(&p.gradient, &step)).max(0.0));
            self.reach *= if moved < -0.5 * self.promise { 2.0 } else { 1.0 };
            (self.centre, self.value, self.stale) = (point.to_vec(), value, 0);
        } else {
            self.stale += 1;
            // A plane far below the centre says nothing about its surroundings: the step was too long.
            self.reach *= if error > self.promise && self.stale > 1 { 0.6 } else { 1.0 };
        }
        let dropped = (self.planes.len() >= MOST_PLANES).then(|| self.drop_one());
        self.planes.push(Plane { gradient, error, weight: 0.0 });
        Told { is_centre, dropped }
    }

    /// Drops the plane that matters least; its weight goes to the others.
    fn drop_one(&mut self) -> usize {
        let worth = |p: &Plane| (p.weight, -p.error);
        let least = (0..self.planes.len()).min_by(|&a, &b| {
            let (a, b) = (worth(&self.planes[a]), worth(&self.planes[b]));
            a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        let least = least.unwrap_or(0);
        self.planes.remove(least);
        let total: f64 = self.weights().sum();
        match total > 0.0 {
            true => self.planes.iter_mut().for_each(|p| p.weight /= total),
            false => self.planes[0].weight = 1.0,
        }
        least
    }

    /// The step from the centre that the present weights make.
    fn step(&self) -> Vec<f64> {
        let mut sum = vec![0.0; self.centre.len()];
        for plane in self.planes.iter().filter(|p| p.weight > 0.0) {
            sum.iter_mut().zip(&plane.gradient).for_each(|(s, g)| *s += plane.weight * g);
        }
        self.confined(&sum)
    }

    fn confined(&self, sum: &[f64]) -> Vec<f64> {
        let confine = |(i, s): (usize, &f64)| (-self.reach * s).clamp(self.low[i] - self.centre[i], self.high[i] - self.centre[i]);
        sum.iter().enumerate().map(confine).collect()
    }

    /// Moves weight between pairs of planes until none of them gains by it.
    fn solve(&mut self) {
        let mut sum = vec![0.0; self.centre.len()];
        for plane in self.planes.iter().filter(|p| p.weight > 0.0) {
            sum.iter_mut().zip(&plane.gradient).for_each(|(s, g)| *s += plane.weight * g);
        }
        for _ in 0..EXCHANGES * self.planes.len() {
            let step = self.confined(&sum);
            let heights: Vec<f64> = self.planes.iter().map(|p| dot(&p.gradient, &step) - p.error).collect();
            let highest = (0..heights.len()).max_by(|&a, &b| heights[a].total_cmp(&heights[b]));
            let used = (0..heights.len()).filter(|&i| self.planes[i].weight > 0.0);
            let lowest = used.min_by(|&a, &b| heights[a].total_cmp(&heights[b]));
            let (Some(to), Some(from)) = (highest, lowest) else { return };
            let gain = heights[to] - heights[from];
            if gain <= 1e-3 * heights[to].abs() + 1e-9 {
                return;
            }
            let apart = self.planes[to].gradient.iter().zip(&self.planes[from].gradient).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
            // Where the box confines the step the curvature is less than this: the exchange is then too careful, never too bold.
            let amount = (gain / (self.reach * apart).max(1e-300)).min(self.planes[from].weight);
            for i in 0..sum.len() {
                sum[i] += amount * (self.planes[to].gradient[i] - self.planes[from].gradient[i]);
            }
            self.planes[to].weight += amount;
            self.planes[from].weight = if amount < self.planes[from].weight { self.planes[from].weight - amount } else { 0.0 };
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest of planes through random points, confined to a box: the minimum is found, and the weights are those of the planes there.
    #[test]
    fn minima_of_polyhedral_functions_are_found() {
        let mut random = crate::numerics::Random::new(5);
        let mut unit = || (random.bits() >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0;
        for size in [1, 3, 10] {
            let optimum: Vec<f64> = (0..size).map(|_| unit()).collect();
            // max_i |z_i - optimum_i| (1 + i) + 3
            let function = |z: &[f64]| {
                let worth = |i: usize| (z[i] - optimum[i]).abs() * (1 + i) as f64;
                let at = (0..size).max_by(|&a, &b| worth(a).total_cmp(&worth(b))).expect("a variable");
                let mut gradient = vec![0.0; size];
                gradient[at] = (1 + at) as f64 * (z[at] - optimum[at]).signum();
                (worth(at) + 3.0, gradient)
            };
            let start = vec![2.0; size];
            let (value, gradient) = function(&start);
            let mut bundle = Bundle::new(vec![-1.0; size], vec![2.0; size], start, value, gradient);
            for _ in 0..400 {
                let Some(point) = bundle.next(1e-6) else { break };
                let (value, gradient) = function(&point);
                bundle.tell(&point, value, gradient);
            }
            assert!((bundle.value - 3.0).abs() < 1e-2, "{size}: {}", bundle.value);
            assert!((bundle.weights().sum::<f64>() - 1.0).abs() < 1e-9);
        }
    }
}
