//! How a number is taken: a stopwatch for CPU and wall time, peak memory, medians.

use std::fs;
use std::io;
use std::ops::AddAssign;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::{Result, sys};

/// What one run of one operation cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// User plus system time.
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.cpu += other.cpu;
        self.wall += other.wall;
    }
}

/// Runs from `start` to `stop`; charges what this process used, the kernel's work for it included.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    usage: fn() -> io::Result<Duration>,
    cpu: Duration,
    wall: Instant,
}

impl Stopwatch {
    pub(crate) fn start() -> Result<Self> {
        Self::of(sys::cpu_of_this_process)
    }

    /// Charges the calling thread only, on which it must be stopped.
    pub(crate) fn of_this_thread() -> Result<Self> {
        Self::of(sys::cpu_of_this_thread)
    }

    fn of(usage: fn() -> io::Result<Duration>) -> Result<Self> {
        Ok(Self { usage, cpu: usage()?, wall: Instant::now() })
    }

    pub(crate) fn stop(self) -> Result<Cost> {
        let wall = self.wall.elapsed();
        Ok(Cost { cpu: (self.usage)()?.saturating_sub(self.cpu), wall })
    }
}

/// Runs a child to its end; charges the child, from its fork to its exit.
///
/// # Errors
///
/// When it cannot be started or does not exit with 0.
pub(crate) fn child(command: &mut Command) -> Result<Cost> {
    let cpu = sys::cpu_of_children()?;
    let wall = Instant::now();
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    let wall = wall.elapsed();
    if !status.success() {
        return Err(format!("{command:?}: {status}").into());
    }
    Ok(Cost { cpu: sys::cpu_of_children()?.saturating_sub(cpu), wall })
}

/// [`child`], with what it says where it does not exit with 0.
pub(crate) fn child_that_may_fail(command: &mut Command) -> Result<(Cost, Option<String>)> {
    let cpu = sys::cpu_of_children()?;
    let wall = Instant::now();
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let wall = wall.elapsed();
    let cost = Cost { cpu: sys::cpu_of_children()?.saturating_sub(cpu), wall };
    let said = (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned());
    Ok((cost, said))
}

/// [`child`], with what it prints.
pub(crate) fn child_with_output(command: &mut Command) -> Result<(Cost, String)> {
    let cpu = sys::cpu_of_children()?;
    let wall = Instant::now();
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let wall = wall.elapsed();
    if !output.status.success() {
        return Err(format!("{command:?}: {}", output.status).into());
    }
    let cost = Cost { cpu: sys::cpu_of_children()?.saturating_sub(cpu), wall };
    Ok((cost, String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// Resident memory in KiB.
pub(crate) type Kib = u64;

/// How far resident memory rises above where it was at `start`.
#[derive(Debug)]
pub(crate) struct PeakMemory {
    idle: Kib,
}

impl PeakMemory {
    /// Loads all code first, and forgets the peak so far.
    pub(crate) fn start() -> Result<Self> {
        sys::load_all_code()?;
        fs::write("/proc/self/clear_refs", "5")?;
        Ok(Self { idle: peak_memory("self")? })
    }

    pub(crate) fn stop(self) -> Result<Kib> {
        Ok(peak_memory("self")?.saturating_sub(self.idle))
    }
}

/// The peak of a process that still runs.
pub(crate) fn peak_memory(pid: &str) -> Result<Kib> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number =
        line.and_then(|line| line.trim().strip_suffix(" kB")).ok_or("no VmHWM in /proc/PID/status")?;
    Ok(number.parse()?)
}

/// The memory of this process that no file is behind, now: its heap and stacks.
pub(crate) fn anonymous_memory() -> Result<Kib> {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup")?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Anonymous:"));
    let number =
        line.and_then(|line| line.trim().strip_suffix(" kB")).ok_or("no Anonymous in smaps_rollup")?;
    Ok(number.parse()?)
}

/// Seconds as `f64`, for ratios.
pub(crate) fn seconds(of: impl Fn(&Cost) -> Duration, costs: &[Cost]) -> Vec<f64> {
    costs.iter().map(|cost| of(cost).as_secs_f64()).collect()
}

/// The middle value; the mean of the middle two when their number is even; 0 of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    let upper = values.get(half).copied().unwrap_or_default();
    if values.len() % 2 == 1 {
        return upper;
    }
    let lower = half.checked_sub(1).and_then(|index| values.get(index)).copied().unwrap_or_default();
    f64::midpoint(lower, upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), 2.5);
    }

    #[test]
    fn the_median_of_an_odd_number_is_the_middle_one() {
        assert_eq!(median(vec![9.0, 1.0, 3.0]), 3.0);
    }
}
