//! Re-executing a program into namespaces of its own, as an ordinary user or as root.

use std::{
    env, fs, io,
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{self, Command, ExitStatus},
    sync::atomic::{AtomicU8, Ordering},
};

use crate::sys::{self, Isolation};

/// Where [`enter`] left the calling program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Entered {
    /// The program runs in its own user, network and mount namespaces.
    Inside,
}

/// Moves the program into its own user, network and mount namespaces; call it first in `main`.
///
/// The first call re-executes the program (same binary, same arguments) inside the namespaces, waits for it and
/// exits with its code, so that only the inner copy returns from this function. Inside, the program is root over
/// its own networks, `/sys` shows its own interfaces, `/run` is an empty private tmpfs with `/run/netns` in it, and
/// nothing it does to the network reaches the machine. The inner copy is killed when the outer one ends.
///
/// It works as an ordinary user and as root, and must run before any thread exists.
///
/// # Errors
///
/// When the machine forbids unprivileged user namespaces; the message names the setting that does.
///
/// # Example
///
/// ```no_run
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     nl_testkit::sandbox::enter()?;
///     // From here on the program has a network of its own.
///     Ok(())
/// }
/// ```
pub fn enter() -> io::Result<Entered> {
    if settle()?.is_some() {
        return Ok(Entered::Inside);
    }
    let status = run_isolated(Isolation::User, |_| {})?;
    process::exit(exit_code(status));
}

/// Whether this process runs inside the namespaces made by [`enter`] or by a test binary's `main!`.
#[must_use]
pub fn is_inside() -> bool {
    STATE.load(Ordering::Relaxed) != OUTSIDE
}

/// Finishes the set-up in the inner copy; `None` when this process is not one.
pub(crate) fn settle() -> io::Result<Option<Isolation>> {
    let Ok(marker) = env::var(MARKER) else { return Ok(None) };
    // A child of the inner copy inherits the marker but has another parent: it is outside again.
    let isolation = match marker.split_once(':') {
        Some((kind, parent)) if parent == std::os::unix::process::parent_id().to_string() => match kind {
            "plain" => Isolation::Plain,
            _ => Isolation::User,
        },
        _ => return Ok(None),
    };
    sys::die_with_parent()?;
    sys::make_mounts_private().map_err(|error| explain("make mounts private", error))?;
    private_mounts()?;
    STATE.store(INSIDE, Ordering::Relaxed);
    Ok(Some(isolation))
}

/// Mounts what belongs to the caller's network namespace: sysfs (where allowed), `/run` and `/run/netns`.
pub(crate) fn private_mounts() -> io::Result<()> {
    // A container that masks parts of /sys forbids a fresh one. Only programs that read /sys notice.
    let _ = sys::mount_new("sysfs", "/sys");
    sys::mount_new("tmpfs", "/run").map_err(|error| explain("mount a tmpfs on /run", error))?;
    fs::create_dir_all(NETNS_DIR).map_err(|error| explain("make /run/netns", error))?;
    // `ip netns add` binds the folder over itself unless something is mounted there, and then a node's name cannot be removed.
    sys::mount_new("tmpfs", NETNS_DIR).map_err(|error| explain("mount a tmpfs on /run/netns", error))
}

/// Runs a copy of this program with the same arguments in new namespaces and waits for it.
pub(crate) fn run_isolated(
    isolation: Isolation,
    adjust: impl FnOnce(&mut Command),
) -> io::Result<ExitStatus> {
    let kind = match isolation {
        Isolation::Plain => "plain",
        Isolation::User => "user",
    };
    let mut arguments = env::args_os();
    let mut command = Command::new("/proc/self/exe");
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command.args(arguments).env(MARKER, format!("{kind}:{}", process::id()));
    // Debian has iproute2 in folders that are not on the search path of ordinary users.
    let path = env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
    command.env("PATH", format!("{path}:/usr/local/sbin:/usr/sbin:/sbin"));
    adjust(&mut command);
    sys::isolate(&mut command, isolation);
    let mut child = command.spawn().map_err(|error| forbidden(isolation, error))?;
    child.wait()
}

/// The code with which a parent reports how its child ended, as a shell does.
pub(crate) fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

/// Whether this process is root in the machine's first user namespace, with all of root's powers.
pub(crate) fn is_real_root() -> bool {
    let whole = |path: &str| {
        fs::read_to_string(path).is_ok_and(|text| text.split_whitespace().eq(["0", "0", "4294967295"]))
    };
    sys::ids().0 == 0
        && whole("/proc/self/uid_map")
        && has_capability(CAP_SYS_ADMIN)
        && has_capability(CAP_NET_ADMIN)
}

fn has_capability(number: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or_default();
    mask & (1 << number) != 0
}

fn explain(what: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("sandbox: cannot {what}: {error}"))
}

fn forbidden(isolation: Isolation, error: io::Error) -> io::Error {
    let setting =
        |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
    let mut text = match isolation {
        Isolation::Plain => format!("sandbox: cannot make a network and a mount namespace as root: {error}"),
        Isolation::User => format!("sandbox: cannot make a user, a network and a mount namespace: {error}"),
    };
    let mut blamed = false;
    for kind in ["net", "mnt"] {
        if setting(&format!("/proc/sys/user/max_{kind}_namespaces")) == "0" {
            blamed = true;
            text += &format!("\n  none are allowed: sudo sysctl -w user.max_{kind}_namespaces=15000");
        }
    }
    if isolation == Isolation::Plain {
        return io::Error::new(error.kind(), text);
    }
    if setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1" {
        blamed = true;
        text += "\n  AppArmor restricts it: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";
    }
    if setting("/proc/sys/kernel/unprivileged_userns_clone") == "0" {
        blamed = true;
        text += "\n  the kernel forbids it: sudo sysctl -w kernel.unprivileged_userns_clone=1";
    }
    if setting("/proc/sys/user/max_user_namespaces") == "0" {
        blamed = true;
        text += "\n  none are allowed: sudo sysctl -w user.max_user_namespaces=15000";
    }
    if !blamed {
        text += "\n  the usual settings (kernel.apparmor_restrict_unprivileged_userns, kernel.unprivileged_userns_clone, \
                 user.max_user_namespaces) do not forbid it: look for a container's seccomp filter, a chroot, or an \
                 executable this user may not read";
    }
    io::Error::new(error.kind(), text)
}

pub(crate) const NETNS_DIR: &str = "/run/netns";
const MARKER: &str = "NL_TESTKIT_SANDBOX";
const OUTSIDE: u8 = 0;
const INSIDE: u8 = 1;
static STATE: AtomicU8 = AtomicU8::new(OUTSIDE);

// include/uapi/linux/capability.h
const CAP_NET_ADMIN: u32 = 12;
const CAP_SYS_ADMIN: u32 = 21;
