//! `ironbound digits`: certified accuracy of handwritten-digit classifiers, out of the box.

mod bounds;
mod certificate;
mod certify;
mod check;
mod classifier;
pub mod dataset;
mod decide;
pub mod embedded;
mod error;
mod export;
mod json;
mod onnx;
mod options;
mod table;
pub mod train;
mod vnnlib;

use std::path::Path;

pub use options::{DigitsArgs, TrainArgs, radius};

use crate::Finished;
use crate::failure::Failure;
use certificate::{Certificate, Sources};
use certify::count;
use classifier::Classifier;
use dataset::Dataset;
use error::DigitsError;
use options::{Action, Asked, CertifyArgs, CheckArgs};
use table::{Column, render};

/// Runs `digits`.
pub fn run(args: &DigitsArgs) -> Result<Finished, Failure> {
    match &args.action {
        None => Ok(Finished::success(certify(&args.certify)?)),
        Some(Action::TrainCertify(args)) => train_certify(args),
        Some(Action::Check(args)) => Ok(check(args)?),
        Some(Action::Export(args)) => Ok(Finished::success(export::export(&args.folder, args.eps, args.max)?)),
    }
}

/// Runs `digits train-certify`, also spelled `digits-train-certify`. Progress goes to standard error.
pub fn train_certify(args: &TrainArgs) -> Result<Finished, Failure> {
    let (training, mut test) = train::split::split(&embedded::images(), args.test_size, args.seed);
    test.examples.truncate(args.max_test);
    if training.examples.is_empty() {
        return Err(Failure::new("--test-size leaves no image to train on: give a smaller share"));
    }
    let recipe =
        train::Recipe { hidden: args.hidden.clone(), seed: args.seed, epochs: args.epochs, batch: args.batch, learning_rate: args.lr };
    let network = train::train(&training, &recipe, &mut |epoch, network| {
        if epoch % 50 == 0 || epoch + 1 == args.epochs {
            eprintln!("epoch {epoch:03}: test_acc={:.4}", train::accuracy(network, &test));
        }
    });
    if !network.is_finite() {
        return Err(Failure::new("training diverged to infinite weights: give a smaller --lr"));
    }
    let made = serde_json::json!({
        "tool": concat!("ironbound ", env!("CARGO_PKG_VERSION")), "seed": args.seed, "epochs": args.epochs,
        "batch": args.batch, "lr": args.lr as f64, "test_size": args.test_size,
    });
    let mut text = format!("trained on {} images, tested on {}\n", training.examples.len(), test.examples.len());
    for (file, bytes) in [
        (&args.weights, network.to_json(Some(made)).into_bytes()),
        (&args.dataset, test.to_json().into_bytes()),
        (&args.onnx, onnx::encode(&network)),
    ] {
        json::write_bytes(file, &bytes)?;
        text += &format!("wrote {}\n", file.display());
    }
    text += "\n";
    Ok(Finished::success(text + &certify_files(&args.weights, &args.dataset, &args.asked, args.certificate.as_deref())?))
}

fn certify(args: &CertifyArgs) -> Result<String, DigitsError> {
    if let (Some(weights), Some(dataset)) = (&args.weights, &args.dataset) {
        return certify_files(weights, dataset, &args.asked, args.certificate.as_deref());
    }
    let networks = match &args.weights {
        Some(file) => vec![load_weights(file)?.0],
        None => vec![embedded::linear()?, embedded::relu()?],
    };
    let (data, name) = match &args.dataset {
        Some(file) => (load_dataset(file)?.0, file.display().to_string()),
        None => (embedded::test_set(), "the embedded test set".into()),
    };
    report(&networks, &data, &name, &args.asked)
}

fn certify_files(weights: &Path, dataset: &Path, asked: &Asked, certificate: Option<&Path>) -> Result<String, DigitsError> {
    let ((network, weights_bytes), (data, dataset_bytes)) = (load_weights(weights)?, load_dataset(dataset)?);
    let name = dataset.display().to_string();
    let mut text = report(std::slice::from_ref(&network), &data, &name, asked)?;
    if let Some(file) = certificate {
        let sources = sources(weights, &weights_bytes, dataset, &dataset_bytes);
        let certificate = Certificate::prove(&network, &data, asked.max, asked.question(), sources)?;
        json::write_bytes(file, certificate.to_json().as_bytes())?;
        text += &format!("\nwrote {} ({} images certified by {})\n", file.display(), certificate.certified(), certificate.method);
    }
    Ok(text)
}

fn sources(weights: &Path, weights_bytes: &[u8], dataset: &Path, dataset_bytes: &[u8]) -> Sources {
    Sources {
        weights_path: weights.display().to_string(),
        dataset_path: dataset.display().to_string(),
        weights_sha256: certificate::hex_digest(weights_bytes),
        dataset_sha256: certificate::hex_digest(dataset_bytes),
    }
}

/// For `ironbound export`: a certificate of the first `max` images, under `both`.
pub fn margin_certificate(weights: &Path, dataset: &Path, eps: f64, max: usize) -> Result<String, Failure> {
    let ((network, weights_bytes), (data, dataset_bytes)) = (load_weights(weights)?, load_dataset(dataset)?);
    certify::check_fit(&network, &data)?;
    let sources = sources(weights, &weights_bytes, dataset, &dataset_bytes);
    let question = certify::Question { eps, semantics: checker::Semantics::Both };
    Ok(Certificate::prove(&network, &data, max, question, sources)?.to_json())
}

/// Counts, as a table; all networks see the same images.
fn report(networks: &[Classifier], data: &Dataset, name: &str, asked: &Asked) -> Result<String, DigitsError> {
    let mut columns = Vec::new();
    // For a linear network the margins are the whole answer, up to rounding.
    let search = networks.iter().any(|n| !n.is_linear());
    for network in networks {
        let counts = count(network, data, asked.max, asked.question(), search)?;
        columns.push(Column { title: network.title(), counts, exact: network.is_linear() });
    }
    let mut text = render(&columns, name, asked.question());
    if networks.iter().any(|n| n.rounded) {
        text += "Note: some weights of the file are not binary32 numbers; the network that is certified has them rounded to nearest.\n";
    }
    Ok(text)
}

/// As `digits check`, for `ironbound check [WEIGHTS DATASET] CERTIFICATE`; exit code 2 where there is nothing to prove it with.
pub fn check_files(certificate: &Path, about: &[std::path::PathBuf]) -> Result<Finished, Failure> {
    let (weights, dataset) = match about {
        [] => (None, None),
        [weights, dataset] => (Some(weights.clone()), Some(dataset.clone())),
        _ => return Err(Failure::new("give WEIGHTS and DATASET before the certificate, or nothing")),
    };
    let proved = weights.is_some();
    let finished = check(&CheckArgs { certificate: certificate.into(), weights, dataset })?;
    Ok(Finished { code: if finished.code == 0 && !proved { 2 } else { finished.code }, ..finished })
}

/// Exit code 0 if the certificate is accepted, 1 if it is rejected; a file that cannot be read is an error.
fn check(args: &CheckArgs) -> Result<Finished, DigitsError> {
    let name = args.certificate.display().to_string();
    let bytes = json::read_bytes(&args.certificate)?;
    let certificate = match check::read(&name, &bytes) {
        Ok(certificate) => certificate,
        Err(reason) => return Ok(rejected(&reason)),
    };
    let counts = format!("{} images, {} right, {} certified", certificate.claims.len(), certificate.nominal(), certificate.certified());
    let question = certificate.question;
    let (Some(weights), Some(dataset)) = (&args.weights, &args.dataset) else {
        let text = "Only the file's own arithmetic was checked; give --weights and --dataset to prove its bounds anew.";
        return Ok(Finished::success(format!("consistent: {counts} at eps = {}\n{text}\n", question.eps)));
    };
    let ((network, weights_bytes), (data, dataset_bytes)) = (load_weights(weights)?, load_dataset(dataset)?);
    let gap = match check::prove_again(&certificate, (&network, &weights_bytes), (&data, &dataset_bytes)) {
        Ok(gap) => gap,
        Err(reason) => return Ok(rejected(&reason)),
    };
    let mut text = format!("accepted: {counts} at eps = {} under semantics {}\n", question.eps, question.semantics.word());
    if gap > 0.0 {
        text += "Every certified class was proved anew, but recorded intervals are tighter than the proved ones, by up to\n";
        text += &format!("{gap:e}: the tool that wrote them rounded to nearest.\n");
    }
    Ok(Finished::success(text))
}

fn rejected(reason: &DigitsError) -> Finished {
    Finished { output: format!("rejected: {reason}\n"), code: 1 }
}

fn load_weights(file: &Path) -> Result<(Classifier, Vec<u8>), DigitsError> {
    let bytes = json::read_bytes(file)?;
    Ok((Classifier::from_json(&file.display().to_string(), &bytes)?, bytes))
}

fn load_dataset(file: &Path) -> Result<(Dataset, Vec<u8>), DigitsError> {
    let bytes = json::read_bytes(file)?;
    Ok((Dataset::from_json(&file.display().to_string(), &bytes)?, bytes))
}
