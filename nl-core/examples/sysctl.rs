//! `sysctl net.*`: reads or writes a value of this network namespace.
//!
//! ```text
//! sysctl NAME
//! sysctl NAME=VALUE
//! ```

use nl_core::sysctl::Sysctl;

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sysctl = Sysctl::current();
    for word in std::env::args().skip(1) {
        match word.split_once('=') {
            Some((name, value)) => sysctl.write(name, value)?,
            None => println!("{word} = {}", sysctl.read(&word)?.ok_or(format!("this kernel has no {word}"))?),
        }
    }
    Ok(())
}
