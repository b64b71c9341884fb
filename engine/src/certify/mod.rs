//! Certificates of verdicts: made, mended until the independent checker accepts them, judged, gone on with. The command line and
//! the Python package share this; files are theirs.

mod replay;
mod revise;

use replay::Replayed;
pub use revise::Revised;

use std::sync::Arc;

use checker::certificate::{Container, Kind};
use checker::files::{Failure as Refusal, Shown, check_files};
use checker::{Accepted, Rejection, Semantics, sha256};

use crate::bounds::neurons::Known;
use crate::graph::Graph;
use crate::proof::{self, Files, Hash, NodeId, Proof, Read};
use crate::query::Query;
use crate::search::{self, Begun, Config, Continue, Observer, Reason, Report, Verdict, Witness};

/// Why no certificate can be made or gone on with, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CertifyError(String);

fn error(why: impl Into<String>) -> CertifyError {
    CertifyError(why.into())
}

/// Rounds of mending, by turns with and without what nodes inherit; from the third on with rejected nodes halved.
const MOST_ROUNDS: usize = 12;

/// The two files that a certificate is about, uncompressed.
pub struct Subject {
    files: Arc<Files>,
    hashes: (Hash, Hash),
}

impl Subject {
    /// From the uncompressed bytes of the network and the query.
    pub fn new(model: Vec<u8>, query: Vec<u8>) -> Subject {
        let hashes = (sha256::digest(&model), sha256::digest(&query));
        Subject { files: Arc::new(Files::new(model, query)), hashes }
    }

    /// The files, for [`Config::record`].
    pub fn files(&self) -> Arc<Files> {
        Arc::clone(&self.files)
    }

    /// Has the checker judge a certificate: what it shows, in words, or why it is refused.
    pub fn judge(&self, certificate: &[u8], threads: usize) -> Result<String, Refusal> {
        check_files(&self.files.model, &self.files.query, certificate, threads).map(|shown| match shown {
            Shown::Holds(semantics, accepted) => words(semantics, &accepted),
            Shown::Fails(semantics) => format!("fails ({})", semantics.word()),
        })
    }

    fn for_checker(&self) -> Result<&Read, String> {
        self.files.read()
    }

    fn bytes(&self, proof: &Proof) -> Result<Vec<u8>, CertifyError> {
        let (model, query) = self.hashes;
        let mut bytes = Vec::new();
        proof.write(model, query, &mut bytes).map_err(unmade)?;
        Ok(bytes)
    }
}

impl Subject {
    /// What the checker rejects of the subtrees of some nodes, given per case.
    fn rejected_of(&self, read: &Read, proof: &Proof, nodes: &[Vec<NodeId>], threads: usize) -> Result<Vec<Rejection>, CertifyError> {
        if nodes.iter().all(Vec::is_empty) {
            return Ok(Vec::new());
        }
        let (model, query) = self.hashes;
        let mut bytes = Vec::new();
        proof.write_only(nodes, model, query, &mut bytes).map_err(unmade)?;
        let judged = checker::check_all(&read.network, &read.query, proof.semantics, &bytes, threads);
        judged.map(|(_, rejected)| rejected).map_err(uncheckable)
    }

    /// What the checker rejects of a proof, and what the rest shows.
    fn rejected(&self, read: &Read, proof: &Proof, threads: usize) -> Result<(Accepted, Vec<Rejection>), CertifyError> {
        checker::check_all(&read.network, &read.query, proof.semantics, &self.bytes(proof)?, threads).map_err(uncheckable)
    }
}

fn uncheckable(rejection: Rejection) -> CertifyError {
    error(format!("the certificate cannot be checked: {rejection}"))
}

fn words(semantics: Semantics, accepted: &Accepted) -> String {
    match accepted.proved {
        1.0 => format!("holds ({}): {accepted}", semantics.word()),
        // Rounded down: a part that is open must not look like none.
        share => format!("{:.4} % of the input set holds ({}): {accepted}", (1e6 * share).floor() / 1e4, semantics.word()),
    }
}

/// A certificate in bytes.
pub struct Certificate {
    /// What `ironbound check` reads.
    pub bytes: Vec<u8>,
    /// What the checker has accepted it as showing, in words; none if it has no rule for a witness (a note says so).
    pub shown: Option<String>,
    /// True if the checker has seen these very bytes at one go; otherwise it has accepted every node of them, some of them after the others.
    pub whole: bool,
}

/// How an earlier certificate is started from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// It is about the same network and query: go on at the open nodes.
    Resume,
    /// It is about another network of the same shape or another query: go on where its tree does not prove this one.
    Reuse,
}

/// Everything that working on a certificate needs.
pub struct Workshop<'a> {
    /// The files.
    pub subject: Subject,
    /// The network as the engine reads it.
    pub network: &'a Graph,
    /// The query as the engine reads it.
    pub query: &'a Query,
    /// Options.
    pub config: &'a Config,
    /// Receives progress.
    pub observer: &'a dyn Observer,
}

impl Workshop<'_> {
    /// Decides the query from an earlier certificate.
    pub fn start(&self, start: Start, certificate: &[u8]) -> Result<Report, CertifyError> {
        let container = Container::read(certificate).map_err(|fault| error(format!("byte {}: {}", fault.at, fault.reason)))?;
        if container.kind != Kind::Proof {
            return Err(error("is no proof by branch and bound, so there is nothing to go on from"));
        }
        let same = (container.network, container.query) == self.subject.hashes;
        if start == Start::Resume && !same {
            return Err(error("is about another network or query; to use its tree for this one, say --reuse"));
        }
        // What the certificate calls closed is believed by nobody but the checker: without it there is nothing to start from.
        let read = self.subject.for_checker().map_err(|why| error(format!("cannot be started from: {why}")))?;
        let disjuncts = disjuncts(self.query);
        let mut proof = Proof::read(container.semantics, container.payload, &disjuncts, &read.lens().map_err(error)?).map_err(unread)?;
        let known = self.accept(read, &mut proof, &disjuncts)?;
        let begun = Begun { proof, how: Continue::Resume, known };
        let report = search::go_on(self.network, self.query, self.config, self.observer, begun);
        if matches!(report.verdict, Verdict::Holds { .. }) && report.proof.is_none() {
            let why = "what was taken over from the certificate could not be checked".to_string();
            return Ok(Report { statistics: report.statistics, notes: report.notes, ..Report::unknown(Reason::Precision(why), None) });
        }
        Ok(report)
    }

    /// Opens again what the checker does not accept of an earlier proof; what it accepts need not be checked once more. Says what
    /// is known where steps of an open root are kept.
    fn accept(&self, read: &Read, proof: &mut Proof, disjuncts: &[usize]) -> Result<Vec<Option<Known>>, CertifyError> {
        let (cases, threads) = (proof.trees.len(), self.config.threads);
        let (mut whole, mut changed, mut known) = (vec![Vec::new(); cases], Vec::new(), vec![None; cases]);
        for case in 0..cases {
            match read.replay(proof, case, false, threads)? {
                Replayed::Not => whole[case].push(0),
                Replayed::Closed(true) => {}
                Replayed::Closed(false) => changed.push(case),
                Replayed::Open(shown) => known[case] = Some(shown),
            }
        }
        let rejected = self.subject.rejected_of(read, proof, &whole, threads)?;
        reopen(read, proof, &rejected, threads)?;
        let mut fresh = proof.open(disjuncts).map_err(unread)?;
        changed.into_iter().for_each(|case| fresh[case].push(0));
        proof.fresh = Some(fresh);
        Ok(known)
    }

    /// The certificate of a report: has every node of its proof accepted by the checker, or searches again from those that are
    /// not. A proof that is not accepted whole is no `holds`. None where there is nothing to certify; a note says why.
    pub fn certify(&self, report: &mut Report) -> Result<Option<Certificate>, CertifyError> {
        match &report.verdict {
            Verdict::Fails(witness) => self.witnessed(&witness.clone(), report),
            Verdict::Holds { .. } => self.mended(report),
            Verdict::Unknown { .. } => self.partial(report),
        }
    }

    /// The certificate of a counterexample: in binary32 if the checker can replay it so, otherwise in real numbers.
    fn witnessed(&self, witness: &Witness, report: &mut Report) -> Result<Option<Certificate>, CertifyError> {
        let kinds = [(Semantics::Float32, witness.breaks_float32), (Semantics::Real, witness.breaks_real)];
        let mut refused = None;
        for (semantics, _) in kinds.into_iter().filter(|(_, breaks)| *breaks) {
            let bytes = self.witness(witness, semantics)?;
            match self.subject.judge(&bytes, self.config.threads) {
                Ok(shown) => return Ok(Some(Certificate { bytes, shown: Some(shown), whole: true })),
                Err(why) => {
                    refused.get_or_insert((bytes, why));
                }
            }
        }
        let Some((bytes, why)) = refused else { return Ok(None) };
        report.notes.push(format!("not certified: {why}"));
        Ok(Some(Certificate { bytes, shown: None, whole: true }))
    }

    fn witness(&self, witness: &Witness, semantics: Semantics) -> Result<Vec<u8>, CertifyError> {
        let point: Vec<String> = witness.input.iter().map(|x| x.to_string()).collect();
        let (model, query) = self.subject.hashes;
        let mut bytes = Vec::new();
        proof::write_witness(semantics, &point, model, query, &mut bytes).map_err(unmade)?;
        Ok(bytes)
    }

    fn mended(&self, report: &mut Report) -> Result<Option<Certificate>, CertifyError> {
        let proof = report.proof.take();
        let read = match self.subject.for_checker() {
            Ok(read) => read,
            Err(why) => {
                // The operator in the way says more than how the search went.
                report.notes.retain(|note| !note.starts_with("not certified: "));
                report.notes.push(format!("not certified: {}", why.trim_start_matches("not certified: ")));
                return Ok(None);
            }
        };
        let Some(mut proof) = proof else { return Ok(None) };
        proof.partial = false;
        let fresh = proof.fresh.take();
        let mut mended = fresh.iter().flatten().map(Vec::len).sum::<usize>();
        let (accepted, mut rejected) = match fresh {
            Some(nodes) => (None, self.subject.rejected_of(read, &proof, &nodes, self.config.threads)?),
            None => self.subject.rejected(read, &proof, self.config.threads).map(|(accepted, rejected)| (Some(accepted), rejected))?,
        };
        for round in 0..MOST_ROUNDS {
            if rejected.is_empty() {
                let whole = accepted.is_some() && mended == 0;
                let shown = match accepted.filter(|_| mended == 0) {
                    Some(accepted) => words(proof.semantics, &accepted),
                    None => {
                        let nodes = if mended == 1 { "node was" } else { "nodes were" };
                        format!("holds ({}); {mended} {nodes} proved again for it", proof.semantics.word())
                    }
                };
                let bytes = self.subject.bytes(&proof)?;
                report.proof = Some(proof);
                return Ok(Some(Certificate { bytes, shown: Some(shown), whole }));
            }
            mended += rejected.len();
            let (nodes, known) = reopen(read, &proof, &rejected, self.config.threads)?;
            let how = Continue::Mend { fresh: round % 2 == 1, halve: round >= 2, round };
            let again = search::go_on(self.network, self.query, self.config, self.observer, Begun { proof, how, known });
            let Verdict::Holds { margin } = again.verdict else {
                // Not even without the checker: the whole answer is open again.
                *report = again;
                return self.partial(report);
            };
            if let Verdict::Holds { margin: least } = &mut report.verdict {
                *least = least.zip(margin).map(|(a, b)| a.min(b)).or(*least);
            }
            report.statistics.subproblems += again.statistics.subproblems;
            proof = again.proof.ok_or_else(|| error("the search lost its proof"))?;
            // The rest of the tree has been accepted as it is.
            rejected = self.subject.rejected_of(read, &proof, &nodes, self.config.threads)?;
        }
        let first = rejected.first().map(|r| r.to_string()).unwrap_or_default();
        let why = format!("the checker still rejects {} parts of the proof after {MOST_ROUNDS} rounds of mending: {first}", rejected.len());
        reopen(read, &proof, &rejected, self.config.threads)?;
        *report = Report { statistics: report.statistics.clone(), proof: Some(proof), ..Report::unknown(Reason::Precision(why), None) };
        self.partial(report)
    }

    /// What is proved so far; what the checker rejects of it counts as open.
    fn partial(&self, report: &mut Report) -> Result<Option<Certificate>, CertifyError> {
        let Some(mut proof) = report.proof.take() else { return Ok(None) };
        let Ok(read) = self.subject.for_checker() else { return Ok(None) };
        proof.partial = true;
        for _ in 0..MOST_ROUNDS {
            let (accepted, rejected) = self.subject.rejected(read, &proof, self.config.threads)?;
            if rejected.is_empty() {
                report.statistics.proved = accepted.proved;
                let shown = Some(words(proof.semantics, &accepted));
                return Ok(Some(Certificate { bytes: self.subject.bytes(&proof)?, shown, whole: true }));
            }
            reopen(read, &proof, &rejected, self.config.threads)?;
        }
        Ok(None)
    }
}

fn unread(e: std::io::Error) -> CertifyError {
    error(e.to_string())
}

fn unmade(e: std::io::Error) -> CertifyError {
    error(format!("the certificate cannot be made: {e}"))
}

fn disjuncts(query: &Query) -> Vec<usize> {
    query.cases.iter().map(|case| case.disjuncts.len()).collect()
}

/// The nodes that were opened again, per case, and what is known where that is a root of which steps are kept.
type Reopened = (Vec<Vec<NodeId>>, Vec<Option<Known>>);

/// Opens rejected nodes again; of a root without children, which may be long, the steps that are accepted are kept.
fn reopen(read: &Read, proof: &Proof, rejected: &[Rejection], threads: usize) -> Result<Reopened, CertifyError> {
    let mut nodes = vec![Vec::new(); proof.trees.len()];
    let mut known = vec![None; proof.trees.len()];
    for rejection in rejected {
        let Some(tree) = proof.trees.get(rejection.case) else { continue };
        let root = rejection.path.is_empty();
        let replayed = if root { read.replay(proof, rejection.case, false, threads)? } else { Replayed::Not };
        nodes[rejection.case].push(match replayed {
            Replayed::Not => tree.reopen(&rejection.path),
            Replayed::Closed(_) => 0,
            Replayed::Open(shown) => {
                known[rejection.case] = Some(shown);
                0
            }
        });
    }
    Ok((nodes, known))
}
