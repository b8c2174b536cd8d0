//! `ip monitor` and `bridge monitor` as processes.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;

/// For a line that must come.
const LIMIT: Duration = Duration::from_secs(30);

/// A process that prints a line for each event. Dropping it kills it.
pub(super) struct Monitor {
    child: Child,
    lines: Receiver<String>,
}

impl Monitor {
    /// Starts it, and waits until it listens.
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        let output = child.stdout.take().ok_or("no pipe")?;
        let (sender, lines) = mpsc::channel();
        // Ends with the process.
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(std::result::Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let monitor = Self { child, lines };
        let end = Instant::now() + LIMIT;
        while !monitor.listens()? {
            if Instant::now() > end {
                return Err("the monitor does not listen".into());
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(monitor)
    }

    /// The next line.
    pub(super) fn line(&self) -> Result<String> {
        Ok(self.lines.recv_timeout(LIMIT)?)
    }

    /// What its one thread has used so far.
    pub(super) fn cpu(&self) -> Result<Duration> {
        let text = fs::read_to_string(format!("/proc/{}/schedstat", self.child.id()))?;
        let nanoseconds = text.split(' ').next().ok_or("an empty schedstat")?;
        Ok(Duration::from_nanos(nanoseconds.trim().parse()?))
    }

    /// Whether its socket is in a group. The port of a process' first socket is the number of the process.
    fn listens(&self) -> Result<bool> {
        let port = self.child.id().to_string();
        let sockets = fs::read_to_string("/proc/self/net/netlink")?;
        Ok(sockets.lines().any(|line| {
            let words: Vec<&str> = line.split_whitespace().take(4).collect();
            // The address, NETLINK_ROUTE, the port, the groups.
            matches!(words.as_slice(), [_, "0", found, groups]
                if *found == port && groups.bytes().any(|digit| digit != b'0'))
        }))
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
