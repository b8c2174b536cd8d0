use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;

use crate::Token;
use crate::path_manager::plan::Decision;
use crate::path_manager::table::{SubflowPhase, SubflowState};

/// Waiting and running decisions: one runs at a time for each connection, `max_in_flight` in all.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) next: u64,
    pub(super) max_in_flight: usize,
    pub(super) waiting: HashMap<Token, VecDeque<(u64, Decision)>>,
    /// Connections without a running decision.
    pub(super) ready: VecDeque<Token>,
    pub(super) running: HashMap<u64, Decision>,
    /// Those of both kinds whose outcome an event has reported.
    pub(super) reported: HashSet<u64>,
}

impl Work {
    pub(super) fn add(&mut self, number: u64, decision: Decision) {
        let token = decision.token();
        let queue = self.waiting.entry(token).or_default();
        queue.push_back((number, decision));
        if queue.len() == 1 && !self.is_running(token) {
            self.ready.push_back(token);
        }
    }

    fn is_running(&self, token: Token) -> bool {
        self.running.values().any(|decision| decision.token() == token)
    }

    pub(super) fn start(&mut self) -> Option<(u64, Decision)> {
        while self.running.len() < self.max_in_flight {
            let token = self.ready.pop_front()?;
            // The connection may have been closed meanwhile.
            let Some(queue) = self.waiting.get_mut(&token) else { continue };
            let next = queue.pop_front();
            if queue.is_empty() {
                self.waiting.remove(&token);
            }
            if let Some((number, decision)) = next {
                self.running.insert(number, decision.clone());
                return Some((number, decision));
            }
        }
        None
    }

    /// An event is about this subflow, which is as it was before: if it is one that a decision creates, the event is its outcome.
    pub(super) fn reported(&mut self, subflow: &SubflowState) {
        if let SubflowPhase::Planned(number) = subflow.phase
            && subflow.decided
        {
            self.reported.insert(number);
        }
    }

    /// The decision that has run, and whether its outcome was reported.
    pub(super) fn finished(&mut self, number: u64) -> Option<(Decision, bool)> {
        let decision = self.running.remove(&number)?;
        if self.waiting.contains_key(&decision.token()) {
            self.ready.push_back(decision.token());
        }
        Some((decision, self.reported.remove(&number)))
    }

    /// Whether a decision about the backup flag of this subflow waits.
    pub(super) fn sets_backup(&self, token: Token, ends: (SocketAddr, SocketAddr)) -> bool {
        self.backup_waiting(token, ends).is_some()
    }

    /// Drops the waiting decisions about the backup flag of this subflow, and returns them.
    pub(super) fn forget_backup(&mut self, token: Token, ends: (SocketAddr, SocketAddr)) -> Vec<Decision> {
        let mut dropped = Vec::new();
        while let Some(number) = self.backup_waiting(token, ends) {
            dropped.extend(self.withdraw(token, number));
        }
        dropped
    }

    fn backup_waiting(&self, token: Token, ends: (SocketAddr, SocketAddr)) -> Option<u64> {
        let is = |decision: &Decision| matches!(decision, Decision::SetBackup { local, remote, .. } if (*local, *remote) == ends);
        let (number, _) = self.waiting.get(&token)?.iter().find(|(_, decision)| is(decision))?;
        Some(*number)
    }

    /// Drops a waiting decision, and returns it.
    pub(super) fn withdraw(&mut self, token: Token, number: u64) -> Option<Decision> {
        let queue = self.waiting.get_mut(&token)?;
        let at = queue.iter().position(|(other, _)| *other == number)?;
        let (_, decision) = queue.remove(at)?;
        if queue.is_empty() {
            self.waiting.remove(&token);
            self.ready.retain(|other| *other != token);
        }
        Some(decision)
    }

    /// Drops the waiting decisions about a connection, and returns those without an outcome.
    pub(super) fn forget(&mut self, token: Token) -> Vec<Decision> {
        self.ready.retain(|other| *other != token);
        let waiting = self.waiting.remove(&token).unwrap_or_default();
        let reported = &mut self.reported;
        waiting
            .into_iter()
            .filter(|(number, _)| !reported.remove(number))
            .map(|(_, decision)| decision)
            .collect()
    }
}
