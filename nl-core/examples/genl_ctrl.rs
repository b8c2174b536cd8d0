//! `genl ctrl`: the number, the version and the multicast groups of a generic netlink family.
//!
//! ```text
//! genl_ctrl get name NAME
//! ```

use nl_core::{Connection, Protocol};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let conn = Connection::open(Protocol::Generic)?;
    match words.as_slice() {
        ["get", "name", name] => {
            let family = conn.family(name).await?;
            println!("{} id {} version {}", family.name, family.id, family.version);
            for (group, number) in &family.groups {
                println!("    group {group} {number}");
            }
        }
        other => return Err(format!("`{}` is not understood", other.join(" ")).into()),
    }
    Ok(())
}
