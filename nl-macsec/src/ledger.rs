//! How far each key was used, for as long as the process lives.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use nl_core::check::Invalid;

use crate::key::KeyId;
use crate::sci::Sci;
use crate::secy::Secy;

/// How many keys are remembered; the oldest is forgotten.
const MAX_KEYS: usize = 4096;

static USED: Mutex<VecDeque<Used>> = Mutex::new(VecDeque::new());

/// The lowest packet number that was not used yet with a key on a channel; `None` when all were.
struct Used {
    sci: Sci,
    key_id: KeyId,
    next: Option<u64>,
}

/// Remembers the packet numbers of the associations that send.
pub(crate) fn remember(secy: &Secy) {
    for sa in &secy.tx_sas {
        // The kernel's counter is 0 after the last one.
        note(secy.sci, sa.key_id, Some(sa.next_pn).filter(|next| *next != 0));
    }
}

/// Remembers that an association was added, which may send at once.
pub(crate) fn added(sci: Sci, key_id: KeyId, next_pn: u64) {
    note(sci, key_id, next_pn.checked_add(1));
}

/// Refuses a packet number that may have been used with the key.
pub(crate) fn check(sci: Sci, key_id: KeyId, next_pn: u64) -> Result<(), Invalid> {
    let used = USED.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(known) = used.iter().find(|used| used.sci == sci && used.key_id == key_id) else {
        return Ok(());
    };
    match known.next {
        None => Err(format!(
            "key {key_id} was used up to its last packet number by this process: use another key, or allow_reuse() if it is \
             another one with the same identifier"
        )
        .into()),
        Some(next) if next_pn < next => Err(format!(
            "packet number {next_pn} for key {key_id}, which this process has used below {next} already: next_pn({next}), or \
             allow_reuse() if it is another key with the same identifier"
        )
        .into()),
        Some(_) => Ok(()),
    }
}

/// Forgets a key, because it is another one with the same identifier.
pub(crate) fn forget(sci: Sci, key_id: KeyId) {
    let mut used = USED.lock().unwrap_or_else(PoisonError::into_inner);
    used.retain(|used| used.sci != sci || used.key_id != key_id);
}

fn note(sci: Sci, key_id: KeyId, next: Option<u64>) {
    let mut used = USED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = used.iter_mut().find(|used| used.sci == sci && used.key_id == key_id) {
        // All used up is the most.
        known.next = known.next.zip(next).map(|(a, b)| a.max(b));
        return;
    }
    if used.len() == MAX_KEYS {
        used.pop_front();
    }
    used.push_back(Used { sci, key_id, next });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packet_number_below_the_last_is_refused_for_the_same_key_and_channel() {
        let (sci, other, key) = (Sci::from_bytes([1; 8]), Sci::from_bytes([2; 8]), KeyId::new([3; 16]));
        assert!(check(sci, key, 1).is_ok());
        added(sci, key, 1);
        assert!(check(sci, key, 1).is_err());
        assert!(check(sci, key, 2).is_ok() && check(other, key, 1).is_ok());
        note(sci, key, Some(500));
        note(sci, key, Some(20));
        let why = check(sci, key, 499).unwrap_err().to_string();
        assert!(why.contains("below 500") && check(sci, key, 500).is_ok(), "{why}");
        note(sci, key, None);
        assert!(check(sci, key, u64::MAX).is_err());
        forget(sci, key);
        assert!(check(sci, key, 1).is_ok());
    }

    #[test]
    fn oldest_key_is_forgotten_first() {
        let sci = Sci::from_bytes([9; 8]);
        let id = |n: usize| {
            let mut bytes = [9; 16];
            bytes[..8].copy_from_slice(&n.to_be_bytes());
            KeyId::new(bytes)
        };
        for n in 0..=MAX_KEYS {
            added(sci, id(n), 1);
        }
        assert!(check(sci, id(0), 1).is_ok());
        assert!(check(sci, id(MAX_KEYS), 1).is_err());
        (0..=MAX_KEYS).for_each(|n| forget(sci, id(n)));
    }
}
