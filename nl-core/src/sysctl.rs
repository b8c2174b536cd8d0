//! The `net.*` sysctls of a network namespace.
//!
//! ```no_run
//! use nl_core::sysctl::Sysctl;
//! use nl_core::{Connection, Protocol};
//!
//! # fn example() -> nl_core::Result<()> {
//! let sysctl = Sysctl::new(&Connection::open(Protocol::Route)?)?;
//! // sysctl net.ipv4.ip_forward=1
//! sysctl.write("net.ipv4.ip_forward", 1)?;
//! // The device eth0.100: a dot that is part of a name is written as a slash, or the whole as a path.
//! sysctl.write("net.ipv4.conf.eth0/100.rp_filter", 2)?;
//! assert_eq!(sysctl.number("net/ipv4/conf/eth0.100/rp_filter")?, Some(2));
//! # Ok(())
//! # }
//! ```
//!
//! These are files of `/proc/sys/net`, which show the namespace of the thread that opens them; they are opened
//! [inside](Netns::run) the selected one, and the caller's thread never moves. Reading takes no privilege; writing takes
//! `CAP_NET_ADMIN` in the user namespace that owns the network namespace. Which of them exist depends on the kernel and on
//! the devices. Nothing is waited for, so the operations need no runtime and are no [`Pending`](crate::Pending).
//!
//! Kernel: `Documentation/admin-guide/sysctl/net.rst`, `Documentation/networking/ip-sysctl.rst`. Equivalent: `sysctl`.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::addr::escaped;
use crate::connection::Connection;
use crate::error::{Error, ErrorKind, Result};
use crate::netns::Netns;

const PROC: &str = "/proc/sys";

/// The sysctls of one namespace. Cheap to clone.
///
/// A name is written as for `sysctl`: `net.ipv4.conf.all.forwarding`, where a dot inside a part is a slash
/// (`net.ipv4.conf.eth0/100.forwarding` for the device `eth0.100`), or as a path, `net/ipv4/conf/eth0.100/forwarding`. The first
/// separator says which.
#[derive(Clone, Debug)]
pub struct Sysctl {
    netns: Option<Netns>,
}

impl Sysctl {
    /// Those of the connection's namespace.
    ///
    /// # Errors
    /// As [`Connection::netns`].
    pub fn new(conn: &Connection) -> Result<Self> {
        Ok(Self { netns: Some(conn.netns()?) })
    }

    /// Those of this namespace.
    #[must_use]
    pub fn of(netns: &Netns) -> Self {
        Self { netns: Some(netns.clone()) }
    }

    /// Those of the calling thread's namespace, whichever that is at each call.
    #[must_use]
    pub fn current() -> Self {
        Self { netns: None }
    }

    /// The value, without the line end; `None` if the namespace has no such sysctl: the kernel does not have it, or there is
    /// no such device.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) if `/proc` is not mounted, the value can only be written, or the namespace cannot be entered; an
    /// invalid name.
    pub fn read(&self, name: &str) -> Result<Option<String>> {
        let path = path(name).map_err(|error| error.during(|| read_of(name)))?;
        match self.inside(|| std::fs::read_to_string(path)) {
            Ok(text) => Ok(Some(text.trim_end_matches('\n').to_owned())),
            Err(error) if is_absent(&error, PROC) => Ok(None),
            Err(error) => Err(error.during(|| read_of(name))),
        }
    }

    /// The value as a number; `None` if the namespace has no such sysctl.
    ///
    /// # Errors
    /// As [`read`](Self::read), and if the value is not such a number.
    pub fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        let Some(text) = self.read(name)? else { return Ok(None) };
        text.trim().parse().map(Some).map_err(|_| {
            let why = format!("{:?} is not a number of the kind expected", escaped(&text));
            Error::from(io::Error::new(io::ErrorKind::InvalidData, why)).during(|| read_of(name))
        })
    }

    /// Sets the value, in one write.
    ///
    /// # Errors
    /// `ENOENT` if the namespace has no such sysctl; `EACCES` ([`is_permission`](Error::is_permission)) without the privilege or
    /// for one that can only be read; `EINVAL` for a value the kernel does not take; as [`read`](Self::read); an empty value,
    /// which would change nothing.
    pub fn write(&self, name: &str, value: impl Display) -> Result<()> {
        let value = value.to_string();
        let named = |error: Error| error.during(|| format!("write {} to {}", escaped(&value), escaped(name)));
        if value.is_empty() {
            return Err(named(Error::usage("an empty value, which the kernel would ignore")));
        }
        let path = path(name).map_err(named)?;
        // Never creates a file. One write, because each write is a value of its own.
        let outcome = self.inside(|| OpenOptions::new().write(true).open(path)?.write(value.as_bytes()));
        match outcome.map_err(named)? {
            written if written == value.len() => Ok(()),
            written => {
                let why = format!("the kernel took {written} of {} bytes", value.len());
                Err(named(io::Error::new(io::ErrorKind::WriteZero, why).into()))
            }
        }
    }

    fn inside<T: Send>(&self, f: impl FnOnce() -> io::Result<T> + Send) -> Result<T> {
        let outcome = match &self.netns {
            Some(netns) => netns.run(f)?,
            None => f(),
        };
        Ok(outcome?)
    }
}

fn read_of(name: &str) -> String {
    format!("read {}", escaped(name))
}

/// The file of a sysctl.
fn path(name: &str) -> Result<PathBuf> {
    let swapped = |c| match c {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    let relative = match name.find(['.', '/']).and_then(|at| name.get(at..)) {
        Some(rest) if rest.starts_with('.') => name.chars().map(swapped).collect(),
        _ => name.to_owned(),
    };
    let mut parts = relative.split('/');
    let under_net = parts.next() == Some("net") && relative.len() > "net".len();
    let possible = |part: &str| !part.is_empty() && !matches!(part, "." | "..") && !part.contains('\0');
    if !under_net || !parts.all(possible) {
        return Err(Error::usage(format!(
            "invalid sysctl name \"{}\": net.PART.NAME or net/PART/NAME",
            escaped(name)
        )));
    }
    Ok(Path::new(PROC).join(relative))
}

/// Whether there is no such sysctl. Where `/proc` is not mounted, a missing file says nothing about the kernel.
fn is_absent(error: &Error, proc: &str) -> bool {
    matches!(error.kind(), ErrorKind::Io(error) if error.kind() == io::ErrorKind::NotFound)
        && Path::new(proc).is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_sysctl_reads_them() {
        for (name, file) in [
            ("net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward"),
            ("net.ipv4.conf.eth0/100.rp_filter", "/proc/sys/net/ipv4/conf/eth0.100/rp_filter"),
            ("net/ipv4/conf/eth0.100/rp_filter", "/proc/sys/net/ipv4/conf/eth0.100/rp_filter"),
            ("net/unix/max_dgram_qlen", "/proc/sys/net/unix/max_dgram_qlen"),
        ] {
            assert_eq!(path(name).unwrap(), Path::new(file), "{name}");
        }
    }

    #[test]
    fn impossible_names_are_refused() {
        for name in [
            "",
            "net",
            "net.",
            "net/",
            "kernel.hostname",
            "/net/ipv4/ip_forward",
            "net..ip_forward",
            "net/../kernel/hostname",
            "net.//.kernel.hostname",
            "net.ipv4.ip_forward\0",
            "netx.ipv4",
        ] {
            let error = path(name).unwrap_err();
            assert!(error.is_usage() && error.to_string().contains("net.PART.NAME"), "{name:?}: {error}");
        }
    }

    #[test]
    fn missing_file_without_proc_does_not_make_the_kernel_an_old_one() {
        let error = Error::from(std::fs::read_to_string("/nowhere/net/ipv4/x").unwrap_err());
        assert!(is_absent(&error, "/"));
        assert!(!is_absent(&error, "/nowhere"));
    }
}
