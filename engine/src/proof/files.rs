//! The network and the query as the checker reads them.

use std::sync::OnceLock;

use checker::network::Network;
use checker::plan::Plan;
use checker::query::Query;
use checker::read::{onnx, vnnlib};

/// The uncompressed bytes of the network and the query; the checker reads them when that is first asked for.
#[derive(Debug)]
pub struct Files {
    /// The network's file.
    pub model: Vec<u8>,
    /// The query's file.
    pub query: Vec<u8>,
    read: OnceLock<Result<Read, String>>,
}

/// What the checker has read.
#[derive(Debug)]
pub struct Read {
    /// The network.
    pub network: Network,
    /// The query.
    pub query: Query,
    plan: OnceLock<Result<Plan, String>>,
}

impl Files {
    /// From the files' bytes.
    pub fn new(model: Vec<u8>, query: Vec<u8>) -> Files {
        Files { model, query, read: OnceLock::new() }
    }

    /// Network and query, or why the checker does not read them.
    pub fn read(&self) -> Result<&Read, String> {
        let read = || {
            let network = onnx::network(&self.model).map_err(|e| e.to_string())?;
            let query = vnnlib::query(&self.query).map_err(|e| e.to_string())?;
            Ok(Read { network, query, plan: OnceLock::new() })
        };
        self.read.get_or_init(read).as_ref().map_err(String::clone)
    }
}

impl Read {
    /// The network as the checker sweeps it, or why it does not.
    pub fn plan(&self) -> Result<&Plan, String> {
        self.plan.get_or_init(|| Plan::new(&self.network)).as_ref().map_err(String::clone)
    }

    /// Elements of each activation.
    pub fn lens(&self) -> Result<Vec<usize>, String> {
        Ok(self.plan()?.activations.iter().map(|a| a.len).collect())
    }
}
