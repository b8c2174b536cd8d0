//! `ip mptcp`, and what it cannot do: connections of the userspace path manager.
//!
//! ```text
//! ip_mptcp endpoint show
//! ip_mptcp endpoint add 192.0.2.1 dev eth1 subflow backup
//! ip_mptcp endpoint change 192.0.2.1 nobackup fullmesh
//! ip_mptcp endpoint delete 192.0.2.1
//! ip_mptcp endpoint flush
//! ip_mptcp limits show
//! ip_mptcp limits set subflows 4 add_addr_accepted 2
//! ip_mptcp monitor
//! ip_mptcp announce TOKEN 192.0.2.1 5
//! ip_mptcp withdraw TOKEN 5
//! ip_mptcp create TOKEN 192.0.2.1:0 5 198.51.100.1:443
//! ip_mptcp destroy TOKEN 192.0.2.1:40000 198.51.100.1:443
//! ```

use std::net::IpAddr;
use std::time::Duration;

use futures_util::TryStreamExt;
use nl_core::{Connection, Protocol};
use nl_mptcp::endpoint::EndpointEntry;
use nl_mptcp::{Mptcp, Token};

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mptcp = Mptcp::new(Connection::open(Protocol::Generic)?);
    match words.as_slice() {
        [] | ["endpoint"] | ["endpoint", "show"] => {
            let mut endpoints = mptcp.endpoints().list().await?;
            let route = Connection::open(Protocol::Route)?;
            while let Some(endpoint) = endpoints.try_next().await? {
                let Some(index) = endpoint.index else {
                    println!("{endpoint}");
                    continue;
                };
                match route.link(index).await {
                    Ok(link) => println!("{}", endpoint.on(&link.name)),
                    // A device that is gone has no name.
                    Err(error) if error.is_not_found() => println!("{endpoint}"),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        ["endpoint", "add", address, options @ ..] => {
            let address: IpAddr = address.parse()?;
            configured(mptcp.endpoint(address), options)?.add().await?;
        }
        ["endpoint", "change", address, options @ ..] => {
            let address: IpAddr = address.parse()?;
            configured(mptcp.endpoint(address), options)?.change().await?;
        }
        ["endpoint", "delete", address] => {
            let address: IpAddr = address.parse()?;
            mptcp.endpoint(address).delete().await?;
        }
        ["endpoint", "flush"] => drop(mptcp.endpoints().flush().await?),
        ["limits"] | ["limits", "show"] => println!("{}", mptcp.limits().get().await?),
        ["limits", "set", options @ ..] => {
            let mut limits = mptcp.limits();
            for option in options.chunks(2) {
                limits = match option {
                    ["subflows", number] => limits.subflows(number.parse()?),
                    ["add_addr_accepted", number] => limits.add_addr_accepted(number.parse()?),
                    other => return Err(format!("`{}` is not a limit", other.join(" ")).into()),
                };
            }
            limits.set().await?;
        }
        ["monitor"] => {
            let mut events = mptcp.events().await?;
            while let Some(event) = events.try_next().await? {
                println!("{event}");
            }
        }
        ["announce", token, address, id] => {
            let id: u8 = id.parse()?;
            mptcp.mptcp_connection(token.parse::<Token>()?).address(address.parse()?, id).announce().await?;
        }
        ["withdraw", token, id] => {
            mptcp.mptcp_connection(token.parse::<Token>()?).withdraw(id.parse::<u8>()?).await?;
        }
        ["create", token, local, id, remote] => {
            let connection = mptcp.mptcp_connection(token.parse::<Token>()?);
            let subflow = connection.subflow(local.parse()?, remote.parse()?).id(id.parse::<u8>()?);
            println!("{}", subflow.create_established(Duration::from_secs(5)).await?);
        }
        ["destroy", token, local, remote] => {
            let connection = mptcp.mptcp_connection(token.parse::<Token>()?);
            connection.subflow(local.parse()?, remote.parse()?).destroy().await?;
        }
        other => return Err(format!("`{}` is not understood", other.join(" ")).into()),
    }
    Ok(())
}

fn configured(
    mut endpoint: EndpointEntry,
    options: &[&str],
) -> Result<EndpointEntry, Box<dyn std::error::Error>> {
    let mut words = options.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("`{word}` wants a value"));
        endpoint = match *word {
            "dev" => endpoint.dev(*value()?),
            "id" => endpoint.id(value()?.parse::<u8>()?),
            "port" => endpoint.port(value()?.parse()?),
            "signal" => endpoint.signal(),
            "subflow" => endpoint.subflow(),
            "backup" => endpoint.backup(),
            "nobackup" => endpoint.nobackup(),
            "fullmesh" => endpoint.fullmesh(),
            "nofullmesh" => endpoint.nofullmesh(),
            "laminar" => endpoint.laminar(),
            other => return Err(format!("`{other}` is not an option of an endpoint").into()),
        };
    }
    Ok(endpoint)
}
