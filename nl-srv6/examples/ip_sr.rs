//! `ip sr`, and what is spread over `ip route`: local SIDs with their counters, routes with segments, keys, and what is wrong.
//!
//! ```text
//! ip_sr sids
//! ip_sr routes
//! ip_sr keys
//! ip_sr tunsrc [ADDRESS]
//! ip_sr doctor
//! ```

use futures_util::TryStreamExt;
use nl_core::{Connection, Protocol};
use nl_srv6::doctor::Doctor;
use nl_srv6::hmac::HmacKeys;
use nl_srv6::routes::Srv6Routes;
use nl_srv6::sid::Sids;
use nl_srv6::tunnel_source::TunnelSource;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let route = || Connection::open(Protocol::Route);
    match words.as_slice() {
        [] | ["sids"] => {
            let mut sids = Sids::new(route()?).entries().list().await?;
            while let Some(sid) = sids.try_next().await? {
                match sid.local.counters {
                    Some(counters) => println!("{sid} {counters}"),
                    None => println!("{sid}"),
                }
            }
        }
        ["routes"] => {
            let mut routes = Srv6Routes::new(route()?).entries().list().await?;
            while let Some(route) = routes.try_next().await? {
                println!("{route}");
            }
        }
        ["keys"] => {
            let mut keys = HmacKeys::new(Connection::open(Protocol::Generic)?).list().await?;
            while let Some(key) = keys.try_next().await? {
                println!("{key}");
            }
        }
        ["tunsrc"] => {
            let source = TunnelSource::new(Connection::open(Protocol::Generic)?).get().await?;
            println!("{}", source.map_or("chosen by the kernel".to_owned(), |source| source.to_string()));
        }
        ["tunsrc", address] => {
            TunnelSource::new(Connection::open(Protocol::Generic)?).set(address.parse()?).await?;
        }
        ["doctor"] => {
            for finding in Doctor::new(route()?).examine().await? {
                println!("{finding}");
            }
        }
        other => return Err(format!("`{}` is not a command of this example", other.join(" ")).into()),
    }
    Ok(())
}
