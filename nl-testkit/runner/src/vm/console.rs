//! Reading the kernel's console for what no healthy kernel says.

/// The lines that a kernel in trouble prints.
pub(crate) fn splats(console: &str) -> Vec<String> {
    // `WARNING: CPU: 1 PID: 7 at FILE:LINE` up to 6.18, `WARNING: FILE:LINE at FUNCTION, CPU#1: COMMAND` since.
    let warns = |line: &str| {
        line.split_once("WARNING: ").is_some_and(|(_, what)| what.contains("CPU: ") || what.contains("CPU#"))
    };
    let is_splat = |line: &str| warns(line) || SPLATS.iter().any(|splat| line.contains(splat));
    let before = std::iter::once("").chain(console.lines());
    let known = |before: &str| KNOWN.iter().any(|reason| before.contains(reason));
    let splats = before.zip(console.lines()).filter(|(before, line)| is_splat(line) && !known(before));
    splats.map(|(_, line)| line.trim().to_owned()).collect()
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

/// Warnings without a cause, by the line before them.
const KNOWN: &[&str] = &[
    // Linux 6.1, once, when a u32 filter is changed, also by `tc`: the check of copies takes the keys behind the structure, for
    // which there is room, for what does not belong to it.
    "detected field-spanning write (size 32) of single field \"&new->sel\" at net/sched/cls_u32.c",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_distinguished_from_chatter() {
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

    #[test]
    fn warning_without_a_cause_is_known_by_the_line_before() {
        let warning =
            "[  909.7] WARNING: CPU: 1 PID: 7 at net/sched/cls_u32.c:870 u32_change+0xa8b/0xeb2 [cls_u32]";
        let field = |field: &str| {
            format!(
                "[  909.7] memcpy: detected field-spanning write (size 32) of single field \"{field}\" at \
                 net/sched/cls_u32.c:870 (size 16)\n{warning}"
            )
        };
        assert_eq!(splats(&field("&new->sel")), Vec::<String>::new());
        assert_eq!(splats(&field("&new->mark")), [warning]);
        assert_eq!(splats(&format!("{}\n{warning}", field("&new->sel"))), [warning]);
    }
}
