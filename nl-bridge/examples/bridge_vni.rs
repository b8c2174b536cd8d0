//! `bridge vni`: which VNIs a VXLAN device receives.
//!
//! ```text
//! bridge_vni show [dev DEV]
//! bridge_vni { add | delete } vni { VNI | FIRST-LAST } dev DEV
//! ```

use nl_bridge::VniRange;
use nl_bridge::vni::Vnis;
use nl_core::{Connection, Protocol};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let vnis = Vnis::new(Connection::open(Protocol::Route)?);
    match words.as_slice() {
        [] | ["show"] => {
            let list = vnis.entries().list().await?;
            list.collect_all().await?.iter().for_each(|entry| println!("{entry}"));
        }
        ["show", "dev", dev] => {
            let list = vnis.entries().dev(*dev).list().await?;
            list.collect_all().await?.iter().for_each(|entry| println!("{entry}"));
        }
        [verb @ ("add" | "delete"), "vni", range, "dev", dev] => {
            let entry = vnis.entry(*dev, range.parse::<VniRange>()?);
            if *verb == "add" {
                entry.add().await?
            } else {
                entry.delete().await?
            };
        }
        other => return Err(format!("`{}` is not understood", other.join(" ")).into()),
    }
    Ok(())
}
