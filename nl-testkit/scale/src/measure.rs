//! How a number is taken: CPU time in the program and in the kernel, and memory of both.

use std::fs;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike as _};
use nl_core::{Connection, Protocol};
use nl_testkit::{Node, Result};

use crate::tables::Table;

/// Resident memory in KiB.
pub(crate) type Kib = u64;

/// How often a list is measured; the run with the middle time counts.
const RUNS: usize = 5;

/// CPU time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Of the program itself.
    pub(crate) ours: Duration,
    /// Of the kernel on the program's behalf: system calls.
    pub(crate) kernel: Duration,
}

/// A table of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) size: u32,
    /// How many entries were added since the size before.
    pub(crate) added: u32,
    /// What adding them cost.
    pub(crate) grow: Cost,
    /// What listing the whole table cost.
    pub(crate) list: Cost,
    /// How far the program's memory rose while it streamed the list.
    pub(crate) stream: Kib,
    /// How much more memory the kernel has than before the table was filled.
    pub(crate) kernel: Kib,
}

/// Fills the table step by step, and lists it at each size.
pub(crate) async fn rows(table: Table, node: &Node, largest: u32) -> Result<Vec<Row>> {
    let conn = node.open(|| Connection::open(Protocol::Route)).await?;
    let index = table.prepare(node).await?;
    // Also for what is made the first time: sockets, buffers, caches of the allocator.
    let others = table.count(&conn, index).await?;
    let empty = kernel_memory()?;
    let mut rows = Vec::new();
    let mut size = 0;
    for next in Table::sizes(largest) {
        let before = spent()?;
        table.grow(&conn, index, size, next).await?;
        let grow = since(before)?;
        let added = next - size;
        size = next;

        let mut lists = Vec::new();
        for _ in 0..RUNS {
            let before = spent()?;
            let count = table.count(&conn, index).await?;
            lists.push(since(before)?);
            if count != size + others {
                return Err(format!(
                    "{} of {size} {} were listed",
                    count.saturating_sub(others),
                    table.name()
                )
                .into());
            }
        }
        lists.sort_by_key(|cost| cost.ours + cost.kernel);
        let list = lists.get(RUNS / 2).copied().unwrap_or_default();

        // Forgets the peak so far.
        fs::write("/proc/self/clear_refs", "5")?;
        let idle = memory("VmHWM:")?;
        table.count(&conn, index).await?;
        let stream = memory("VmHWM:")?.saturating_sub(idle);
        let kernel = kernel_memory()?.saturating_sub(empty);
        rows.push(Row { size, added, grow, list, stream, kernel });
    }
    Ok(rows)
}

fn spent() -> Result<Cost> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let duration =
        |time: TimeVal| Duration::from_micros(u64::try_from(time.num_microseconds()).unwrap_or_default());
    Ok(Cost { ours: duration(usage.user_time()), kernel: duration(usage.system_time()) })
}

fn since(before: Cost) -> Result<Cost> {
    let now = spent()?;
    let ours = now.ours.saturating_sub(before.ours);
    Ok(Cost { ours, kernel: now.kernel.saturating_sub(before.kernel) })
}

/// A line of this process's status.
fn memory(name: &str) -> Result<Kib> {
    line(&fs::read_to_string("/proc/self/status")?, name)
}

/// What the kernel has for itself: its small objects, those of each CPU, and its large tables.
fn kernel_memory() -> Result<Kib> {
    let info = fs::read_to_string("/proc/meminfo")?;
    let mut sum = 0;
    for name in ["Slab:", "Percpu:", "VmallocUsed:"] {
        sum += line(&info, name)?;
    }
    Ok(sum)
}

fn line(text: &str, name: &str) -> Result<Kib> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(number.ok_or_else(|| format!("no line {name}"))?.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel_are_read() {
        assert_eq!(line("Slab:           1024 kB\nPercpu:  7 kB\n", "Percpu:").unwrap(), 7);
        assert!(line("Slab: 1024 kB", "Other:").is_err());
        assert!(kernel_memory().unwrap() > 0 && memory("VmHWM:").unwrap() > 0);
    }

    #[test]
    fn time_that_is_spent_is_counted() {
        let before = spent().unwrap();
        while since(before).unwrap() == Cost::default() {
            std::hint::black_box((0..10_000_u64).sum::<u64>());
        }
    }
}
