//! Writing per-node certificates.

use super::claims::{Claims, Lines, NodeClaim};
use crate::json::{Number, array};

/// What a certificate holds beside `ibp`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// `ctx`, `crown` and `alpha`.
    pub forms: bool,
    /// `beta`.
    pub phases: bool,
}

/// The file's text; `before` are further members, each with a comma after it.
pub fn to_json(claims: &Claims, parts: Parts, before: &str) -> String {
    let width = claims.width();
    let each = |entry: &dyn Fn(&NodeClaim) -> Option<String>| array(claims.nodes.iter().map(|n| entry(n).unwrap_or_else(|| "null".into())));
    let mut text = format!("{{{before}");
    if let Some(input) = claims.input.filter(|_| parts.forms) {
        text += &format!(r#""ctx":{{"inputId":{input},"inputDim":{width}}},"#);
    }
    let ends = each(&|n| n.ends.as_ref().map(|e| format!(r#"{{"lo":{},"hi":{}}}"#, vector(&e.low), vector(&e.high))));
    text += &format!("\"ibp\":{ends}");
    if parts.forms {
        let forms = each(&|n| n.forms.as_ref().map(|f| format!("{{{},{}}}", lines("lo", &f.low, width), lines("hi", &f.high, width))));
        let slopes = each(&|n| n.alpha.as_ref().map(|a| vector(a)));
        text += &format!(",\"crown\":{forms},\"alpha\":{slopes}");
    }
    if parts.phases {
        let phases = each(&|n| n.beta.as_ref().map(|b| array(b.iter().map(ToString::to_string))));
        text += &format!(",\"beta\":{phases}");
    }
    text + "}\n"
}

fn lines(name: &str, lines: &Lines, width: usize) -> String {
    let row = |o: usize| vector(lines.coefficients.get(o * width..(o + 1) * width).unwrap_or(&[]));
    format!(r#""{name}A":{},"{name}C":{}"#, array((0..lines.constants.len()).map(row)), vector(&lines.constants))
}

/// An array of numbers, each with all its digits.
pub fn vector(numbers: &[Number]) -> String {
    array(numbers.iter().map(|n| n.exact.to_string()))
}
