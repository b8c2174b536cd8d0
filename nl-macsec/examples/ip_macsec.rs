//! `ip macsec`: devices with their channels, associations and counters.
//!
//! ```text
//! ip_macsec show [DEV]
//! ```

use nl_core::{Connection, Protocol};
use nl_macsec::Macsec;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let macsec = Macsec::new(Connection::open(Protocol::Generic)?);
    match words.as_slice() {
        [] | ["show"] => {
            for secy in macsec.secys().list().await? {
                println!("{secy}");
            }
        }
        ["show", dev] => println!("{}", macsec.secy(*dev).get().await?),
        other => return Err(format!("`{}` is not understood", other.join(" ")).into()),
    }
    Ok(())
}
