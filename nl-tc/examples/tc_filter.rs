//! `tc filter`: which packets go into which class.
//!
//! ```text
//! tc_filter show dev DEV parent ID
//! tc_filter add dev DEV parent ID prio NUMBER matchall classid ID
//! tc_filter add dev DEV parent ID prio NUMBER handle MARK fw classid ID
//! tc_filter flush dev DEV parent ID
//! ```

use futures_util::TryStreamExt;
use nl_core::{Connection, Protocol};
use nl_tc::filter::{Fw, Matchall};
use nl_tc::{Tc, TcHandle};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let tc = Tc::new(Connection::open(Protocol::Route)?);
    match words.as_slice() {
        ["show", "dev", dev, "parent", parent] => {
            let mut list = tc.filters(*dev, parent.parse()?).list().await?;
            while let Some(filter) = list.try_next().await? {
                println!("{filter}");
            }
        }
        ["add", "dev", dev, "parent", parent, "prio", priority, what @ ..] => {
            let filter = tc.filter(*dev, parent.parse()?).priority(priority.parse()?);
            match what {
                ["matchall", "classid", class] => {
                    filter.add(Matchall::new(class.parse::<TcHandle>()?)).await?;
                }
                ["handle", mark, "fw", "classid", class] => {
                    filter.handle(mark.parse()?).add(Fw::new(class.parse::<TcHandle>()?)).await?;
                }
                other => return Err(format!("`{}` is not a filter of this example", other.join(" ")).into()),
            }
        }
        ["flush", "dev", dev, "parent", parent] => drop(tc.filters(*dev, parent.parse()?).flush().await?),
        other => return Err(format!("`{}` is not understood", other.join(" ")).into()),
    }
    Ok(())
}
