//! `bridge mst`: the state of ports in each multiple spanning tree instance.
//!
//! ```text
//! bridge_mst show [dev PORT]
//! bridge_mst set dev PORT msti NUMBER state { disabled | listening | learning | forwarding | blocking }
//! ```

use nl_bridge::mst::{Mst, StpState};
use nl_core::{Connection, Protocol};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mst = Mst::new(Connection::open(Protocol::Route)?);
    match words.as_slice() {
        [] | ["show"] => {
            mst.entries().list().await?.collect_all().await?.iter().for_each(|it| println!("{it}"))
        }
        ["show", "dev", port] => {
            let list = mst.entries().dev(*port).list().await?;
            list.collect_all().await?.iter().for_each(|entry| println!("{entry}"));
        }
        ["set", "dev", port, "msti", number, "state", state] => {
            let state = match *state {
                "disabled" => StpState::Disabled,
                "listening" => StpState::Listening,
                "learning" => StpState::Learning,
                "forwarding" => StpState::Forwarding,
                "blocking" => StpState::Blocking,
                other => return Err(format!("`{other}` is not a state").into()),
            };
            mst.entry(*port, number.parse()?).state(state).set().await?;
        }
        other => return Err(format!("`{}` is not understood", other.join(" ")).into()),
    }
    Ok(())
}
