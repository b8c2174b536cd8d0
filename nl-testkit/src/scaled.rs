use std::env;

/// A large number of things, divided where the machine is emulated.
///
/// `NL_TESTKIT_SCALE` is the divisor, 1 where it is not set. [`nl-testkit-runner`](https://docs.rs/nl-testkit-runner) sets it in a virtual
/// machine without KVM. `least` is what a test needs in order to prove anything.
///
/// ```
/// // 20,000 natively, 1,000 where `NL_TESTKIT_SCALE` is 20.
/// let routes = nl_testkit::scaled(20_000, 200);
/// assert!((200..=20_000).contains(&routes));
/// ```
pub fn scaled(number: u32, least: u32) -> u32 {
    let divisor = env::var("NL_TESTKIT_SCALE").ok().and_then(|divisor| divisor.parse().ok()).unwrap_or(1);
    (number / u32::max(divisor, 1)).max(least)
}
