//! What can be made of accepted certificates: how much room they leave, shorter ones, and one of several.

use std::io;
use std::sync::Arc;

use checker::Semantics;
use checker::certificate::{Container, Kind};
use checker::exact::Rational;

use super::{CertifyError, Read, Subject, error};
use crate::proof::{Log, NodeId, Proof};

/// A certificate made of others.
#[derive(Clone, Debug)]
pub struct Revised {
    /// Its bytes; the checker accepts them.
    pub certificate: Vec<u8>,
    /// What it shows, in words.
    pub shown: String,
    /// Nodes of the trees that it was made of, and of its own.
    pub nodes: (usize, usize),
}

/// Nodes of a tree of so many disjuncts, with steps that may close them.
type Candidates<'a> = dyn Fn(&Log, usize) -> io::Result<Vec<(NodeId, Vec<u8>)>> + 'a;

/// Room is looked for between these powers of two.
const SCALES: std::ops::RangeInclusive<i32> = -40..=40;
/// Bits of the room that is found.
const BITS: usize = 8;

impl Subject {
    /// By how much all conditions on outputs could be stricter (their constants moved) with the same certificate still accepted: a
    /// number that was tried, at most a 256th below the greatest one if acceptance is monotone. None for other certificates than whole proofs.
    pub fn room(&self, certificate: &[u8], threads: usize) -> Result<Option<f64>, CertifyError> {
        let container = Container::read(certificate).map_err(|fault| error(fault.reason))?;
        if container.kind != Kind::Proof || container.partial {
            return Ok(None);
        }
        let read = self.for_checker().map_err(error)?;
        let accepts = |room: f64| accepts_with_room(read, container.semantics, certificate, room, threads);
        if !accepts(0.0) {
            return Ok(None);
        }
        let Some(most) = SCALES.rev().map(|k| 2f64.powi(k)).find(|&room| accepts(room)) else { return Ok(Some(0.0)) };
        let (mut least, mut step) = (most, most);
        for _ in 0..BITS {
            step *= 0.5;
            if accepts(least + step) {
                least += step;
            }
        }
        Ok(Some(least))
    }

    /// One certificate of several about this subject, with sibling leaves that one of them closes alone made one.
    pub fn revise(&self, certificates: &[Vec<u8>], trim: bool, threads: usize) -> Result<Revised, CertifyError> {
        let read = self.for_checker().map_err(error)?;
        let proofs: Vec<Proof> = certificates.iter().map(|bytes| self.proof_of(read, bytes)).collect::<Result<_, _>>()?;
        let before = proofs.iter().map(nodes).sum();
        let mut proofs = proofs.into_iter();
        let mut proof = proofs.next().ok_or_else(|| error("no certificate is given"))?;
        for other in proofs {
            proof = join(read, &proof, &other)?;
        }
        if trim {
            (0..proof.trees.len()).try_for_each(|case| read.replay(&proof, case, true, threads).map(|_| ()))?;
        }
        let accepted = self.accept_what_holds(read, &mut proof, threads)?;
        if trim {
            let fuse = |second: bool| self.shorten(read, &proof, &|tree, count| tree.fusible(count, second), threads);
            while fuse(false)? + fuse(true)? > 0 {}
            self.shorten(read, &proof, &Log::lighter, threads)?;
        }
        let shown = super::words(proof.semantics, &accepted);
        Ok(Revised { certificate: self.bytes(&proof)?, shown, nodes: (before, nodes(&proof)) })
    }

    fn proof_of(&self, read: &Read, certificate: &[u8]) -> Result<Proof, CertifyError> {
        let container = Container::read(certificate).map_err(|fault| error(format!("byte {}: {}", fault.at, fault.reason)))?;
        if (container.network, container.query) != self.hashes {
            return Err(error("a certificate is about another network or query"));
        }
        if container.kind != Kind::Proof {
            return Err(error("only proofs by branch and bound can be joined and trimmed"));
        }
        let mut proof =
            Proof::read(container.semantics, container.payload, &disjuncts(read), &read.lens().map_err(error)?).map_err(super::unread)?;
        proof.partial = container.partial;
        Ok(proof)
    }

    /// Opens what the checker rejects, until it accepts the rest.
    fn accept_what_holds(&self, read: &Read, proof: &mut Proof, threads: usize) -> Result<checker::Accepted, CertifyError> {
        proof.partial = true;
        loop {
            let (accepted, rejected) = self.rejected(read, proof, threads)?;
            if rejected.is_empty() {
                proof.partial = accepted.proved < 1.0;
                return Ok(accepted);
            }
            super::reopen(read, proof, &rejected, threads)?;
        }
    }

    /// Tries to close nodes by other steps than they have; gives how many could be.
    fn shorten(&self, read: &Read, proof: &Proof, candidates: &Candidates, threads: usize) -> Result<usize, CertifyError> {
        let mut tried = Vec::new();
        for (tree, disjuncts) in proof.trees.iter().zip(disjuncts(read)) {
            let candidates = candidates(tree, disjuncts).map_err(super::unmade)?;
            let own: Vec<_> = candidates.iter().map(|(node, _)| (*node, tree.taken(*node))).collect();
            candidates.iter().for_each(|(node, steps)| tree.end(*node, steps));
            tried.push(own);
        }
        let only: Vec<Vec<NodeId>> = tried.iter().map(|own| own.iter().map(|(node, _)| *node).collect()).collect();
        let mut left: usize = only.iter().map(Vec::len).sum();
        if left == 0 {
            return Ok(0);
        }
        for rejection in self.rejected_of(read, proof, &only, threads)? {
            let tree = &proof.trees[rejection.case];
            let node = tree.node_at(&rejection.path);
            if let Some((node, entry)) = tried[rejection.case].iter().find(|(n, _)| Some(*n) == node) {
                tree.put_back(*node, *entry);
                left -= 1;
            }
        }
        Ok(left)
    }
}

fn disjuncts(read: &Read) -> Vec<usize> {
    read.query.cases.iter().map(|case| case.disjuncts.len()).collect()
}

fn join(read: &Read, proof: &Proof, other: &Proof) -> Result<Proof, CertifyError> {
    if proof.semantics != other.semantics {
        return Err(error(format!("one certificate is about `{}`, another about `{}`", proof.semantics.word(), other.semantics.word())));
    }
    let trees = proof.trees.iter().zip(&other.trees).zip(disjuncts(read)).map(|((a, b), count)| a.join(b, count).map(Arc::new));
    Ok(Proof { trees: trees.collect::<Result<_, _>>().map_err(super::unmade)?, ..proof.clone() })
}

fn nodes(proof: &Proof) -> usize {
    proof.trees.iter().map(|tree| tree.reached()).sum()
}

fn accepts_with_room(read: &Read, semantics: Semantics, certificate: &[u8], room: f64, threads: usize) -> bool {
    let Some(room) = Rational::from_f64(room) else { return false };
    let mut query = read.query.clone();
    let constraints = query.cases.iter_mut().flat_map(|case| case.disjuncts.iter_mut().flatten());
    constraints.filter(|c| !c.outputs.is_empty()).for_each(|c| c.constant = c.constant.plus(&room));
    checker::check(&read.network, &query, semantics, certificate, threads).is_ok()
}
