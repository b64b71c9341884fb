//! `ironbound check --format ...`.

use std::path::Path;

use engine::input;
use exchange::json::Value;
use exchange::leaves::{self, Limits};
use exchange::rational::{crown_query, monotonicity};
use exchange::{Judgement, lirpa, nodes};

use super::Format;
use super::given::Given;
use crate::Finished;
use crate::check::Arguments;
use crate::digits;
use crate::failure::Failure;
use crate::options::stop_on_interrupt;

/// Judges the last file, which is about the files before it.
pub fn run(format: Format, arguments: &Arguments) -> Result<Finished, Failure> {
    let Some((path, about)) = arguments.files.split_last() else { return Err(Failure::new("no certificate given")) };
    if format == Format::RobustMargin {
        return digits::check_files(path, about);
    }
    let name = path.display().to_string();
    let value = exchange::parse(&name, &input::read_bytes(path)?, arguments.numbers.reading())?;
    alone(format, about.len(), path)?;
    let judgement = match format {
        Format::CrownQuery => crown_query::read(&name, &value)?.check(),
        Format::Monotonicity => monotonicity::check(&monotonicity::read(&name, &value)?),
        Format::Leaves => leaf_artifact(&name, &value, &Given::read(about)?, arguments)?,
        Format::IbpOutput => output_intervals(&name, &value, &Given::read(about)?)?,
        _ => per_node(format, &name, &value, &Given::read(about)?)?,
    };
    Ok(told(judgement))
}

/// Formats that hold everything themselves.
fn alone(format: Format, others: usize, path: &Path) -> Result<(), Failure> {
    match matches!(format, Format::CrownQuery | Format::Monotonicity) && others > 0 {
        true => Err(Failure::about(path, "this format holds its network itself: give nothing but the certificate")),
        false => Ok(()),
    }
}

fn output_intervals(name: &str, value: &Value, given: &Given) -> Result<Judgement, Failure> {
    let certificate = lirpa::read(name, value)?;
    let known = lirpa::network(&certificate.graph);
    let graph = match (&given.network, &known) {
        (Some(graph), _) | (None, Some(graph)) => graph,
        _ => return Err(Failure::new(format!("{name}: the network `{}` is not known: give its file first", certificate.graph))),
    };
    Ok(lirpa::check(&certificate, graph)?)
}

fn leaf_artifact(name: &str, value: &Value, given: &Given, arguments: &Arguments) -> Result<Judgement, Failure> {
    let certificate = leaves::read(name, value)?;
    let limits = Limits { leaf: arguments.timeout, stop: stop_on_interrupt()?, ..Limits::default() };
    match (&given.network, &given.query) {
        (None, None) => Ok(leaves::judge(&certificate, None, &limits)?),
        _ => {
            let why = "bounds of leaves are proved again for a network and its query";
            let about = (given.needed_network(why)?, given.needed_query(why)?);
            Ok(leaves::judge(&certificate, Some(about), &limits)?)
        }
    }
}

fn per_node(format: Format, name: &str, value: &Value, given: &Given) -> Result<Judgement, Failure> {
    let kind = format.kind().ok_or_else(|| Failure::new("not a per-node format"))?;
    let inside = nodes::inside(name, value)?;
    let (graph, domain) = match (&inside, &given.network) {
        (Some(_), Some(_)) => return Err(Failure::new(format!("{name} holds its network itself: give no other one"))),
        (Some((graph, domain)), None) => (graph, domain.as_ref()),
        (None, _) => (given.needed_network(&format!("{name} holds no network"))?, None),
    };
    if let Some(query) = &given.query {
        crate::files::check_fit(query, graph)?;
    }
    Ok(nodes::judge(name, value, kind, graph, domain, given.query.as_ref())?)
}

/// The words and the exit code of a judgement.
pub fn told(judgement: Judgement) -> Finished {
    let (word, code, lines) = match judgement {
        Judgement::Accepted(lines) => ("accepted", 0, lines),
        Judgement::Rejected(why) => ("rejected", 1, vec![why]),
        Judgement::Unproved(lines) => ("unproved", 2, lines),
    };
    let semantics = if code == 0 { "semantics: real\n" } else { "" };
    Finished { output: format!("{word}: {}\n{semantics}", lines.join("\n")), code }
}
