//! The files of a command: which is the network and which the query, told apart by content.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use engine::graph::{Element, Graph};
use engine::input;
use engine::input::vnnlib::{self, ParseOptions};
use engine::query::{DeclaredElement, Query, Relation};

use crate::failure::Failure;
use crate::options::{Options, SemanticsOption};

/// Where network and query are.
#[derive(Args)]
pub struct Files {
    /// QUERY with --network, or MODEL and QUERY in either order
    #[arg(required = true, num_args = 1..=2, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The network that the query declares under NAME (a query with one network needs no NAME)
    #[arg(long, value_name = "[NAME=]MODEL")]
    network: Vec<String>,
    /// Refuse extensions of the query language, such as exponents in VNN-LIB 2
    #[arg(long)]
    strict: bool,
}

/// A network and the query about it, fitting together.
pub struct Problem {
    /// The network.
    pub network: Graph,
    /// The query.
    pub query: Query,
    /// The network's file.
    pub model_path: PathBuf,
    /// The query's file.
    pub query_path: PathBuf,
}

/// A model given by `--network`.
struct Given {
    name: Option<String>,
    path: PathBuf,
}

impl Files {
    /// Reads both files and checks that they fit together and may be asked under these semantics.
    pub fn read(&self, options: &Options) -> Result<Problem, Failure> {
        let (models, query_path) = self.sort()?;
        // The query first: it is small, and a wrong one need not wait for a large network.
        let query = self.read_query(&query_path, options)?;
        let model = only_model(models, &query, &query_path)?;
        check_semantics(&query, &query_path, options.semantics)?;
        let network = input::load_network(&model)?;
        vnnlib::check_against(&query, &network).map_err(|e| Failure::about(&query_path, e))?;
        check_element(&query, &network, &query_path)?;
        Ok(Problem { network, query, model_path: model, query_path })
    }

    fn read_query(&self, path: &Path, options: &Options) -> Result<Query, Failure> {
        let file = path.display().to_string();
        let reading = ParseOptions { file, strict: self.strict, allow_empty: options.allow_empty, ..ParseOptions::default() };
        Ok(vnnlib::read_query(&input::read_bytes(path)?, &reading)?)
    }

    fn sort(&self) -> Result<(Vec<Given>, PathBuf), Failure> {
        let model = |path: &PathBuf| vec![Given { name: None, path: path.clone() }];
        match (&self.files[..], &self.network[..]) {
            ([query], models @ [_, ..]) => Ok((models.iter().map(|text| given(text)).collect(), query.clone())),
            ([first, second], []) => match (Kind::of(first)?, Kind::of(second)?) {
                (Kind::Query, Kind::Network) => Ok((model(second), first.clone())),
                (Kind::Network, Kind::Query) => Ok((model(first), second.clone())),
                (Kind::Query, Kind::Query) => Err(both(first, second, "are queries; one must be the network (.onnx or .nnet)")),
                (Kind::Network, Kind::Network) => Err(both(first, second, "are no queries; one must be a VNN-LIB file")),
            },
            ([only], []) => Err(Failure::about(only, "one file is not enough: give a network and a query, or a query and --network MODEL")),
            _ => Err(Failure::new("give either MODEL and QUERY, or QUERY and --network [NAME=]MODEL, not both")),
        }
    }
}

/// True if the file is a query, as its content says.
pub fn is_query(path: &Path) -> Result<bool, Failure> {
    Ok(Kind::of(path)? == Kind::Query)
}

/// Reads a query that is to be answered for the real network.
pub fn real_query(path: &Path) -> Result<Query, Failure> {
    let reading = ParseOptions { file: path.display().to_string(), ..ParseOptions::default() };
    let query = vnnlib::read_query(&input::read_bytes(path)?, &reading)?;
    check_semantics(&query, path, SemanticsOption::Real)?;
    Ok(query)
}

/// Refuses a query and a network that do not fit together.
pub fn check_fit(query: &Query, network: &Graph) -> Result<(), Failure> {
    vnnlib::check_against(query, network).map_err(|e| Failure::new(e.to_string()))
}

fn both(first: &Path, second: &Path, problem: &str) -> Failure {
    Failure::new(format!("{} and {} {problem}", first.display(), second.display()))
}

/// `NAME=FILE` or `FILE`; a file whose whole name holds an equals sign is taken as it is.
fn given(text: &str) -> Given {
    match text.split_once('=').filter(|_| !Path::new(text).exists()) {
        Some((name, path)) => Given { name: Some(name.into()), path: path.into() },
        None => Given { name: None, path: text.into() },
    }
}

/// The one model of a query over one network.
fn only_model(mut models: Vec<Given>, query: &Query, path: &Path) -> Result<PathBuf, Failure> {
    let needed = query.networks.iter().filter(|network| !matches!(network.relation, Some(Relation::EqualTo(_)))).count();
    if models.len() != needed {
        return Err(Failure::about(path, format!("the query needs {needed} models, {} are given", models.len())));
    }
    if query.networks.len() != 1 {
        return Err(Failure::about(path, "unsupported: a query over several networks"));
    }
    let model = models.pop().expect("counted above");
    match model.name {
        Some(name) if !query.legacy && name != query.networks[0].name => {
            Err(Failure::about(path, format!("declares network `{}`, but --network names `{name}`", query.networks[0].name)))
        }
        _ => Ok(model.path),
    }
}

/// VNN-LIB 2 gives up floating-point semantics only for queries that say `real`.
fn check_semantics(query: &Query, path: &Path, semantics: SemanticsOption) -> Result<(), Failure> {
    match declared_float(query) {
        Some(element) if semantics == SemanticsOption::Real => Err(Failure::about(
            path,
            format!(
                "the query is over {element}, so `--semantics real` would not answer it; declare `real` in the query, or use float32 or both"
            ),
        )),
        _ => Ok(()),
    }
}

/// The declared type is the one that the network computes in, unless the query says `real`.
fn check_element(query: &Query, network: &Graph, path: &Path) -> Result<(), Failure> {
    let computed = match network.element {
        Element::F32 => "float32",
        Element::F64 => "float64",
    };
    match declared_float(query).filter(|element| *element != computed) {
        Some(element) => Err(Failure::about(path, format!("the query is over {element}, the network computes in {computed}"))),
        None => Ok(()),
    }
}

/// The element type of a VNN-LIB 2 query that does not say `real`.
fn declared_float(query: &Query) -> Option<&str> {
    let variables = query.networks.iter().flat_map(|network| &network.variables).filter(|_| !query.legacy);
    variables.map(|variable| variable.element.as_str()).find(|element| DeclaredElement::named(element) != DeclaredElement::Real)
}

/// What a file is, by its beginning.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Query,
    Network,
}

impl Kind {
    /// A query is text that begins with a parenthesis or a comment; anything else is left to the network's reader.
    fn of(path: &Path) -> Result<Kind, Failure> {
        let beginning = beginning(path).map_err(|e| Failure::about(path, format!("cannot be read: {e}")))?;
        let text = beginning.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&beginning);
        let first = text.iter().find(|b| !b.is_ascii_whitespace());
        let readable = text.iter().all(|&b| b >= 0x20 || b.is_ascii_whitespace());
        let named = path.to_string_lossy().trim_end_matches(".gz").ends_with(".vnnlib");
        Ok(match (first, readable) {
            (Some(b'(' | b';'), true) => Kind::Query,
            // Nothing that a network could be: let the name decide whose reader complains.
            (None, _) | (_, true) if named => Kind::Query,
            _ => Kind::Network,
        })
    }
}

/// The first bytes of a file, inflated where it is gzipped.
fn beginning(path: &Path) -> std::io::Result<Vec<u8>> {
    let raw = prefix(File::open(path)?)?;
    match raw.starts_with(&[0x1f, 0x8b]) {
        // The prefix of a gzip stream ends in the middle; what it holds up to there is enough.
        true => Ok(prefix(flate2::read::GzDecoder::new(File::open(path)?)).unwrap_or_default()),
        false => Ok(raw),
    }
}

fn prefix(file: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(512).read_to_end(&mut bytes)?;
    Ok(bytes)
}
