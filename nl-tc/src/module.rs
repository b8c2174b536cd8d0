//! Kinds whose module is being loaded.
//!
//! For a kind that it does not know, the kernel runs `modprobe` (`request_module` in `qdisc_create`, `tcf_proto_lookup_ops` and
//! `tc_action_load_ops`), looks the kind up again, and refuses it if it is still not there. If the module is being loaded for somebody
//! else, `modprobe` may return before the kind is there: that of busybox reads in `/proc/modules` that the module is present. So of two
//! programs that start at once, one gets the error that the kernel lacks the kind. Nothing was carried out then, and a little later the same
//! request succeeds.

use std::time::Duration;

use nl_core::error::{Ack, ErrorKind};
use nl_core::{Connection, Error, Pending, Request, Result};

/// How long another program's module may take, before the second attempt and before the third.
pub(crate) const PAUSES: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(100)];

/// Sends a request that may need a module. If the kernel does not have it, sends it again after each pause.
pub(crate) async fn acknowledged(conn: &Connection, request: impl Fn() -> Request) -> Result<Ack> {
    for pause in PAUSES {
        match conn.acknowledged(request()).await {
            Err(error) if is_missing(&error) => {
                // A runtime may have no timers.
                if Pending::pause(pause).await.is_err() {
                    return Err(error);
                }
            }
            outcome => return outcome,
        }
    }
    conn.acknowledged(request()).await
}

/// Whether the kernel does not have the kind of a qdisc, a filter or an action, as `message::refine` puts it.
pub(crate) fn is_missing(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unsupported { .. })
}
