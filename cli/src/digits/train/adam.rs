//! Adam: steps along the running mean of the gradient, divided by the root of its running mean square.

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// Running moments of one array of parameters.
pub struct Adam {
    mean: Vec<f32>,
    square: Vec<f32>,
    /// `BETA1^t` and `BETA2^t`: running products, as `powi` may differ between machines.
    powers: (f32, f32),
}

impl Adam {
    /// For `n` parameters.
    pub fn new(n: usize) -> Adam {
        Adam { mean: vec![0.0; n], square: vec![0.0; n], powers: (1.0, 1.0) }
    }

    /// One step against `gradient`.
    pub fn step(&mut self, parameters: &mut [f32], gradient: &[f32], learning_rate: f32) {
        self.powers = (self.powers.0 * BETA1, self.powers.1 * BETA2);
        let (bias1, bias2) = (1.0 - self.powers.0, 1.0 - self.powers.1);
        for (((p, &g), m), s) in parameters.iter_mut().zip(gradient).zip(&mut self.mean).zip(&mut self.square) {
            *m = BETA1 * *m + (1.0 - BETA1) * g;
            *s = BETA2 * *s + (1.0 - BETA2) * (g * g);
            *p -= learning_rate * (*m / bias1) / ((*s / bias2).sqrt() + EPSILON);
        }
    }
}
