//! `ip rule`: which packets are routed by which table.
//!
//! ```text
//! ip_rule show
//! ip_rule { add | delete } from PREFIX table TABLE priority NUMBER
//! ```

use futures_util::TryStreamExt;
use nl_core::rule::Rules;
use nl_core::{Connection, IpFamily, IpPrefix, Protocol};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let rules = Rules::new(Connection::open(Protocol::Route)?);
    match words.as_slice() {
        [] | ["show"] => {
            let mut list = rules.entries().list().await?;
            while let Some(rule) = list.try_next().await? {
                println!("{rule}");
            }
        }
        [verb @ ("add" | "delete"), "from", prefix, "table", table, "priority", priority] => {
            let prefix: IpPrefix = prefix.parse()?;
            let rule = rules.entry(IpFamily::of(&prefix.addr())).from(prefix);
            let rule = rule.table(table.parse()?).priority(priority.parse()?);
            if *verb == "add" {
                rule.add().await?
            } else {
                rule.delete().await?
            };
        }
        other => return Err(format!("`{}` is not understood", other.join(" ")).into()),
    }
    Ok(())
}
