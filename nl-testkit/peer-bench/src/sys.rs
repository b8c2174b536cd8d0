//! What std has no safe door to: resource usage, namespaces, a netlink socket, counted allocations.
#![expect(unsafe_code, reason = "the one module that talks to libc and to the allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const INT_LENGTH: libc::socklen_t = 4;
/// As `struct sockaddr_nl` has it.
const AF_NETLINK: libc::sa_family_t = 16;
const ADDRESS_LENGTH: libc::socklen_t = 12;

/// What is asked for; the kernel cuts it to `net.core.rmem_max`.
pub(crate) const RECEIVE_BUFFER: libc::c_int = 8 << 20;

/// User and system time of this process so far.
pub(crate) fn cpu_of_this_process() -> io::Result<Duration> {
    cpu(libc::RUSAGE_SELF)
}

/// User and system time of all children waited for so far, and of theirs.
pub(crate) fn cpu_of_children() -> io::Result<Duration> {
    cpu(libc::RUSAGE_CHILDREN)
}

/// User and system time of the calling thread so far. `getrusage` would be as of the last tick of the scheduler.
pub(crate) fn cpu_of_this_thread() -> io::Result<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to writable memory of the right type.
    if unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_nanos(time.tv_nsec.unsigned_abs()))
}

/// User time of the calling thread so far, as the kernel has divided its time.
pub(crate) fn user_time_of_this_thread() -> io::Result<Duration> {
    Ok(duration(usage(libc::RUSAGE_THREAD)?.ru_utime))
}

/// A blocking rtnetlink socket with strict checking, so the kernel honours dump filters. One `read` is one
/// datagram, one `write` is one send to the kernel.
pub(crate) fn route_socket() -> io::Result<File> {
    netlink_socket(libc::NETLINK_ROUTE)
}

/// The same to ask about sockets.
pub(crate) fn diag_socket() -> io::Result<File> {
    netlink_socket(libc::NETLINK_SOCK_DIAG)
}

/// The same to the generic families.
pub(crate) fn generic_socket() -> io::Result<File> {
    netlink_socket(libc::NETLINK_GENERIC)
}

fn netlink_socket(protocol: libc::c_int) -> io::Result<File> {
    // SAFETY: no pointers are passed.
    let fd = unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just gave us this descriptor and nobody else owns it.
    let socket = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    set_option(&socket, libc::SOL_NETLINK, libc::NETLINK_GET_STRICT_CHK, 1)?;
    Ok(socket)
}

/// Binds the socket to a multicast group below 33. A socket that is not bound has the port 0, and gets no event that
/// the kernel sends on its own behalf.
pub(crate) fn listen(socket: &File, group: u32) -> io::Result<()> {
    // SAFETY: all zeros is a value of this C structure.
    let mut address: libc::sockaddr_nl = unsafe { MaybeUninit::zeroed().assume_init() };
    address.nl_family = AF_NETLINK;
    address.nl_groups = 1 << (group - 1);
    // SAFETY: the pointer and the length describe `address`, which outlives the call.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), ADDRESS_LENGTH) };
    if bound < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// As large as the system lets an unprivileged socket's be.
pub(crate) fn raise_receive_buffer(socket: &File) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUF, RECEIVE_BUFFER)
}

/// The size in force, as the kernel accounts it.
pub(crate) fn receive_buffer(socket: &File) -> io::Result<usize> {
    let mut size: libc::c_int = 0;
    let mut length = INT_LENGTH;
    // SAFETY: the pointers are to writable memory of the type and length given.
    let got = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUF,
            (&raw mut size).cast(),
            &raw mut length,
        )
    };
    if got < 0 { Err(io::Error::last_os_error()) } else { Ok(size.unsigned_abs() as usize) }
}

/// The index of a device in the socket's namespace.
pub(crate) fn index_of(socket: &File, name: &str) -> io::Result<u32> {
    // SAFETY: all zeros is a value of this C structure.
    let mut request: libc::ifreq = unsafe { MaybeUninit::zeroed().assume_init() };
    for (field, byte) in request.ifr_name.iter_mut().zip(name.bytes().take(libc::IFNAMSIZ - 1)) {
        *field = byte.cast_signed();
    }
    // SAFETY: the pointer is to a structure of the type that SIOCGIFINDEX reads and writes.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFINDEX, &raw mut request) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel filled this field of the union.
    Ok(unsafe { request.ifr_ifru.ifru_ifindex }.unsigned_abs())
}

fn set_option(socket: &File, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    // SAFETY: the pointer and the length describe `value`, which outlives the call.
    let set =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), INT_LENGTH) };
    if set < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Lets this process open as many files as it may, since each connection is one.
pub(crate) fn allow_open_files() -> io::Result<()> {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to writable memory of the right type.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limits) } < 0 {
        return Err(io::Error::last_os_error());
    }
    limits.rlim_cur = limits.rlim_max;
    // SAFETY: the pointer is to a filled structure of the right type.
    let set = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limits) };
    if set < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Makes the program's own code resident, and its libraries', so that running a part of it for the first time does
/// not look like memory in use. Does nothing before Linux 5.14.
pub(crate) fn load_all_code() -> io::Result<()> {
    for line in fs::read_to_string("/proc/self/maps")?
        .lines()
        .filter(|line| line.contains(" r") && line.contains('/'))
    {
        let range = line.split(' ').next().and_then(|range| range.split_once('-'));
        let hex = |number| usize::from_str_radix(number, 16).unwrap_or_default();
        let Some((start, end)) = range.map(|(start, end)| (hex(start), hex(end))) else { continue };
        let start = std::ptr::without_provenance_mut(start);
        // SAFETY: populating for reading changes no content and no mapping; a bad range is an error, not a fault.
        unsafe { libc::madvise(start, end - start.addr(), libc::MADV_POPULATE_READ) };
    }
    Ok(())
}

/// Makes `command` start in a new network namespace, as root of a new user namespace if there is to be one, and die with this process.
pub(crate) fn in_new_namespaces(command: &mut Command, and_user: bool) {
    // SAFETY: these calls take no arguments and cannot fail.
    let (uid, gid, parent) = unsafe { (libc::geteuid(), libc::getegid(), libc::getpid()) };
    let maps = [
        (c"/proc/self/setgroups", CString::from(c"deny")),
        (c"/proc/self/uid_map", decimal_map(uid)),
        (c"/proc/self/gid_map", decimal_map(gid)),
    ];
    let enter = move || {
        // SAFETY: no pointers are passed.
        if unsafe { libc::unshare(libc::CLONE_NEWNET | if and_user { libc::CLONE_NEWUSER } else { 0 }) } < 0 {
            return Err(io::Error::last_os_error());
        }
        for (path, text) in maps.iter().filter(|_| and_user) {
            write_once(path, text)?;
        }
        // After the change of credentials, which would have cleared it.
        // SAFETY: no pointers are passed.
        if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call takes no arguments.
        if unsafe { libc::getppid() } != parent { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    };
    // SAFETY: between fork and exec `enter` makes system calls only; it neither allocates nor takes a lock.
    unsafe { command.pre_exec(enter) };
}

/// Allocations made so far: how many, and how many bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Allocations {
    pub(crate) count: u64,
    pub(crate) bytes: u64,
}

impl Allocations {
    /// Exact while one thread allocates, which is how the decoders are measured.
    pub(crate) fn so_far() -> Self {
        Self { count: COUNT.load(Relaxed), bytes: BYTES.load(Relaxed) }
    }
}

fn cpu(who: libc::c_int) -> io::Result<Duration> {
    let usage = usage(who)?;
    Ok(duration(usage.ru_utime) + duration(usage.ru_stime))
}

fn usage(who: libc::c_int) -> io::Result<libc::rusage> {
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: the pointer is to writable memory of the right type.
    if unsafe { libc::getrusage(who, usage.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: getrusage succeeded, so it filled the structure.
    Ok(unsafe { usage.assume_init() })
}

fn duration(time: libc::timeval) -> Duration {
    let micros = time.tv_sec * 1_000_000 + time.tv_usec;
    Duration::from_micros(micros.unsigned_abs())
}

fn decimal_map(outside: u32) -> CString {
    CString::new(format!("0 {outside} 1")).unwrap_or_default()
}

fn write_once(path: &std::ffi::CStr, text: &CString) -> io::Result<()> {
    // SAFETY: `path` is a NUL-terminated string.
    let fd = unsafe { libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just opened and nobody else owns it.
    let file = unsafe { OwnedFd::from_raw_fd(fd) };
    let bytes = text.as_bytes();
    // SAFETY: the pointer and the length describe `bytes`.
    let written = unsafe { libc::write(file.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
    if written < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Counts with a plain load and store: a locked add per allocation would be charged to those who allocate.
#[derive(Debug)]
struct Counting;

static COUNT: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(size: usize) {
    COUNT.store(COUNT.load(Relaxed) + 1, Relaxed);
    BYTES.store(BYTES.load(Relaxed) + size as u64, Relaxed);
}

// SAFETY: every call is passed to the system allocator unchanged; counting touches two atomics only.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps GlobalAlloc's contract, which is the same for System.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, new_size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}
