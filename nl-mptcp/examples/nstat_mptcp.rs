//! `nstat -a -z` for Multipath TCP: the counters of this network namespace, those that are not 0 or all of them.
//!
//! ```text
//! nstat_mptcp [all]
//! ```

use nl_mptcp::mib::Mib;

pub(crate) fn main() -> nl_core::Result<()> {
    let all = std::env::args().nth(1).is_some_and(|word| word == "all");
    for (name, value) in Mib::read()?.iter().filter(|(_, value)| all || *value != 0) {
        println!("{name} {value}");
    }
    Ok(())
}
