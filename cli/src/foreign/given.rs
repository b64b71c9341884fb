//! What a certificate is about, from beside it.

use std::path::PathBuf;

use engine::graph::Graph;
use engine::input;
use engine::query::Query;

use crate::failure::Failure;
use crate::files;

/// A network and a query, as far as they were given.
#[derive(Default)]
pub struct Given {
    /// The network.
    pub network: Option<Graph>,
    /// The query.
    pub query: Option<Query>,
}

impl Given {
    /// Reads networks and queries, told apart by content; together they have to fit.
    pub fn read(paths: &[PathBuf]) -> Result<Given, Failure> {
        let mut given = Given::default();
        for path in paths {
            let twice = |what: &str| Failure::about(path, format!("is another {what}: give one"));
            match files::is_query(path)? {
                true if given.query.is_some() => return Err(twice("query")),
                true => given.query = Some(files::real_query(path)?),
                false if given.network.is_some() => return Err(twice("network")),
                false => given.network = Some(input::load_network(path)?),
            }
        }
        if let Given { network: Some(network), query: Some(query) } = &given {
            files::check_fit(query, network)?;
        }
        Ok(given)
    }

    /// The network, which has to be there.
    pub fn needed_network(&self, why: &str) -> Result<&Graph, Failure> {
        self.network.as_ref().ok_or_else(|| Failure::new(format!("{why}: give the network before it")))
    }

    /// The query, which has to be there.
    pub fn needed_query(&self, why: &str) -> Result<&Query, Failure> {
        self.query.as_ref().ok_or_else(|| Failure::new(format!("{why}: give the query")))
    }
}
