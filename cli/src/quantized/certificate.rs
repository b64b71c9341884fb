//! Certificates: written with their query, checked by the independent checker.

use std::fs;
use std::path::{Path, PathBuf};

use checker::certificate::{Container, HEADER};
use checker::integer::{self, Shown};
use checker::sha256::digest;
use engine::input::read_bytes;
use engine::quantized::proof::{self, Proof};
use engine::quantized::read::query_to_json;
use engine::quantized::{Network, Query};

use super::decide::Verdict;
use super::options::CheckArgs;
use crate::Finished;
use crate::failure::Failure;

/// Certificate and query file of a verdict; none where nothing was decided by the engine.
pub fn make(verdict: &Verdict, query: &Query, network: &[u8]) -> Option<(Vec<u8>, String)> {
    let text = query_to_json(query);
    let hashes = (digest(network), digest(text.as_bytes()));
    let bytes = match verdict {
        Verdict::Robust(proof) | Verdict::Timeout(proof) => proof::certificate(proof, hashes.0, hashes.1),
        Verdict::Vulnerable(x) => proof::witness(x, hashes.0, hashes.1),
        Verdict::Misclassified(_) => return None,
    };
    Some((bytes, text))
}

/// The proof in a certificate about this network and query, which the checker accepts as far as it goes.
pub fn resume(file: &Path, network: &Network, query: &Query, network_bytes: &[u8]) -> Result<Proof, Failure> {
    let (bytes, text) = (read_bytes(file)?, query_to_json(query));
    match integer::check(network_bytes, text.as_bytes(), &bytes) {
        Ok(Shown::Robust(_) | Shown::Partly(_)) => {}
        Ok(Shown::Vulnerable { .. }) => return Err(Failure::about(file, "is about a counterexample, so there is nothing to go on from")),
        Err(fault) => return Err(Failure::about(file, format!("is rejected at byte {}: {}", fault.at, fault.reason))),
    }
    let unread = |fault: checker::certificate::Fault| Failure::about(file, format!("byte {}: {}", HEADER + fault.at, fault.reason));
    let payload = Container::read(&bytes).map_err(unread)?.payload;
    proof::read(payload, network, query.label).map_err(unread)
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
        let certificate = read_bytes(file)?;
        let line = match integer::check(&network, &query, &certificate) {
            Ok(Shown::Robust(accepted)) => {
                let room = if args.room { proof::room(&network, &query, &certificate) } else { None };
                let room = room.map_or(String::new(), |room| format!("; room: {room} (every other output stays that far below)"));
                format!("accepted: robust, {} leaves{room}", accepted.leaves)
            }
            Ok(Shown::Partly(accepted)) => {
                let share = (1e6 * accepted.proved).floor() / 1e4;
                format!("accepted in part: {share:.4} % of the box and its classes, {accepted}")
            }
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
