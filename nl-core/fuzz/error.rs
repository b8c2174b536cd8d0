// What must hold for any bytes that are taken for verdicts, and for what explains them.

use nl_core::attr::Attrs;
use nl_core::error::{ExtAck, decode_done, decode_error};
use nl_core::message::{MessageRef, NLM_F_ACK_TLVS, NLM_F_CAPPED};

use super::messages::each_message;

/// `NLMSG_ERROR`, `NLMSG_DONE`
const KINDS: [u16; 2] = [2, 3];

pub(crate) fn check(data: &[u8]) {
    each_message(data, &KINDS, |message| {
        for flags in [message.flags(), 0, NLM_F_ACK_TLVS, NLM_F_ACK_TLVS | NLM_F_CAPPED] {
            check_verdicts(message, flags);
        }
    });
    if let Ok(ack) = ExtAck::decode(Attrs::new(data)) {
        let _ = ack.policy.map(|policy| policy.to_string());
    }
}

/// The code decides, whatever explains it.
fn check_verdicts(message: MessageRef<'_>, flags: u16) {
    let payload = message.payload();
    let code = payload.first_chunk().map(|code| i32::from_ne_bytes(*code));
    let [refused, done] = [decode_error(flags, payload), decode_done(flags, payload)];
    assert_eq!(
        (refused.is_err(), done.is_err()),
        (code.is_none_or(|code| code < 0), code.is_some_and(|code| code < 0))
    );
    for error in [refused.err(), done.err()].into_iter().flatten() {
        assert!(!error.to_string().is_empty());
        assert_eq!(error.errno().map(|errno| errno.get()), code.map(i32::saturating_neg));
        let _ = (error.is_not_found(), error.is_exists(), error.is_permission(), format!("{error:?}"));
    }
}
