//! The first list of a watch, with every fault of every answer: it is reported or made up for, and what is called synced is the kernel's
//! table.

use std::time::Duration;

use futures_util::StreamExt;
use nl_core::message::NLM_F_DUMP;
use nl_core::{Connection, Protocol};
use nl_events::fdb::{FdbChange, FdbWatch};
use nl_testkit::fault::{Answer, Conversation, Played, every_fault};

use crate::support::{DEADLINE, RTM_NEWNEIGH, before, message};

/// Where there is a fault, an answer may not come.
const PATIENCE: Duration = Duration::from_millis(20);

/// A kernel whose table does not change.
fn script(request: &[u8]) -> Conversation {
    let flags =
        request.get(6..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u16::from_ne_bytes(*bytes));
    if flags & NLM_F_DUMP == NLM_F_DUMP {
        let entries = before().into_iter().map(|(mac, port)| message(RTM_NEWNEIGH, mac, port));
        let entries = entries.map(|entry| entry.answers(request).multi());
        return Conversation::of(entries.chain([Answer::done(0).answers(request)]));
    }
    // A question about one entry: NDA_LLADDR is the first attribute.
    let known =
        request.get(28 + 4 + 5).and_then(|mac| before().get_key_value(mac).map(|(mac, port)| (*mac, *port)));
    Conversation::of(match known {
        Some((mac, port)) => vec![message(RTM_NEWNEIGH, mac, port).answers(request), Answer::ack(request)],
        None => vec![Answer::error(libc::ENOENT, request)],
    })
}

/// The table once it is called synced. An error that the watch reports on the way there is one, whatever it made of it.
async fn first_table(kernel: Played) -> Result<String, String> {
    let patience = if kernel.has_fault() { PATIENCE } else { DEADLINE };
    let builder = Connection::builder(Protocol::Route).sockets_from(move || kernel.socket());
    let conn = builder.timeout(patience).open().unwrap();
    let mut watch = FdbWatch::open(&conn).await.map_err(|error| error.to_string())?;
    let mut reported = None;
    while let Some(change) = watch.next().await {
        match change {
            Ok(FdbChange::Synced) => {
                let mut table: Vec<_> =
                    watch.entries().map(|entry| (entry.mac.to_string(), entry.index)).collect();
                table.sort();
                return reported.map_or_else(|| Ok(format!("{table:?}")), Err);
            }
            Ok(_) => {}
            Err(error) => reported = Some(error.to_string()),
        }
    }
    Err(reported.unwrap_or_else(|| "the watch ended".to_owned()))
}

#[tokio::test]
async fn first_list_with_any_fault_is_the_kernels_table_or_an_error() {
    // Attributes behind `struct ndmsg`.
    let headers = |kind| (kind == RTM_NEWNEIGH).then_some(12);
    let faults = every_fault(script, headers, DEADLINE, first_table).await;
    assert!(faults.expected.is_ok(), "{faults:?}");
    assert!(faults.tried > 100 && faults.noticed > 20, "{faults:?}");
    let wrong = &faults.false_successes;
    assert!(wrong.is_empty(), "{} false successes:\n{}", wrong.len(), wrong.join("\n"));
}
