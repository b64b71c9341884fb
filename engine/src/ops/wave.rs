//! `y = sin x` and `y = cos x = sin(x + pi/2)`.

use super::DeployedError;
use super::rules::smooth::{Curvature, Piece, Smooth};
use crate::numerics::{Interval, elementary};

/// Sine or cosine. Angles are counted in quarter turns; cosine is one quarter ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wave {
    /// The sine.
    Sin,
    /// The cosine.
    Cos,
}

const HALF_PI: Interval = Interval { low: elementary::PI.low / 2.0, high: elementary::PI.high / 2.0 };

/// Beyond this many quarter turns nothing but `[-1, 1]` is claimed.
const FAR: f64 = 1e5;

impl Wave {
    fn ahead(self) -> f64 {
        match self {
            Wave::Sin => 0.0,
            Wave::Cos => 1.0,
        }
    }

    /// Contains the quarter turns of all angles of `x`, on the sine's scale.
    fn quarters(self, x: Interval) -> Interval {
        x / HALF_PI + Interval::point(self.ahead())
    }

    /// Contains the abscissa of quarter turn `quarter` of the sine's scale.
    fn abscissa(self, quarter: f64) -> Interval {
        Interval::point(quarter - self.ahead()) * HALF_PI
    }

    fn enclose(self, x: f64) -> Interval {
        match self {
            Wave::Sin => elementary::sin(x),
            Wave::Cos => elementary::cos(x),
        }
    }

    /// Pieces between the zeros, at even quarter turns; each zero itself lies in a tiny piece of unknown curvature.
    fn half_waves(self, x: Interval, first: f64, visit: &mut dyn FnMut(Piece)) {
        let (mut cursor, mut quarter) = (x.low, first);
        loop {
            let zero = self.abscissa(quarter);
            // Before an even quarter turn 2, 6, 10, ... the sine is positive and concave.
            let curvature = if (quarter - 2.0).rem_euclid(4.0) == 0.0 { Curvature::Concave } else { Curvature::Convex };
            if zero.low >= cursor {
                visit(Piece { on: Interval { low: cursor, high: zero.low.min(x.high) }, curvature });
                cursor = zero.low;
            }
            if cursor >= x.high {
                return;
            }
            if zero.high >= cursor {
                visit(Piece { on: Interval { low: cursor, high: zero.high.min(x.high) }, curvature: Curvature::Unknown });
                cursor = zero.high;
            }
            if cursor >= x.high {
                return;
            }
            quarter += 2.0;
        }
    }
}

impl Smooth for Wave {
    fn name(&self) -> &str {
        match self {
            Wave::Sin => "Sin",
            Wave::Cos => "Cos",
        }
    }

    fn eval(&self, x: f64) -> f64 {
        match self {
            Wave::Sin => x.sin(),
            Wave::Cos => x.cos(),
        }
    }

    fn derivative(&self, x: f64) -> f64 {
        match self {
            Wave::Sin => x.cos(),
            Wave::Cos => -x.sin(),
        }
    }

    /// The ends, and 1 or -1 where a crest or a trough may lie between.
    fn interval(&self, x: Interval) -> Interval {
        let q = self.quarters(x);
        let reaches = |turn: f64| q.magnitude() > FAR || ((q.low - turn) / 4.0).ceil() * 4.0 + turn <= q.high;
        let ends = self.enclose(x.low).hull(self.enclose(x.high));
        Interval { low: if reaches(3.0) { -1.0 } else { ends.low }, high: if reaches(1.0) { 1.0 } else { ends.high } }
    }

    fn enclose_slope(&self, x: f64) -> Interval {
        match self {
            Wave::Sin => elementary::cos(x),
            Wave::Cos => -elementary::sin(x),
        }
    }

    fn pieces(&self, x: Interval, visit: &mut dyn FnMut(Piece)) {
        let q = self.quarters(x);
        match q.magnitude() <= FAR && q.high - q.low <= 12.0 {
            true => self.half_waves(x, 2.0 * (q.low / 2.0).floor(), visit),
            false => visit(Piece { on: x, curvature: Curvature::Unknown }),
        }
    }

    /// `cos angle = t` on the half wave around the piece's middle.
    fn point_of_slope(&self, t: f64, piece: Interval) -> f64 {
        let turn = 2.0 * std::f64::consts::PI;
        let shift = self.ahead() * std::f64::consts::FRAC_PI_2;
        let middle = piece.middle() + shift;
        let start = (middle / turn).floor() * turn;
        let angle = t.clamp(-1.0, 1.0).acos();
        start + if middle.sin() > 0.0 { angle } else { turn - angle } - shift
    }

    /// onnxruntime 1.x errs by 1.0e-7 absolutely for angles up to 25,000 (measured); three times that.
    fn deployed_error(&self) -> DeployedError {
        DeployedError { absolute: 3e-7, relative: 0.0 }
    }
}
