//! Concave piecewise linear functions: chains of a staircase's hull, times a coefficient.

/// A concave piecewise linear function: places, and the slope between each and the next.
#[derive(Clone, Debug, Default)]
pub struct Concave {
    /// Ascending; at least one.
    pub places: Vec<f64>,
    /// Descending; one less than places.
    pub slopes: Vec<f64>,
    /// The value at the first place.
    pub start: f64,
}

impl Concave {
    /// Through corners with ascending places and falling slopes, values multiplied by `c`.
    pub fn through(corners: &[(i64, i64)], c: f64) -> Concave {
        let slope = |w: &[(i64, i64)]| c * (w[1].1 - w[0].1) as f64 / (w[1].0 - w[0].0) as f64;
        Concave {
            places: corners.iter().map(|p| p.0 as f64).collect(),
            slopes: corners.windows(2).map(slope).collect(),
            start: c * corners[0].1 as f64,
        }
    }

    /// Nothing but a range of places.
    pub fn range(low: f64, high: f64) -> Concave {
        if low == high {
            Concave { places: vec![low], slopes: vec![], start: 0.0 }
        } else {
            Concave { places: vec![low, high], slopes: vec![0.0], start: 0.0 }
        }
    }

    /// The value at a place, extended by the first and last slope.
    pub fn at(&self, a: f64) -> f64 {
        let mut value = self.start;
        for (k, slope) in self.slopes.iter().enumerate() {
            let last = k + 1 == self.slopes.len();
            if a <= self.places[k + 1] || last {
                return value + slope * (a - self.places[k]);
            }
            value += slope * (self.places[k + 1] - self.places[k]);
        }
        value
    }

    /// The segment that holds a place.
    pub fn segment(&self, a: f64) -> usize {
        self.places.partition_point(|&p| p < a).saturating_sub(1).min(self.slopes.len().saturating_sub(1))
    }

    /// The slope of a segment; of a single place, 0.
    pub fn slope(&self, segment: usize) -> f64 {
        self.slopes.get(segment).copied().unwrap_or(0.0)
    }

    /// The ends of a segment; of a single place, that place.
    pub fn ends(&self, segment: usize) -> (f64, f64) {
        (self.places[segment], self.places[(segment + 1).min(self.places.len() - 1)])
    }

    /// The index of the place that maximises `psi(a) - lambda a`.
    pub fn best(&self, lambda: f64) -> usize {
        self.slopes.partition_point(|&s| s > lambda)
    }
}
