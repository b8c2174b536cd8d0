use std::collections::{HashMap, VecDeque};

use crate::Token;
use crate::path_manager::plan::Decision;

/// Waiting and running decisions: one runs at a time for each connection, `max_in_flight` in all.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) next: u64,
    pub(super) max_in_flight: usize,
    pub(super) waiting: HashMap<Token, VecDeque<(u64, Decision)>>,
    /// Connections without a running decision.
    pub(super) ready: VecDeque<Token>,
    pub(super) running: HashMap<u64, Decision>,
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

    pub(super) fn finished(&mut self, number: u64) -> Option<Decision> {
        let decision = self.running.remove(&number)?;
        if self.waiting.contains_key(&decision.token()) {
            self.ready.push_back(decision.token());
        }
        Some(decision)
    }

    /// Drops the waiting decisions about a connection, and returns them.
    pub(super) fn forget(&mut self, token: Token) -> Vec<Decision> {
        self.ready.retain(|other| *other != token);
        let waiting = self.waiting.remove(&token).unwrap_or_default();
        waiting.into_iter().map(|(_, decision)| decision).collect()
    }
}
