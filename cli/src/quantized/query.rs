//! One query: decided, certified or exported; and the largest robust radius.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use engine::input::read_bytes;
use engine::quantized::read::{network_from_bytes, query_from_json};
use engine::quantized::smtlib::smtlib;
use engine::quantized::{Effort, Network, Query, first_maximum};
use serde_json::json;

use super::certificate;
use super::data::Data;
use super::decide::{Verdict, decide_image, decide_query};
use super::options::QueryArgs;
use crate::Finished;
use crate::failure::Failure;
use crate::options::stop_on_interrupt;

/// What is asked, with the network's file.
struct Asked {
    network: Network,
    network_bytes: Vec<u8>,
    query: Query,
    /// The clean image, where there is one.
    image: Option<Vec<i64>>,
    title: String,
    /// Name of the exported file.
    name: String,
}

/// Runs a query.
pub fn run(args: &QueryArgs) -> Result<Finished, Failure> {
    if args.max_radius {
        return max_radius(args);
    }
    let asked = match &args.query {
        Some(file) => from_file(args, file)?,
        None => from_sample(args)?,
    };
    if args.export {
        return export(&asked);
    }
    let begun = match &args.resume {
        Some(file) => Some(certificate::resume(file, &asked.network, &asked.query, &asked.network_bytes)?),
        None => None,
    };
    let stop = stop_on_interrupt()?;
    let misclassified = asked.image.as_ref().map(|x| first_maximum(&asked.network.evaluate(x))).filter(|c| *c != asked.query.label);
    let (verdict, effort) = match misclassified {
        Some(class) => (Verdict::Misclassified(class), Effort::default()),
        None => decide_query(&asked.network, &asked.query, begun, args.timeout, &stop)?,
    };
    let mut text = if args.json { object(&asked, &verdict, &effort) } else { report(&asked, &verdict, &effort) };
    if let Some(file) = &args.certificate {
        let note = match certificate::make(&verdict, &asked.query, &asked.network_bytes) {
            Some((bytes, query)) => {
                certificate::write(file, &bytes, &query)?;
                let kind = if matches!(verdict, Verdict::Timeout(_)) { "partial certificate" } else { "certificate" };
                format!("{kind}: {} ({} bytes), about {}\n", file.display(), bytes.len(), certificate::query_path(file).display())
            }
            None => "certificate: none, nothing was proved\n".into(),
        };
        if args.json { eprint!("{note}") } else { text += &note }
    }
    Ok(Finished { output: text, code: verdict.code() })
}

fn from_file(args: &QueryArgs, file: &Path) -> Result<Asked, Failure> {
    let weights = args.sources.weights.as_ref().ok_or_else(|| Failure::new("--query needs --weights: the network that it is about"))?;
    let network_bytes = read_bytes(weights)?;
    let network = network_from_bytes(&network_bytes, weights)?;
    let query = query_from_json(&read_bytes(file)?, file)?;
    query.check(&network).map_err(|e| Failure::about(file, e))?;
    let title = format!("{} about {}", file.display(), weights.display());
    let name = file.file_stem().map_or("query".into(), |s| s.to_string_lossy().into_owned());
    Ok(Asked { network, network_bytes, query, image: None, title, name })
}

fn from_sample(args: &QueryArgs) -> Result<Asked, Failure> {
    let (Some(id), Some(eps)) = (args.sample_id, args.eps) else {
        return Err(Failure::new(
            "give --sample-id ID and --eps N, or --query FILE, or a subcommand; `ironbound quantized --help` lists them",
        ));
    };
    let data = Data::read(args.dataset, &args.sources)?;
    let (image, label) = data.sample(id)?;
    let query = Query::around(&data.network, &image, eps, label);
    query.check(&data.network)?;
    let dataset = args.dataset.name();
    let title = format!("{dataset} sample {id}, class {label}, eps {eps}");
    let name = format!("{dataset}_{id:04}");
    Ok(Asked { network: data.network, network_bytes: data.network_bytes, query, image: Some(image), title, name })
}

fn report(asked: &Asked, verdict: &Verdict, effort: &Effort) -> String {
    let mut text = format!("{}\nquery: {}\nnetwork: {}, integer semantics\n", verdict.word(), asked.title, asked.network.shape());
    match verdict {
        Verdict::Vulnerable(x) => {
            let outputs = asked.network.evaluate(x);
            let _ = writeln!(text, "class there: {}", first_maximum(&outputs));
            let _ = writeln!(text, "outputs: {}", spaced(&outputs));
            let _ = writeln!(text, "image: {}", spaced(x));
        }
        Verdict::Misclassified(class) => {
            let _ = writeln!(text, "class of the image: {class}");
        }
        Verdict::Robust(_) | Verdict::Timeout(_) => {}
    }
    if !matches!(verdict, Verdict::Misclassified(_)) {
        let Effort { by_interval, by_relaxation, by_branching, parts } = effort;
        if let Verdict::Timeout(proof) = verdict {
            let open = proof.classes.iter().filter(|class| class.is_open()).count();
            let _ = writeln!(text, "classes still open: {open} of {}", proof.classes.len());
        }
        let _ = writeln!(
            text,
            "classes excluded by intervals: {by_interval}, by one relaxation: {by_relaxation}; searched: {by_branching}; parts: {parts}"
        );
    }
    text
}

fn object(asked: &Asked, verdict: &Verdict, effort: &Effort) -> String {
    let witness = if let Verdict::Vulnerable(x) = verdict { Some(x) } else { None };
    let object = json!({
        "verdict": verdict.word(), "semantics": "integer", "query": asked.title, "label": asked.query.label, "witness": witness, "parts": effort.parts,
    });
    object.to_string() + "\n"
}

fn spaced(numbers: &[i64]) -> String {
    numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(" ")
}

fn export(asked: &Asked) -> Result<Finished, Failure> {
    let folder = PathBuf::from("smt2");
    let file = folder.join(format!("{}.smt2", asked.name));
    let text = smtlib(&asked.network, &asked.query, &format!("{}; sat: vulnerable, unsat: robust", asked.title));
    let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&file, text));
    written.map_err(|e| Failure::about(&file, format!("cannot be written: {e}")))?;
    Ok(Finished::success(format!("wrote {}\n", file.display())))
}

/// The largest radius up to `--eps` at which the image is robust, by bisection: robust boxes contain robust boxes.
fn max_radius(args: &QueryArgs) -> Result<Finished, Failure> {
    let id = args.sample_id.ok_or_else(|| Failure::new("--max-radius needs --sample-id"))?;
    let data = Data::read(args.dataset, &args.sources)?;
    let (image, label) = data.sample(id)?;
    let stop = stop_on_interrupt()?;
    let decide = |eps: i64| decide_image(&data.network, &image, label, eps, args.timeout, &stop).map(|(verdict, _)| verdict);
    let named = format!("{} sample {id}, class {label}", args.dataset.name());
    if let Verdict::Misclassified(class) = decide(0)? {
        return Ok(Finished { output: format!("misclassified\n{named}: the image has class {class}\n"), code: 4 });
    }
    // Radius 0 is robust; double, then halve the gap.
    let most = args.eps.unwrap_or(255);
    let (mut robust, mut broken, mut open) = (0, most + 1, None);
    let mut next = 1;
    while robust + 1 < broken.min(open.unwrap_or(i64::MAX)) {
        let eps = next.clamp(robust + 1, broken.min(open.unwrap_or(i64::MAX)) - 1);
        match decide(eps)? {
            Verdict::Robust(_) => robust = eps,
            Verdict::Vulnerable(_) => broken = eps,
            Verdict::Timeout(_) | Verdict::Misclassified(_) => open = Some(eps),
        }
        let end = broken.min(open.unwrap_or(i64::MAX));
        next = if end > most { 2 * robust.max(1) } else { robust + (end - robust) / 2 };
    }
    let above = match (broken <= most, open) {
        (_, Some(eps)) => format!("radius {eps} was not decided in time"),
        (true, None) => format!("vulnerable at radius {broken}"),
        (false, None) => "no larger radius was asked for".into(),
    };
    Ok(Finished {
        output: format!("robust\n{named}\nlargest robust radius: {robust} ({above})\n"),
        code: if open.is_some() { 2 } else { 0 },
    })
}
