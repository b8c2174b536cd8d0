//! The iproute2 that belongs to the running kernel's distribution.

use std::path::Path;

/// The command for a program of the kernel's own iproute2, such as `tc`.
///
/// In a virtual machine of `testkit` the programs on the search path are Debian's newest, and those of the suite that the kernel
/// comes from are in `/usr/native/bin`. Elsewhere both are the program on the search path.
///
/// ```no_run
/// # async fn example(node: nl_testkit::Node) {
/// use nl_testkit::native_iproute2;
///
/// let shown = node.command([native_iproute2("bridge").as_str(), "-j", "fdb", "show"]).await.ok();
/// # }
/// ```
#[must_use]
pub fn native_iproute2(program: &str) -> String {
    let native = format!("{FOLDER}/{program}");
    if Path::new(&native).is_file() { native } else { program.to_owned() }
}

const FOLDER: &str = "/usr/native/bin";
