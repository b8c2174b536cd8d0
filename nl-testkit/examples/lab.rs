//! Two nodes on a cable, in a program rather than a test: `cargo run -p nl-testkit --example lab`.

use nl_testkit::{Lab, Result, sandbox};

fn main() -> Result {
    // Before any thread: the runtime below must be born inside.
    sandbox::enter()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let lab = Lab::new("example")?;
        let [left, right] = lab.wire("left", "right").await?;
        println!("left  has {} and {}", left.ipv4(), left.ipv6());
        println!("right has {} and {}", right.ipv4(), right.ipv6());
        println!("{}", left.ip("-brief address show").await);
        Ok(())
    })
}
