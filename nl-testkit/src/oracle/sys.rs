//! The system calls of the recorders, each behind a safe function.

use std::{
    collections::HashSet,
    io, mem,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::process::{CommandExt, ExitStatusExt},
    },
    process::{Command, ExitStatus},
    ptr,
    sync::atomic::{AtomicU32, Ordering},
};

use libc::{c_int, c_long, pid_t};

/// A packet on an nlmon device.
pub(super) struct Packet {
    /// Its full size, which may exceed that of `bytes`.
    pub(super) size: usize,
    /// The netlink protocol it is of.
    pub(super) protocol: u16,
    /// `PACKET_KERNEL`, `PACKET_USER` or `PACKET_OUTGOING`.
    pub(super) direction: u8,
    pub(super) bytes: Vec<u8>,
}

/// A packet socket that sees the requests that pass an interface, the kernel's own "outgoing" packets included.
///
/// The packets are taken from a ring, into which the kernel copies them when they pass. A socket that is read would show
/// them as they are then: the kernel works on requests in place, for one it clears flags of FDB requests it has granted.
#[derive(Debug)]
pub(super) struct Tap {
    fd: OwnedFd,
    ring: ptr::NonNull<u8>,
    next: usize,
}

// SAFETY: the mapping belongs to the tap alone, and is touched through `&mut self` or when it is dropped.
unsafe impl Send for Tap {}

impl Tap {
    pub(super) fn open(index: u32) -> io::Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: socket takes integers; the descriptor it returns is new and owned by nobody else.
        let fd = unsafe { OwnedFd::from_raw_fd(check(libc::socket(libc::AF_PACKET, kind, 0))?) };
        set_option(&fd, libc::SOL_PACKET, libc::PACKET_VERSION, &TPACKET_V2)?;
        // struct tpacket_req: block size, blocks, frame size, frames.
        let size = |size: usize| u32::try_from(size).map_err(io::Error::other);
        let ring = [size(FRAME)?, size(FRAMES)?, size(FRAME)?, size(FRAMES)?];
        set_option(&fd, libc::SOL_PACKET, libc::PACKET_RX_RING, &ring)?;
        let instruction = |code: u32, jt, jf, k| {
            let code = u16::try_from(code).map_err(io::Error::other)?;
            io::Result::Ok(libc::sock_filter { code, jt, jf, k })
        };
        let low_byte_of_flags = if cfg!(target_endian = "little") { 6 } else { 7 };
        let mut filter = [
            instruction(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 0, 0, low_byte_of_flags)?,
            instruction(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, 0, 1, NLM_F_REQUEST)?,
            instruction(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX)?,
            instruction(libc::BPF_RET | libc::BPF_K, 0, 0, 0)?,
        ];
        let program = libc::sock_fprog { len: 4, filter: filter.as_mut_ptr() };
        set_option(&fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)?;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping of the whole ring, at an address the kernel chooses.
        let ring = unsafe {
            libc::mmap(ptr::null_mut(), FRAME * FRAMES, access, libc::MAP_SHARED, fd.as_raw_fd(), 0)
        };
        if ring == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let ring = ptr::NonNull::new(ring.cast()).ok_or_else(|| io::Error::other("mapped at 0"))?;
        let tap = Self { fd, ring, next: 0 };
        // SAFETY: sockaddr_ll is plain integers, for which all zeroes is a valid value.
        let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
        address.sll_family = u16::try_from(libc::AF_PACKET).unwrap_or_default();
        address.sll_protocol = u16::try_from(libc::ETH_P_ALL).unwrap_or(3).to_be();
        address.sll_ifindex = c_int::try_from(index).map_err(io::Error::other)?;
        let length = length_of::<libc::sockaddr_ll>();
        // SAFETY: the address is a live sockaddr_ll and the length is its size.
        check(unsafe { libc::bind(tap.fd.as_raw_fd(), ptr::from_ref(&address).cast(), length) })?;
        Ok(tap)
    }

    /// Takes the next packet; `None` when there is none.
    pub(super) fn packet(&mut self) -> Option<Packet> {
        // SAFETY: `next` is below FRAMES, so the frame is inside the mapping. Its first word is the status, aligned as
        // the frame is; the kernel and we hand the frame to each other through it.
        let (frame, status) = unsafe {
            let frame = self.ring.add(self.next * FRAME);
            (frame, AtomicU32::from_ptr(frame.cast().as_ptr()))
        };
        if status.load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
            return None;
        }
        // SAFETY: the frame is ours until the status says otherwise. It holds a tpacket2_hdr, a sockaddr_ll behind it
        // (32 bytes in, see TPACKET_ALIGN), and the packet, whose place in the frame is bounded here.
        let packet = unsafe {
            let header: libc::tpacket2_hdr = frame.cast().read();
            let address: libc::sockaddr_ll = frame.add(BEHIND_HEADER).cast().read();
            let start = usize::from(header.tp_mac).min(FRAME);
            let length = usize::try_from(header.tp_snaplen).unwrap_or(0).min(FRAME - start);
            let bytes = std::slice::from_raw_parts(frame.add(start).as_ptr(), length).to_vec();
            Packet {
                size: usize::try_from(header.tp_len).unwrap_or(usize::MAX),
                protocol: u16::from_be(address.sll_protocol),
                direction: address.sll_pkttype,
                bytes,
            }
        };
        status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.next = (self.next + 1) % FRAMES;
        Some(packet)
    }

    /// How many packets found no place since the last call.
    pub(super) fn drops(&self) -> io::Result<u32> {
        let mut statistics = [0_u32; 2];
        let mut length = length_of::<[u32; 2]>();
        // SAFETY: the option writes a tpacket_stats, two u32, into a live local of that size.
        check(unsafe {
            libc::getsockopt(
                self.fd.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                ptr::from_mut(&mut statistics).cast(),
                &raw mut length,
            )
        })?;
        Ok(statistics[1])
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this size and nothing refers to it any more.
        unsafe { libc::munmap(self.ring.as_ptr().cast(), FRAME * FRAMES) };
    }
}

/// Makes a program stop at its start for the thread that spawns it, and die with that thread.
pub(super) fn stop_at_start(command: &mut Command) {
    let hook = || {
        crate::sys::die_with_parent()?;
        let nothing = ptr::null_mut::<libc::c_void>();
        // SAFETY: PTRACE_TRACEME takes no further arguments and touches no memory of ours.
        check_long(unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, nothing, nothing) }).map(drop)
    };
    // SAFETY: between fork and exec the hook makes two system calls and allocates nothing.
    unsafe { command.pre_exec(hook) };
}

/// A program with its threads, led from system call to system call by the thread that spawned it. Dropped, it is killed.
pub(super) struct Traced {
    leader: pid_t,
    /// The threads that have shown themselves; each begins with a stop that its starter has nothing to do with.
    threads: HashSet<pid_t>,
    /// What is to go on when the next stop is asked for, and the signal that it gets then.
    stopped: Option<(pid_t, c_int)>,
    ended: bool,
}

/// Why a traced program stopped.
pub(super) enum Stop {
    /// All its threads have ended.
    Ended(ExitStatus),
    /// A thread begins a system call: number and arguments.
    Enters(pid_t, u64, [u64; 6]),
    /// A thread ends one: the value returned, negative for an error.
    Leaves(pid_t, i64),
    /// Another program takes its place; its other threads are gone.
    Replaced,
}

impl Traced {
    /// Takes over a program made with [`stop_at_start`].
    pub(super) fn new(pid: u32) -> io::Result<Self> {
        let leader = pid_t::try_from(pid).map_err(io::Error::other)?;
        let mut traced =
            Self { leader, threads: HashSet::from([leader]), stopped: Some((leader, 0)), ended: false };
        let (_, status) = wait(leader)?;
        traced.ended = !libc::WIFSTOPPED(status);
        if traced.ended || libc::WSTOPSIG(status) != libc::SIGTRAP {
            return Err(io::Error::other(format!("it cannot be traced: it began with status {status:#x}")));
        }
        let options = libc::PTRACE_O_TRACESYSGOOD
            | libc::PTRACE_O_EXITKILL
            | libc::PTRACE_O_TRACECLONE
            | libc::PTRACE_O_TRACEEXEC;
        ask(leader, libc::PTRACE_SETOPTIONS, 0, usize::try_from(options).map_err(io::Error::other)?)?;
        Ok(traced)
    }

    /// Lets the thread that stopped last go on, and waits for the next stop of any.
    pub(super) fn next(&mut self) -> io::Result<Stop> {
        loop {
            if let Some((thread, signal)) = self.stopped.take() {
                let signal = usize::try_from(signal).unwrap_or(0);
                unless_gone(ask(thread, libc::PTRACE_SYSCALL, 0, signal))?;
            }
            let (thread, status) = wait(ANY)?;
            if !libc::WIFSTOPPED(status) {
                self.threads.remove(&thread);
                if thread == self.leader {
                    self.ended = true;
                    return Ok(Stop::Ended(ExitStatus::from_raw(status)));
                }
                continue;
            }
            self.stopped = Some((thread, 0));
            match (libc::WSTOPSIG(status), status >> 16) {
                (SYSCALL_STOP, _) => {
                    if let Some(stop) = unless_gone(system_call(thread))? {
                        return Ok(stop);
                    }
                }
                (libc::SIGTRAP, libc::PTRACE_EVENT_EXEC) => {
                    self.threads = HashSet::from([self.leader]);
                    return Ok(Stop::Replaced);
                }
                (libc::SIGTRAP, 1..) => {}
                (libc::SIGSTOP, _) if self.threads.insert(thread) => {}
                (signal, _) => self.stopped = Some((thread, signal)),
            }
        }
    }

    /// Copies `length` bytes of the memory that a thread sees.
    pub(super) fn read(thread: pid_t, address: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0_u8; length];
        let local = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: length };
        let address = usize::try_from(address).map_err(io::Error::other)?;
        let remote = libc::iovec { iov_base: ptr::with_exposed_provenance_mut(address), iov_len: length };
        // SAFETY: the local part is a live buffer of that length; the remote address is only looked at by the kernel.
        let copied = unsafe { libc::process_vm_readv(thread, &raw const local, 1, &raw const remote, 1, 0) };
        match usize::try_from(copied) {
            Ok(copied) if copied == length => Ok(bytes),
            Ok(copied) => Err(io::Error::other(format!("{copied} of {length} bytes could be read"))),
            Err(_) => Err(io::Error::last_os_error()),
        }
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        // SAFETY: kill takes integers. The program has not been waited for, so its number is still its own.
        unsafe { libc::kill(self.leader, libc::SIGKILL) };
        // Its leader's end is reported when all other threads have been waited for.
        while wait(ANY).is_ok_and(|(thread, status)| thread != self.leader || libc::WIFSTOPPED(status)) {}
    }
}

/// A program that can be killed from another thread, without harm to another program once it has been waited for.
pub(super) struct Killer(OwnedFd);

impl Killer {
    pub(super) fn of(pid: u32) -> io::Result<Self> {
        let pid = pid_t::try_from(pid).map_err(io::Error::other)?;
        // SAFETY: pidfd_open takes integers; the descriptor it returns is new and owned by nobody else.
        let fd = check_long(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
        let fd = c_int::try_from(fd).map_err(io::Error::other)?;
        // SAFETY: see above.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub(super) fn kill(&self) {
        let nothing = ptr::null::<libc::siginfo_t>();
        // SAFETY: the signal's information is optional, and null stands for none. It fails when the program has ended.
        unsafe {
            libc::syscall(libc::SYS_pidfd_send_signal, self.0.as_raw_fd(), libc::SIGKILL, nothing, 0);
        }
    }
}

/// Waits for a stop or the end of a thread that this thread traces, or of a program that it spawned.
fn wait(whom: pid_t) -> io::Result<(pid_t, c_int)> {
    let mut status = 0;
    loop {
        // SAFETY: the status is a live int.
        match check(unsafe { libc::waitpid(whom, &raw mut status, libc::__WALL | libc::__WNOTHREAD) }) {
            Ok(thread) => return Ok((thread, status)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn system_call(thread: pid_t) -> io::Result<Stop> {
    // struct ptrace_syscall_info: u8 op, padding, u32 arch, u64 ip, u64 sp, then by op: u64 nr, u64 args[6] or s64
    // rval.
    let mut info = [0_u64; 16];
    ask(thread, GET_SYSCALL_INFO, size_of_val(&info), info.as_mut_ptr().expose_provenance())?;
    let [head, _ip, _sp, first, rest @ ..] = info;
    match head.to_ne_bytes()[0] {
        1 => {
            let [a, b, c, d, e, f, ..] = rest;
            Ok(Stop::Enters(thread, first, [a, b, c, d, e, f]))
        }
        2 => Ok(Stop::Leaves(thread, first.cast_signed())),
        other => Err(io::Error::other(format!("an unknown kind of stop: {other}"))),
    }
}

fn ask(thread: pid_t, what: Question, address: usize, data: usize) -> io::Result<c_long> {
    let address = ptr::with_exposed_provenance_mut::<libc::c_void>(address);
    let data = ptr::with_exposed_provenance_mut::<libc::c_void>(data);
    // SAFETY: of the questions asked here only GET_SYSCALL_INFO writes to our memory: at most `address` bytes to
    // `data`, which then is a live buffer of that size. The others take integers.
    check_long(unsafe { libc::ptrace(what, thread, address, data) })
}

/// A stopped thread is gone when another of its program ends the whole or becomes another program; its end is reported next.
fn unless_gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
        other => other.map(Some),
    }
}

fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn check_long(result: c_long) -> io::Result<c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn set_option<T>(fd: &OwnedFd, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    // SAFETY: the option reads at most the size of a live value.
    check(unsafe {
        libc::setsockopt(fd.as_raw_fd(), level, name, ptr::from_ref(value).cast(), length_of::<T>())
    })
    .map(drop)
}

fn length_of<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or_default()
}

#[cfg(target_env = "musl")]
type Question = c_int;
#[cfg(not(target_env = "musl"))]
type Question = libc::c_uint;

/// Whatever the waiting thread spawned or traces.
const ANY: pid_t = -1;
/// With `PTRACE_O_TRACESYSGOOD`.
const SYSCALL_STOP: c_int = libc::SIGTRAP | 0x80;
// include/uapi/linux/ptrace.h
const GET_SYSCALL_INFO: Question = 0x420e;

// include/uapi/linux/if_packet.h
const TPACKET_V2: c_int = 1;
/// Where the address is in a frame: behind a tpacket2_hdr.
const BEHIND_HEADER: usize = 32;
/// The size of a frame, and with it of the largest datagram that can be shown whole.
const FRAME: usize = 1 << 16;
const FRAMES: usize = 128;
const NLM_F_REQUEST: u32 = 1;
