//! `ironbound bounds`: proved ranges of the outputs over the inputs of a query.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, ValueEnum};
use engine::numerics::Decimal;
use engine::search::{self, BoundMethod};

use crate::Finished;
use crate::failure::Failure;
use crate::files::Files;
use crate::options::Options;

/// Arguments of `ironbound bounds`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    files: Files,
    /// How bounds are computed
    #[arg(long, value_enum, default_value_t = Method::Crown)]
    method: Method,
    #[command(flatten)]
    options: Options,
}

/// `--method`.
#[derive(Clone, Copy, ValueEnum)]
enum Method {
    /// Interval arithmetic
    Interval,
    /// One linear function of the inputs per value, from the inputs up (affine arithmetic)
    Forward,
    /// Backward propagation of linear bounds (CROWN)
    Crown,
    /// The same with optimised slopes (alpha-CROWN)
    Slopes,
}

/// Prints one line `Y_i low high` per output element and case, rounded outward.
pub fn run(arguments: &Arguments, started: Instant) -> Result<Finished, Failure> {
    let problem = arguments.files.read(&arguments.options)?;
    let config = arguments.options.config(started, None, Arc::default());
    let method = match arguments.method {
        Method::Interval => BoundMethod::Interval,
        Method::Forward => BoundMethod::Forward,
        Method::Crown => BoundMethod::Crown,
        Method::Slopes => BoundMethod::Slopes,
    };
    let (mut output, inputs) = (String::new(), problem.query.input_len());
    for (number, case) in problem.query.cases.iter().enumerate() {
        if problem.query.cases.len() > 1 {
            let _ = writeln!(output, "; case {}", number + 1);
        }
        let ranges = search::output_bounds(&problem.network, case, method, &config);
        for i in 0..ranges.len() {
            let name = problem.query.element_name(inputs + i);
            let _ = writeln!(output, "{name} {} {}", at_most(ranges.low[i]), at_least(ranges.high[i]));
        }
    }
    Ok(Finished::success(output))
}

/// A short decimal that is not above `x`.
fn at_most(x: f64) -> String {
    at_least(-x).strip_prefix('-').map_or_else(|| format!("-{}", at_least(-x)), str::to_owned)
}

/// A short decimal that is not below `x`: the shortest that reads back may lie on either side of it.
fn at_least(x: f64) -> String {
    let short = format!("{x:e}");
    match (Decimal::parse(short.as_bytes()), Decimal::from_f64(x)) {
        (Ok(printed), Some(exact)) if printed < exact => format!("{:e}", x.next_up()),
        _ => short,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_ends_enclose_the_proved_ones() {
        // 0.1 as a double lies above one tenth, 0.3 below three tenths.
        assert_eq!((at_least(0.1), at_least(0.3)), ("1.0000000000000002e-1".into(), "3e-1".into()));
        assert_eq!((at_most(0.1), at_most(0.3)), ("1e-1".into(), "2.9999999999999993e-1".into()));
        assert_eq!((at_most(-0.1), at_most(0.0), at_least(f64::INFINITY)), ("-1.0000000000000002e-1".into(), "0e0".into(), "inf".into()));
    }
}
