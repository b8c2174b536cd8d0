//! `ip route`: routes and look-ups.
//!
//! ```text
//! ip_route show [table TABLE]
//! ip_route { add | append | replace | delete } PREFIX [via ADDRESS] [dev DEV] [metric NUMBER] [table TABLE]
//! ip_route get ADDRESS
//! ```

use futures_util::TryStreamExt;
use nl_core::route::{RouteEntries, RouteEntry, Routes};
use nl_core::{Connection, Protocol};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let routes = Routes::new(Connection::open(Protocol::Route)?);
    match words.as_slice() {
        [] | ["show"] => show(routes.entries()).await?,
        ["show", "table", table] => show(routes.entries().table(table.parse()?)).await?,
        ["get", address] => println!("{}", routes.resolve(address.parse()?).get().await?),
        ["add", prefix, options @ ..] => {
            configured(routes.entry(prefix.parse()?), options)?.add().await?;
        }
        ["append", prefix, options @ ..] => {
            configured(routes.entry(prefix.parse()?), options)?.append().await?;
        }
        ["replace", prefix, options @ ..] => {
            configured(routes.entry(prefix.parse()?), options)?.replace().await?;
        }
        ["delete", prefix, options @ ..] => {
            configured(routes.entry(prefix.parse()?), options)?.delete().await?;
        }
        other => return Err(format!("`{}` is not understood", other.join(" ")).into()),
    }
    Ok(())
}

async fn show(entries: RouteEntries) -> nl_core::Result<()> {
    let mut list = entries.list().await?;
    while let Some(route) = list.try_next().await? {
        println!("{route}");
    }
    Ok(())
}

fn configured(mut route: RouteEntry, options: &[&str]) -> Result<RouteEntry, Box<dyn std::error::Error>> {
    let mut words = options.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().copied().ok_or(format!("`{word}` wants a value"));
        route = match *word {
            "via" => route.via(value()?.parse()?),
            "dev" => route.dev(value()?),
            "metric" => route.metric(value()?.parse()?),
            "table" => route.table(value()?.parse()?),
            other => return Err(format!("`{other}` is not an option of this example").into()),
        };
    }
    Ok(route)
}
