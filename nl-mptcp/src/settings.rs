//! The settings of Multipath TCP, per namespace: `net.mptcp.*`.
//!
//! ```no_run
//! use nl_mptcp::settings::{PathManagerType, SettingsEntry};
//!
//! # fn example() -> nl_core::Result<()> {
//! let settings = SettingsEntry::current();
//! // sysctl net.mptcp.path_manager=userspace, or net.mptcp.pm_type=1 before Linux 6.15
//! settings.set_path_manager(&PathManagerType::Userspace)?;
//! println!("close_timeout {:?}", settings.read()?.close_timeout);
//! # Ok(())
//! # }
//! ```
//! These are files of `/proc/sys`, which belong to the namespace of the thread that opens them; they are opened
//! [inside](nl_core::netns::Netns::run) the selected namespace. Reading needs no privilege; writing needs `CAP_NET_ADMIN` in the user
//! namespace that owns the network namespace. The set of files depends on the kernel.
//!
//! Kernel: `Documentation/networking/mptcp-sysctl.rst`, `net/mptcp/ctrl.c`. Equivalent: `sysctl net.mptcp`.

use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use nl_core::error::{Error, ErrorKind, Result, Since};
use nl_core::netns::Netns;

/// Whether a namespace has Multipath TCP, and who manages the paths of its new connections: the answer of
/// [`Mptcp::status`](crate::Mptcp::status).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Status {
    /// The kernel has no Multipath TCP (`CONFIG_MPTCP`): every request is
    /// [`Unsupported`](nl_core::error::ErrorKind::Unsupported).
    Absent,
    /// `net.mptcp.enabled` is 0: no Multipath TCP socket can be created. Endpoints and limits can still be read and changed.
    Off,
    /// New connections have this path manager.
    On(PathManagerType),
}

/// The words of an administrator: `absent`, `off`, or the path manager.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("absent"),
            Self::Off => f.write_str("off"),
            Self::On(manager) => manager.fmt(f),
        }
    }
}

/// The path manager of new sockets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum PathManagerType {
    /// The kernel's path manager, configured with [endpoints](crate::endpoint).
    Kernel,
    /// Another one, by name, or by its number before Linux 6.15.
    Other(String),
    /// A program, with requests about each [connection](crate::connection).
    Userspace,
}

impl PathManagerType {
    fn from_name(name: &str) -> Self {
        match name {
            "kernel" => Self::Kernel,
            "userspace" => Self::Userspace,
            other => Self::Other(other.into()),
        }
    }

    /// The value of `net.mptcp.pm_type`.
    fn from_number(number: &str) -> Self {
        match number {
            "0" => Self::Kernel,
            "1" => Self::Userspace,
            other => Self::Other(other.into()),
        }
    }
}

/// The value of `net.mptcp.path_manager`.
impl fmt::Display for PathManagerType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kernel => "kernel",
            Self::Other(name) => name,
            Self::Userspace => "userspace",
        })
    }
}

/// All settings; `None` for those the kernel does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Settings {
    /// Whether Multipath TCP sockets can be created.
    pub enabled: Option<bool>,
    /// The time after which an announcement without an echo is sent again, in whole seconds; 0: never.
    pub add_addr_timeout: Option<Duration>,
    /// Whether TCP timestamps are dropped to make room for an announced IPv6 address with a port (Linux 7).
    pub add_addr_v6_port_drop_ts: Option<bool>,
    /// Whether the peer may create further subflows to the address and port of the initial one.
    pub allow_join_initial_addr_port: Option<bool>,
    /// The available path managers (Linux 6.15).
    pub available_path_managers: Option<Vec<PathManagerType>>,
    /// The available schedulers (Linux 6.10).
    pub available_schedulers: Option<Vec<String>>,
    /// For how long new connections use plain TCP after the network dropped Multipath TCP packets, in whole seconds; 0: never (Linux 6.12).
    pub blackhole_timeout: Option<Duration>,
    /// Whether data has checksums, if the peer supports them.
    pub checksum_enabled: Option<bool>,
    /// For how long a connection without subflows stays open, in whole seconds (Linux 6.7).
    pub close_timeout: Option<Duration>,
    /// The path manager of new sockets.
    pub path_manager: Option<PathManagerType>,
    /// The packet scheduler of new sockets (Linux 6.6).
    pub scheduler: Option<String>,
    /// The number of consecutive losses after which a subflow is stale; 0: never.
    pub stale_loss_cnt: Option<u32>,
    /// The number of SYN retransmissions before a connection falls back to plain TCP (Linux 6.14).
    pub syn_retrans_before_tcp_fallback: Option<u32>,
}

/// The settings of one namespace, to be read or set.
#[derive(Clone, Debug)]
pub struct SettingsEntry {
    netns: Option<Netns>,
}

impl SettingsEntry {
    /// The settings of the calling thread's namespace at the time of each call.
    #[must_use]
    pub fn current() -> Self {
        Self { netns: None }
    }

    /// The settings of this namespace.
    #[must_use]
    pub fn of(netns: &Netns) -> Self {
        Self { netns: Some(netns.clone()) }
    }

    /// Reads all settings.
    ///
    /// # Errors
    /// [`Unsupported`](nl_core::error::ErrorKind::Unsupported) if none exists: the kernel has no Multipath TCP;
    /// [`Io`](nl_core::error::ErrorKind::Io) if `/proc` is not mounted; the namespace cannot be entered; a file has unexpected contents.
    pub fn read(&self) -> Result<Settings> {
        let words = |text: String| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let values = Settings {
            enabled: self.flag("enabled")?,
            add_addr_timeout: self.seconds("add_addr_timeout")?,
            add_addr_v6_port_drop_ts: self.flag("add_addr_v6_port_drop_ts")?,
            allow_join_initial_addr_port: self.flag("allow_join_initial_addr_port")?,
            available_path_managers: self
                .text("available_path_managers")?
                .map(|text| text.split_whitespace().map(PathManagerType::from_name).collect()),
            available_schedulers: self.text("available_schedulers")?.map(words),
            blackhole_timeout: self.seconds("blackhole_timeout")?,
            checksum_enabled: self.flag("checksum_enabled")?,
            close_timeout: self.seconds("close_timeout")?,
            path_manager: self.path_manager()?,
            scheduler: self.text("scheduler")?,
            stale_loss_cnt: self.number("stale_loss_cnt")?,
            syn_retrans_before_tcp_fallback: self.number("syn_retrans_before_tcp_fallback")?,
        };
        if values == Settings::default() {
            let none = Error::unsupported("net.mptcp", Since::option("a kernel built with CONFIG_MPTCP"));
            return Err(none.during(|| "read net.mptcp".into()));
        }
        Ok(values)
    }

    /// Whether Multipath TCP is on, and the path manager of new sockets.
    ///
    /// # Errors
    /// As [`read`](Self::read), but for a kernel without Multipath TCP, which is [`Status::Absent`].
    pub fn status(&self) -> Result<Status> {
        let Some(enabled) = self.flag("enabled")? else { return Ok(Status::Absent) };
        // Before Linux 5.19 there is one path manager.
        let manager = self.path_manager()?.unwrap_or(PathManagerType::Kernel);
        Ok(if enabled { Status::On(manager) } else { Status::Off })
    }

    /// Sets the path manager of new sockets, with `path_manager` or `pm_type`.
    ///
    /// # Errors
    /// `EACCES` ([`is_permission`](Error::is_permission)); `EINVAL` or `ENOENT` for an unknown one.
    pub fn set_path_manager(&self, manager: &PathManagerType) -> Result<()> {
        // `ENOENT` can mean a missing path manager or a missing file, so the file is checked first.
        if self.text("path_manager")?.is_some() {
            let name = manager.to_string();
            return self
                .try_write("path_manager", &name)
                .map_err(|e| e.during(|| write_of("path_manager", &name)));
        }
        let number = match manager {
            PathManagerType::Kernel => "0",
            PathManagerType::Other(number) => number,
            PathManagerType::Userspace => "1",
        };
        self.write("pm_type", number, Since::linux(5, 19))
    }

    /// Sets the scheduler of new sockets.
    ///
    /// # Errors
    /// `EACCES` ([`is_permission`](Error::is_permission)); `ENOENT` for an unknown one;
    /// [`Unsupported`](nl_core::error::ErrorKind::Unsupported) before Linux 6.6.
    pub fn set_scheduler(&self, name: &str) -> Result<()> {
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(Error::usage(format!("{name:?} is not the name of a scheduler")));
        }
        // `ENOENT` can mean a missing scheduler or a missing file, so the file is checked first.
        self.text("scheduler")?.ok_or_else(|| absent("scheduler", Since::linux(6, 6)))?;
        self.try_write("scheduler", name).map_err(|error| error.during(|| write_of("scheduler", name)))
    }

    fn path_manager(&self) -> Result<Option<PathManagerType>> {
        if let Some(name) = self.text("path_manager")? {
            return Ok(Some(PathManagerType::from_name(&name)));
        }
        Ok(self.text("pm_type")?.map(|number| PathManagerType::from_number(&number)))
    }

    fn flag(&self, name: &str) -> Result<Option<bool>> {
        Ok(self.number(name)?.map(|number: u32| number != 0))
    }

    fn seconds(&self, name: &str) -> Result<Option<Duration>> {
        Ok(self.number(name)?.map(|seconds: u32| Duration::from_secs(seconds.into())))
    }

    fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            let odd =
                io::Error::new(io::ErrorKind::InvalidData, format!("{text:?} is not a number in range"));
            Error::from(odd).during(|| format!("read net.mptcp.{name}"))
        })
    }

    fn text(&self, name: &str) -> Result<Option<String>> {
        match self.inside(|| std::fs::read_to_string(path(name))) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if is_absent(&error, PROC) => Ok(None),
            Err(error) => Err(error.during(|| format!("read {}", path(name)))),
        }
    }

    fn write(&self, name: &str, value: &str, since: Since) -> Result<()> {
        match self.try_write(name, value) {
            Err(error) if is_absent(&error, PROC) => Err(absent(name, since)),
            outcome => outcome.map_err(|error| error.during(|| write_of(name, value))),
        }
    }

    fn try_write(&self, name: &str, value: &str) -> Result<()> {
        // Never creates a file.
        self.inside(|| {
            use io::Write;
            std::fs::OpenOptions::new().write(true).open(path(name))?.write_all(value.as_bytes())
        })
    }

    fn inside<T: Send>(&self, f: impl FnOnce() -> io::Result<T> + Send) -> Result<T> {
        let outcome = match &self.netns {
            Some(netns) => netns.run(f)?,
            None => f(),
        };
        Ok(outcome?)
    }
}

macro_rules! setters {
    ($($(#[$doc:meta])* $set:ident($value:ident: $type:ty = $name:literal, $major:literal $minor:literal) $text:expr;)+) => {
        impl SettingsEntry {$(
            $(#[$doc])*
            ///
            /// # Errors
            /// `EACCES` ([`is_permission`](Error::is_permission)); `EINVAL` for a value out of range;
            #[doc = concat!("[`Unsupported`](nl_core::error::ErrorKind::Unsupported) before Linux ", $major, ".", $minor, ".")]
            pub fn $set(&self, $value: $type) -> Result<()> {
                let text: Result<String> = $text;
                self.write($name, &text.map_err(|error| error.during(|| concat!("write net.mptcp.", $name).into()))?, Since::linux($major, $minor))
            }
        )+}
    };
}

setters! {
    /// Whether Multipath TCP sockets can be created. Existing sockets do not change.
    set_enabled(yes: bool = "enabled", 5 6) Ok(u8::from(yes).to_string());
    /// The time after which an announcement without an echo is sent again, in whole seconds; 0: never.
    set_add_addr_timeout(time: Duration = "add_addr_timeout", 5 9) whole_seconds(time);
    /// Whether the peer may create further subflows to the address and port of the initial one.
    set_allow_join_initial_addr_port(yes: bool = "allow_join_initial_addr_port", 5 14) Ok(u8::from(yes).to_string());
    /// For how long new connections use plain TCP after the network dropped Multipath TCP packets, in whole seconds; 0: never.
    set_blackhole_timeout(time: Duration = "blackhole_timeout", 6 12) whole_seconds(time);
    /// Whether data has checksums, if the peer supports them.
    set_checksum_enabled(yes: bool = "checksum_enabled", 5 14) Ok(u8::from(yes).to_string());
    /// For how long a connection without subflows stays open, in whole seconds.
    set_close_timeout(time: Duration = "close_timeout", 6 7) whole_seconds(time);
    /// The number of consecutive losses after which a subflow is stale; 0: never.
    set_stale_loss_cnt(count: u32 = "stale_loss_cnt", 5 15) Ok(count.to_string());
    /// The number of SYN retransmissions before a connection falls back to plain TCP.
    set_syn_retrans_before_tcp_fallback(count: u32 = "syn_retrans_before_tcp_fallback", 6 14) Ok(count.to_string());
}

fn whole_seconds(time: Duration) -> Result<String> {
    match time.subsec_nanos() {
        0 => Ok(time.as_secs().to_string()),
        _ => Err(Error::usage(format!("{time:?}; this setting is in whole seconds"))),
    }
}

fn path(name: &str) -> String {
    format!("{PROC}/mptcp/{name}")
}

fn write_of(name: &str, value: &str) -> String {
    format!("write {value} to net.mptcp.{name}")
}

fn absent(name: &str, since: Since) -> Error {
    Error::unsupported(format!("net.mptcp.{name}"), since).during(|| format!("write net.mptcp.{name}"))
}

/// Whether the kernel lacks the setting. If `/proc` is not mounted, a missing file does not mean that.
fn is_absent(error: &Error, proc: &str) -> bool {
    matches!(error.kind(), ErrorKind::Io(error) if error.kind() == io::ErrorKind::NotFound)
        && Path::new(proc).is_dir()
}

const PROC: &str = "/proc/sys/net";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_file_without_proc_is_not_a_missing_setting() {
        let error = Error::from(std::fs::read_to_string("/nowhere/mptcp/enabled").unwrap_err());
        assert!(is_absent(&error, "/"));
        assert!(!is_absent(&error, "/nowhere"));
    }
}
