//! The system calls that std does not offer, each behind a safe function; the only unsafe code of the crate.

use std::{
    ffi::{CStr, CString},
    io, mem,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd},
    os::unix::process::CommandExt,
    process::Command,
    ptr,
};

use libc::{c_int, c_ulong};

/// Which namespaces a program is moved into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// Network and mount namespaces only; needs real root.
    Plain,
    /// A user namespace in which the caller is root, and network and mount namespaces owned by it.
    User,
}

/// Makes `command` start in new namespaces and die with the thread that spawned it.
pub(crate) fn isolate(command: &mut Command, isolation: Isolation) {
    let (uid, gid) = ids();
    let uid_map = format!("0 {uid} 1\n");
    let gid_map = format!("0 {gid} 1\n");
    let hook = move || {
        match isolation {
            Isolation::Plain => unshare(libc::CLONE_NEWNET | libc::CLONE_NEWNS)?,
            Isolation::User => {
                unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET | libc::CLONE_NEWNS)?;
                write_file(c"/proc/self/setgroups", b"deny")?;
                write_file(c"/proc/self/uid_map", uid_map.as_bytes())?;
                write_file(c"/proc/self/gid_map", gid_map.as_bytes())?;
            }
        }
        die_with_parent()
    };
    // SAFETY: between fork and exec the hook makes plain system calls only and allocates nothing: the strings
    // were built before.
    unsafe { command.pre_exec(hook) };
}

/// Makes `command` be killed when the thread that spawned it ends.
pub(crate) fn kill_with_parent(command: &mut Command) {
    // SAFETY: the hook makes one system call and allocates nothing.
    unsafe { command.pre_exec(die_with_parent) };
}

/// Asks the kernel to kill this process when its parent thread ends.
pub(crate) fn die_with_parent() -> io::Result<()> {
    let signal = c_ulong::try_from(libc::SIGKILL).unwrap_or(9);
    // SAFETY: PR_SET_PDEATHSIG takes an integer and touches no memory of ours.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal) }).map(drop)
}

/// Moves the calling thread into a new network namespace.
pub(crate) fn new_network() -> io::Result<()> {
    unshare(libc::CLONE_NEWNET)
}

/// Moves the calling thread, and threads it starts later, into a new mount namespace.
pub(crate) fn new_mounts() -> io::Result<()> {
    unshare(libc::CLONE_NEWNS)
}

/// Gives the calling thread a root and a working directory of its own.
pub(crate) fn own_root() -> io::Result<()> {
    unshare(libc::CLONE_FS)
}

/// Takes every capability from the calling thread, and from threads it starts later.
pub(crate) fn drop_capabilities() -> io::Result<()> {
    // Two words of 32 for each of effective, permitted and inheritable.
    let header = [CAPABILITY_VERSION_3, 0];
    let sets = [0_u32; 6];
    // SAFETY: capset reads a version and a thread number (0 is the caller's), and for that version six words; both
    // are live locals of that size. No other thread is touched.
    let result = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Loads a BPF program of the type `kind` and returns its descriptor.
pub(crate) fn load_bpf_program(kind: u32, instructions: &[[u8; 8]]) -> io::Result<OwnedFd> {
    /// The first fields of `union bpf_attr` for `BPF_PROG_LOAD`; those behind them are 0 for the kernel.
    #[repr(C)]
    struct Load {
        kind: u32,
        count: u32,
        instructions: u64,
        license: u64,
        log_level: u32,
        log_size: u32,
        log: u64,
        kernel_version: u32,
        flags: u32,
    }

    let address = |address: usize| u64::try_from(address).map_err(io::Error::other);
    let load = Load {
        kind,
        count: u32::try_from(instructions.len()).map_err(io::Error::other)?,
        instructions: address(instructions.as_ptr().expose_provenance())?,
        license: address(c"GPL".as_ptr().expose_provenance())?,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
    };
    // SAFETY: the structure is live and of the size that is given; it points to live instructions, as many as it says, and to a
    // NUL-terminated string. The kernel only reads them. The descriptor it returns is new and owned by nobody else.
    unsafe {
        let result = libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, &raw const load, size_of::<Load>());
        match c_int::try_from(result) {
            Ok(raw @ 0..) => Ok(OwnedFd::from_raw_fd(raw)),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Effective user and group of the process.
pub(crate) fn ids() -> (u32, u32) {
    // SAFETY: both calls only return numbers and cannot fail.
    unsafe { (libc::geteuid(), libc::getegid()) }
}

/// The kernel's number of the calling thread.
pub(crate) fn thread_id() -> u32 {
    // SAFETY: gettid only returns a number and cannot fail.
    unsafe { libc::gettid() }.unsigned_abs()
}

/// Kills a process; one that has ended already is no error.
pub(crate) fn kill(pid: u32) {
    if let Ok(pid @ 2..) = c_int::try_from(pid) {
        // SAFETY: kill takes integers and touches no memory of ours.
        let _ = unsafe { libc::kill(pid, libc::SIGKILL) };
    }
}

/// Makes every mount private, so that nothing we mount reaches another mount namespace.
pub(crate) fn make_mounts_private() -> io::Result<()> {
    mount(None, "/", None, libc::MS_REC | libc::MS_PRIVATE)
}

/// Mounts a new file system of kind `kind` on `target`.
pub(crate) fn mount_new(kind: &str, target: &str) -> io::Result<()> {
    mount(Some(kind), target, Some(kind), libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC)
}

/// Binds `source` over `target`.
pub(crate) fn mount_bind(source: &str, target: &str) -> io::Result<()> {
    mount(Some(source), target, None, libc::MS_BIND)
}

/// Detaches what is mounted on `target`.
pub(crate) fn unmount(target: &str) -> io::Result<()> {
    let target = CString::new(target)?;
    // SAFETY: the path is a live NUL-terminated string; the kernel only reads it.
    check(unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) }).map(drop)
}

/// Opens a raw packet socket on one interface of the caller's namespace; `listen` chooses whether it receives.
pub(crate) fn packet_socket(index: u32, listen: bool) -> io::Result<OwnedFd> {
    let protocol = if listen { u16::try_from(libc::ETH_P_ALL).unwrap_or(3).to_be() } else { 0 };
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: socket takes integers; the descriptor it returns is new and owned by nobody else.
    let fd = unsafe {
        let raw = check(libc::socket(libc::AF_PACKET, kind, 0))?;
        OwnedFd::from_raw_fd(raw)
    };
    set_option(&fd, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, 1)?;
    set_option(&fd, libc::SOL_PACKET, libc::PACKET_AUXDATA, 1)?;
    // SAFETY: sockaddr_ll is plain integers, for which all zeroes is a valid value.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).unwrap_or_default();
    address.sll_protocol = protocol;
    address.sll_ifindex = c_int::try_from(index).map_err(io::Error::other)?;
    let length = socklen::<libc::sockaddr_ll>();
    // SAFETY: the address is a live sockaddr_ll and the length is its size.
    check(unsafe { libc::bind(fd.as_raw_fd(), ptr::from_ref(&address).cast(), length) })?;
    Ok(fd)
}

/// Sends one frame on a socket made by [`packet_socket`].
pub(crate) fn send(fd: &impl AsFd, frame: &[u8]) -> io::Result<usize> {
    let raw = fd.as_fd().as_raw_fd();
    // SAFETY: the buffer is a live slice of the given length and the kernel only reads it.
    let sent = unsafe { libc::send(raw, frame.as_ptr().cast(), frame.len(), 0) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Receives one frame, and the VLAN tag (protocol, control information) the kernel took out of it.
pub(crate) fn receive(fd: &impl AsFd, buffer: &mut [u8]) -> io::Result<(usize, Option<(u16, u16)>)> {
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut control = [0_u64; 16];
    // SAFETY: msghdr is pointers and integers, for which all zeroes is a valid value.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    // SAFETY: every pointer in the header is to a live local of the length given beside it.
    let received = unsafe { libc::recvmsg(fd.as_fd().as_raw_fd(), &raw mut message, 0) };
    let length = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: the kernel filled the header; the CMSG macros stay inside msg_controllen, and the auxiliary data
    // is copied out unaligned only when its type says what it is.
    let tag = unsafe {
        let mut tag = None;
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while let Some(entry) = header.as_ref() {
            if entry.cmsg_level == libc::SOL_PACKET && entry.cmsg_type == libc::PACKET_AUXDATA {
                let data: libc::tpacket_auxdata = ptr::read_unaligned(libc::CMSG_DATA(header).cast());
                if data.tp_status & libc::TP_STATUS_VLAN_VALID != 0 {
                    tag = Some((data.tp_vlan_tpid, data.tp_vlan_tci));
                }
            }
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
        tag
    };
    Ok((length, tag))
}

/// Sets the receive buffer of a socket; the kernel rounds up to its minimum.
pub(crate) fn set_receive_buffer(fd: &impl AsFd, bytes: c_int) -> io::Result<()> {
    set_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, bytes)
}

/// The address family of descriptor number `raw`; an error when it is not a socket.
pub(crate) fn socket_family(raw: RawFd) -> io::Result<c_int> {
    let mut family: c_int = 0;
    let mut length = socklen::<c_int>();
    // SAFETY: the option writes one int into a live local of that size; a wrong descriptor number is an error.
    check(unsafe {
        libc::getsockopt(
            raw,
            libc::SOL_SOCKET,
            libc::SO_DOMAIN,
            ptr::from_mut(&mut family).cast(),
            &raw mut length,
        )
    })?;
    Ok(family)
}

/// The network namespace in which the socket with descriptor number `raw` was made.
pub(crate) fn socket_network(raw: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: SIOCGSKNS takes no argument and returns a new descriptor, owned by nobody else; a wrong descriptor
    // number is an error.
    unsafe {
        let network = check(libc::ioctl(raw, SIOCGSKNS as _))?;
        Ok(OwnedFd::from_raw_fd(network))
    }
}

fn unshare(flags: c_int) -> io::Result<()> {
    // SAFETY: unshare takes flags only. A new network or mount namespace for one thread breaks no memory
    // invariant; descriptors are not unshared (CLONE_FILES is never given).
    check(unsafe { libc::unshare(flags) }).map(drop)
}

fn mount(source: Option<&str>, target: &str, kind: Option<&str>, flags: c_ulong) -> io::Result<()> {
    let source = source.map(CString::new).transpose()?;
    let target = CString::new(target)?;
    let kind = kind.map(CString::new).transpose()?;
    let pointer = |text: &Option<CString>| text.as_ref().map_or(ptr::null(), |text| text.as_ptr());
    // SAFETY: every pointer is null, which mount allows for these, or a live NUL-terminated string.
    check(unsafe { libc::mount(pointer(&source), target.as_ptr(), pointer(&kind), flags, ptr::null()) })
        .map(drop)
}

/// Writes a file without allocating, for use between fork and exec.
fn write_file(path: &CStr, data: &[u8]) -> io::Result<()> {
    // SAFETY: the path is NUL-terminated, the buffer is a live slice of the given length, and the descriptor is
    // closed once.
    unsafe {
        let fd = check(libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC))?;
        let written = libc::write(fd, data.as_ptr().cast(), data.len());
        let result = if written < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
        libc::close(fd);
        result
    }
}

fn set_option(fd: &impl AsFd, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    let raw = fd.as_fd().as_raw_fd();
    // SAFETY: the option reads one int from a live local of that size.
    check(unsafe { libc::setsockopt(raw, level, name, ptr::from_ref(&value).cast(), socklen::<c_int>()) })
        .map(drop)
}

fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn socklen<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or_default()
}

// include/uapi/linux/bpf.h
const BPF_PROG_LOAD: c_int = 5;
// include/uapi/linux/capability.h
const CAPABILITY_VERSION_3: u32 = 0x2008_0522;
// include/uapi/linux/sockios.h
const SIOCGSKNS: c_ulong = 0x894C;
