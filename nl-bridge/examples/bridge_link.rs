//! `bridge link`: the ports of bridges.
//!
//! ```text
//! bridge_link show [dev DEV]
//! bridge_link set dev DEV { learning | flood | isolated | neigh_suppress } { on | off }
//! ```

use futures_util::TryStreamExt;
use nl_bridge::settings::Ports;
use nl_core::{Connection, Protocol};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ports = Ports::new(Connection::open(Protocol::Route)?);
    match words.as_slice() {
        [] | ["show"] => {
            let mut list = ports.ports().list().await?;
            while let Some(port) = list.try_next().await? {
                println!("{port}");
            }
        }
        ["show", "dev", dev] => println!("{}", ports.port(*dev).get().await?),
        ["set", "dev", dev, option, value @ ("on" | "off")] => {
            let (port, on) = (ports.port(*dev), *value == "on");
            let port = match *option {
                "learning" => port.learning(on),
                "flood" => port.flood(on),
                "isolated" => port.isolated(on),
                "neigh_suppress" => port.neigh_suppress(on),
                other => return Err(format!("`{other}` is not an option of this example").into()),
            };
            port.set().await?;
        }
        other => return Err(format!("`{}` is not understood", other.join(" ")).into()),
    }
    Ok(())
}
