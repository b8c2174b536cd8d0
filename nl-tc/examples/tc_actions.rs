//! `tc actions`: actions that filters share.
//!
//! ```text
//! tc_actions { ls | flush } action KIND
//! tc_actions add action { pass | drop } index INDEX
//! tc_actions delete action KIND index INDEX
//! ```

use futures_util::TryStreamExt;
use nl_core::{Connection, Protocol};
use nl_tc::Tc;
use nl_tc::action::Action;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let tc = Tc::new(Connection::open(Protocol::Route)?);
    match words.as_slice() {
        ["ls", "action", kind] => {
            let mut list = tc.actions(*kind).list().await?;
            while let Some(action) = list.try_next().await? {
                println!("{action}");
            }
        }
        ["flush", "action", kind] => drop(tc.actions(*kind).flush().await?),
        ["add", "action", what @ ("pass" | "drop"), "index", index] => {
            let action = if *what == "drop" { Action::drop() } else { Action::pass() };
            tc.action(action.index(index.parse()?)).add().await?;
        }
        ["delete", "action", kind, "index", index] => {
            tc.action(Action::at(kind, index.parse()?)).delete().await?;
        }
        other => return Err(format!("`{}` is not understood", other.join(" ")).into()),
    }
    Ok(())
}
