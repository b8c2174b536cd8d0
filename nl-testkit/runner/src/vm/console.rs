//! Reading the kernel's console for what no healthy kernel says.

/// The lines that tell of a kernel in trouble.
pub(crate) fn splats(console: &str) -> Vec<String> {
    // `WARNING: CPU: 1 PID: 7 at FILE:LINE` up to 6.18, `WARNING: FILE:LINE at FUNCTION, CPU#1: COMMAND` since.
    let warns = |line: &str| {
        line.split_once("WARNING: ").is_some_and(|(_, what)| what.contains("CPU: ") || what.contains("CPU#"))
    };
    let is_splat = |line: &&str| warns(line) || SPLATS.iter().any(|splat| line.contains(splat));
    console.lines().filter(is_splat).map(|line| line.trim().to_owned()).collect()
}

/// The last lines, without the noise of the firmware.
pub(crate) fn tail(console: &str) -> String {
    let lines: Vec<&str> = console.lines().collect();
    lines.get(lines.len().saturating_sub(SHOWN)..).unwrap_or_default().join("\n")
}

const SHOWN: usize = 60;
const SPLATS: &[&str] = &[
    "BUG: ",
    "INFO: task ",
    "Kernel panic - not syncing",
    "Oops: ",
    "UBSAN: ",
    "WARNING: possible ",
    "blocked for more than",
    "detected stalls on CPUs",
    "general protection fault",
    "self-detected stall on CPU",
    "soft lockup - CPU",
    "refcount_t: ",
    "unregister_netdevice: waiting for",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_from_chatter() {
        let console = "\
[    0.1] Linux version 6.1.0
[    3.0] rcu: INFO: rcu_preempt self-detected stall on CPU
[    3.1] BUG: kernel NULL pointer dereference, address: 0000000000000000
[    3.2] WARNING: CPU: 1 PID: 7 at net/core/dev.c:1 x+0x1/0x2
[    3.2] WARNING: net/core/dev.c:1 at x+0x1/0x2, CPU#1: ip/7
[    3.3] bridge: filtering via arp/ip/ip6tables is no longer available by default
";
        assert_eq!(splats(console).len(), 4);
    }
}
