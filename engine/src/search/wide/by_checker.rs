//! Searches on inputs by the checker's own steps (`checked.rs`): when they are made, under which semantics, and what follows where they do
//! not decide.

use std::time::Instant;

use super::*;

/// Parts of a search by the checker's steps before it is asked whether the real network alone would be easier.
const SHORT: u64 = 128;
/// This part of the time is left for the engine's own search, should the checker's steps not decide.
const LAST_PART: u32 = 4;

impl Root<'_> {
    /// Branch and bound on inputs by the checker's own steps, where it reads the network: from the root, or from the open nodes of what is
    /// recorded already.
    pub(super) fn decide_checked(&self, record: Record, statistics: &mut Statistics) -> Option<CaseOutcome> {
        let read = self.solver.config.record.as_ref()?.read().ok()?;
        let stop = || self.solver.stopped();
        let (check, attack) = self.looking();
        let splits = self.varying() <= MOST_SPLIT_INPUTS;
        let method =
            Checked::new((read, record.case), (self.network, self.semantics), self.probe(&check, &attack), record.log, splits, &stop)?;
        let starts = method.starts()?;
        let shown = 1.0 - starts.iter().map(|part| method.share(part)).sum::<f64>();
        let (config, observer) = (self.solver.config, self.solver.observer);
        let deadline = self.solver.deadline.map(|end| end - end.saturating_duration_since(Instant::now()) / LAST_PART);
        let mut result = tree::search_some(&method, starts, 0, SHORT, config, deadline, observer);
        if result.end == End::Paused {
            if config.semantics == SemanticsChoice::Auto && self.semantics == Semantics::Both && self.is_plain_as_real(record) {
                let why = "both: the whole box is open only for the deployed network's rounding, and splitting it does not help soon";
                return Some(CaseOutcome::Open(Reason::Precision(why.into()), Some(result.worst)));
            }
            let rest = tree::search_some(&method, std::mem::take(&mut result.open), result.steps, u64::MAX, config, deadline, observer);
            let (steps, proved, margin) = (result.steps + rest.steps, result.proved + rest.proved, result.margin.min(rest.margin));
            let stuck = result.stuck.into_iter().chain(rest.stuck).collect();
            result = tree::Result { steps, proved, margin, stuck, ..rest };
        }
        if result.end == End::Done && !result.stuck.is_empty() && !splits && !self.solver.stopped() {
            return None;
        }
        statistics.method = if result.steps > 1 { "branch and bound on inputs" } else { "bounds of the whole box" }.into();
        let outcome = self.ended(result, f64::INFINITY, statistics);
        statistics.proved += shown;
        Some(self.without_a_record(outcome, record, statistics))
    }

    /// Where the checker's steps have not decided in their part of the time, the engine's own search may; there is no certificate then, but
    /// what the user asked is answered.
    fn without_a_record(&self, outcome: CaseOutcome, record: Record, statistics: &mut Statistics) -> CaseOutcome {
        if !matches!(outcome, CaseOutcome::Open(Reason::Timeout, _)) || self.solver.stopped() || self.solver.begun.is_some() {
            return outcome;
        }
        let mut own = Statistics::default();
        let decided = self.decide(&mut own);
        statistics.subproblems += own.subproblems;
        if matches!(decided, CaseOutcome::Open(..)) {
            return outcome;
        }
        if matches!(decided, CaseOutcome::Proved(_)) {
            // Rounded down: a part that is open must not look like none.
            let share = (1e4 * statistics.proved).floor() / 100.0;
            record.log.fail(format!(
                "in three quarters of the time the checker's own steps proved {share} % of the input set; the engine's bounds prove it all"
            ));
        }
        statistics.method = own.method;
        decided
    }

    /// True if the checker's bounds of the whole box decide for the real network.
    fn is_plain_as_real(&self, record: Record) -> bool {
        let Some(Ok(read)) = self.solver.config.record.as_ref().map(|files| files.read()) else { return false };
        let (stop, log) = (|| self.solver.stopped(), Log::default());
        let (check, attack) = self.looking();
        let probe = Probe { look: false, ..self.probe(&check, &attack) };
        let Some(method) = Checked::new((read, record.case), (self.network, Semantics::Real), probe, &log, false, &stop) else {
            return false;
        };
        let root = method.starts().and_then(|mut parts| parts.pop());
        root.is_some_and(|root| matches!(method.bound(root, false, &mut method.workspace()), tree::Step::Closed { .. }))
    }
}
