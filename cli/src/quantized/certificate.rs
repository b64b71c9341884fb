//! Certificates: written with their query, checked by the independent checker.

use std::fs;
use std::path::{Path, PathBuf};

use checker::certificate::{Container, HEADER};
use checker::integer::{self, Shown};
use checker::sha256::digest;
use engine::input::read_bytes;
use engine::quantized::proof::{self, Proof};
use engine::quantized::read::{network_from_bytes, query_from_json, query_to_json};
use engine::quantized::{Network, Query};

use super::decide::Verdict;
use super::options::{CheckArgs, MergeArgs};
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
    accepted_proof(file, network, query.label, (network_bytes, query_to_json(query).as_bytes()))
}

/// As [`resume`], for the files' bytes as they are.
fn accepted_proof(file: &Path, network: &Network, label: usize, (network_bytes, query_bytes): (&[u8], &[u8])) -> Result<Proof, Failure> {
    let bytes = read_bytes(file)?;
    match integer::check(network_bytes, query_bytes, &bytes) {
        Ok(Shown::Robust(_) | Shown::Partly(_)) => {}
        Ok(Shown::Vulnerable { .. }) => return Err(Failure::about(file, "is about a counterexample: there is no proof in it")),
        Err(fault) => return Err(Failure::about(file, format!("is rejected at byte {}: {}", fault.at, fault.reason))),
    }
    let unread = |fault: checker::certificate::Fault| Failure::about(file, format!("byte {}: {}", HEADER + fault.at, fault.reason));
    let payload = Container::read(&bytes).map_err(unread)?.payload;
    proof::read(payload, network, label).map_err(unread)
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

/// Joins certificates about one query; the checker accepts what is written.
pub fn merge(args: &MergeArgs) -> Result<Finished, Failure> {
    let network_bytes = read_bytes(&args.weights)?;
    let network = network_from_bytes(&network_bytes, &args.weights)?;
    let [first, others @ ..] = &args.certificates[..] else { return Err(Failure::new("give at least two certificates")) };
    let query_file = args.query.clone().unwrap_or_else(|| query_path(first));
    let query_bytes = read_bytes(&query_file)?;
    let query = query_from_json(&query_bytes, &query_file)?;
    query.check(&network).map_err(|why| Failure::about(&query_file, why))?;
    let read = |file: &PathBuf| accepted_proof(file, &network, query.label, (&network_bytes, &query_bytes));
    let joined = others.iter().try_fold(read(first)?, |joined, file| Ok::<_, Failure>(joined.join(&read(file)?)))?;
    let bytes = proof::certificate(&joined, digest(&network_bytes), digest(&query_bytes));
    let shown = integer::check(&network_bytes, &query_bytes, &bytes);
    let shown =
        shown.map_err(|fault| Failure::new(format!("the checker refuses the joined proof at byte {}: {}", fault.at, fault.reason)))?;
    let text = String::from_utf8(query_bytes).map_err(|_| Failure::about(&query_file, "is not UTF-8"))?;
    write(&args.output, &bytes, &text)?;
    Ok(Finished::success(format!("{}: {}\n", args.output.display(), sentence(&shown))))
}

/// What an accepted certificate shows.
fn sentence(shown: &Shown) -> String {
    match shown {
        Shown::Robust(accepted) => format!("accepted: robust, {} leaves", accepted.leaves),
        Shown::Partly(accepted) => {
            let share = (1e6 * accepted.proved).floor() / 1e4;
            format!("accepted in part: {share:.4} % of the box and its classes, {accepted}")
        }
        Shown::Vulnerable { class, .. } => format!("accepted: vulnerable, an input of the box has class {class}"),
    }
}

/// Exit code 0 if all certificates are accepted, 1 if one is rejected.
pub fn check(args: &CheckArgs) -> Result<Finished, Failure> {
    let network = read_bytes(&args.weights)?;
    let (mut output, mut code) = (String::new(), 0);
    for file in &args.certificates {
        let query = read_bytes(args.query.as_ref().unwrap_or(&query_path(file)))?;
        let certificate = read_bytes(file)?;
        let line = match integer::check(&network, &query, &certificate) {
            Ok(shown) => {
                let room = if args.room { proof::room(&network, &query, &certificate) } else { None };
                let room = room.map_or(String::new(), |room| format!("; room: {room} (every other output stays that far below)"));
                format!("{}{room}", sentence(&shown))
            }
            Err(fault) => {
                code = 1;
                format!("rejected: byte {}: {}", fault.at, fault.reason)
            }
        };
        output += &format!("{}: {line}\n", file.display());
    }
    Ok(Finished { output, code })
}
