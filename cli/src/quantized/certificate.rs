//! Certificates: written with their query, checked by the independent checker.

use std::fs;
use std::path::{Path, PathBuf};

use checker::integer::{self, Shown};
use checker::sha256::digest;
use engine::input::read_bytes;
use engine::quantized::Query;
use engine::quantized::proof;
use engine::quantized::read::query_to_json;

use super::decide::Verdict;
use super::options::CheckArgs;
use crate::Finished;
use crate::failure::Failure;

/// Certificate and query file of a verdict; none where nothing was decided by the engine.
pub fn make(verdict: &Verdict, query: &Query, network: &[u8]) -> Option<(Vec<u8>, String)> {
    let text = query_to_json(query);
    let hashes = (digest(network), digest(text.as_bytes()));
    let bytes = match verdict {
        Verdict::Robust(proof) => proof::certificate(proof, hashes.0, hashes.1),
        Verdict::Vulnerable(x) => proof::witness(x, hashes.0, hashes.1),
        Verdict::Misclassified(_) | Verdict::Timeout => return None,
    };
    Some((bytes, text))
}

/// The query file that goes with a certificate.
pub fn query_path(certificate: &Path) -> PathBuf {
    let mut name = certificate.as_os_str().to_owned();
    name.push(".query.json");
    name.into()
}

/// Writes both files.
pub fn write(file: &Path, bytes: &[u8], query: &str) -> Result<(), Failure> {
    fs::write(file, bytes).map_err(|e| Failure::about(file, format!("cannot be written: {e}")))?;
    let path = query_path(file);
    fs::write(&path, query).map_err(|e| Failure::about(&path, format!("cannot be written: {e}")))
}

/// Exit code 0 if all certificates are accepted, 1 if one is rejected.
pub fn check(args: &CheckArgs) -> Result<Finished, Failure> {
    let network = read_bytes(&args.weights)?;
    let (mut output, mut code) = (String::new(), 0);
    for file in &args.certificates {
        let query = read_bytes(args.query.as_ref().unwrap_or(&query_path(file)))?;
        let line = match integer::check(&network, &query, &read_bytes(file)?) {
            Ok(Shown::Robust { leaves }) => format!("accepted: robust, {leaves} leaves"),
            Ok(Shown::Vulnerable { class, .. }) => format!("accepted: vulnerable, an input of the box has class {class}"),
            Err(fault) => {
                code = 1;
                format!("rejected: byte {}: {}", fault.at, fault.reason)
            }
        };
        output += &format!("{}: {line}\n", file.display());
    }
    Ok(Finished { output, code })
}
