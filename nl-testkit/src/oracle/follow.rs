//! A program and its threads, followed from system call to system call for the netlink requests that they send.

use std::{
    collections::HashMap,
    fs,
    io::{self, Read},
    process::{Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use libc::{c_long, pid_t};

use super::{
    shape::messages,
    sys::{self, Killer, Stop, Traced},
};
use crate::{Output, Result};

/// Netlink protocol and message.
pub(super) type Request = (u16, Vec<u8>);

/// Runs a command line split at white space on the calling thread, which must have spawned nothing else, and returns the requests that the
/// program sent.
pub(super) fn follow(line: &str, deadline: Duration) -> Result<(Output, Vec<Request>)> {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().ok_or("a command needs a program")?);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    sys::stop_at_start(&mut command);
    let mut child = command.spawn()?;
    let stdout = child.stdout.take().map(collect);
    let stderr = child.stderr.take().map(collect);
    let (ended, watch) = watch(Killer::of(child.id())?, deadline);
    let followed = trace(child.id());
    drop(ended);
    let text = |reader: Option<thread::JoinHandle<Vec<u8>>>| {
        let bytes = reader.and_then(|reader| reader.join().ok()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (stdout, stderr) = (text(stdout), text(stderr));
    if watch.join().unwrap_or(false) {
        return Err(format!("it has not ended after {deadline:?}").into());
    }
    let (status, sent) = followed?;
    Ok((Output { command: line.to_owned(), status, stdout, stderr }, sent))
}

/// Kills a program at its deadline, unless the sender is dropped before; the thread returns whether it did.
fn watch(program: Killer, deadline: Duration) -> (mpsc::Sender<()>, thread::JoinHandle<bool>) {
    let (ended, end) = mpsc::channel();
    let watch = thread::spawn(move || {
        let is_late = end.recv_timeout(deadline) == Err(RecvTimeoutError::Timeout);
        if is_late {
            program.kill();
        }
        is_late
    });
    (ended, watch)
}

fn collect(mut from: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read until an error is still shown.
        let _ = from.read_to_end(&mut bytes);
        bytes
    })
}

fn trace(pid: u32) -> Result<(ExitStatus, Vec<Request>)> {
    let mut program = Traced::new(pid)?;
    let mut sockets = Sockets::default();
    let mut calls: HashMap<pid_t, Call> = HashMap::new();
    let mut sent = Vec::new();
    loop {
        match program.next()? {
            Stop::Ended(status) => return Ok((status, sent)),
            Stop::Replaced => calls.clear(),
            Stop::Enters(thread, number, arguments) => {
                calls.remove(&thread);
                if let Some(call) = Call::begin(thread, number, arguments, &sockets)? {
                    calls.insert(thread, call);
                }
            }
            Stop::Leaves(thread, result) => {
                if let (Some(call), Ok(result)) = (calls.remove(&thread), usize::try_from(result)) {
                    sent.extend(call.end(thread, result, &mut sockets)?);
                }
            }
        }
    }
}

/// A system call that a thread is in.
enum Call {
    /// It makes a socket: of netlink with this protocol, or of another family.
    Socket(Option<u16>),
    /// It sends to a socket what could be read of its memory; `many` if it returns the number of datagrams that were sent.
    Send { target: String, datagrams: Result<Vec<Vec<u8>>>, many: bool },
}

impl Call {
    /// `None` for a call that sends nothing over netlink.
    fn begin(thread: pid_t, number: u64, arguments: [u64; 6], sockets: &Sockets) -> io::Result<Option<Self>> {
        let [first, second, third, ..] = arguments;
        let number = c_long::try_from(number).unwrap_or(-1);
        if number == libc::SYS_socket {
            let is_netlink = first == u64::from(libc::AF_NETLINK.unsigned_abs());
            return Ok(Some(Self::Socket(u16::try_from(third).ok().filter(|_| is_netlink))));
        }
        if ![SENDMSG, SENDTO, SENDMMSG, WRITE, WRITEV].contains(&number) {
            return Ok(None);
        }
        let Some(target) = target_of(thread, first)? else { return Ok(None) };
        if !target.starts_with(SOCKET) || sockets.known.get(&target) == Some(&None) {
            return Ok(None);
        }
        let datagrams = match number {
            SENDTO | WRITE => plain(thread, second, third).map(|datagram| vec![datagram]),
            WRITEV => vector(thread, second, third).map(|datagram| vec![datagram]),
            SENDMSG => message(thread, second).map(|datagram| vec![datagram]),
            _ => many(thread, second, third),
        };
        Ok(Some(Self::Send { target, datagrams, many: number == SENDMMSG }))
    }

    /// The requests that it has sent, where it has not failed.
    fn end(self, thread: pid_t, result: usize, sockets: &mut Sockets) -> Result<Vec<Request>> {
        match self {
            Self::Socket(protocol) => {
                let made = u64::try_from(result)?;
                if let Some(target) = target_of(thread, made)? {
                    sockets.known.insert(target, protocol);
                }
                Ok(Vec::new())
            }
            Self::Send { target, datagrams, many } => {
                let Some(protocol) = sockets.protocol_of(thread, target)? else { return Ok(Vec::new()) };
                let sent = if many { result } else { 1 };
                let mut requests = Vec::new();
                for datagram in datagrams?.iter().take(sent) {
                    requests.extend(messages(datagram)?.into_iter().map(|m| (protocol, m.to_vec())));
                }
                Ok(requests)
            }
        }
    }
}

/// What is known of sockets by what `/proc` calls them: the netlink protocol, or that it is another kind.
#[derive(Default)]
struct Sockets {
    known: HashMap<String, Option<u16>>,
}

impl Sockets {
    /// The netlink protocol of the socket that a system call has sent to; `None` when it is another kind of socket.
    ///
    /// The kernel lists the socket, which has an address at the latest since the call. Of a socket that the program made it was seen.
    fn protocol_of(&mut self, thread: pid_t, target: String) -> io::Result<Option<u16>> {
        if let Some(protocol) = self.known.get(&target) {
            return Ok(*protocol);
        }
        let inode = target.strip_prefix(SOCKET).and_then(|rest| rest.strip_suffix(']'));
        let mut protocol = None;
        if let Some(inode) = inode {
            // The kernel walks a hash table for this file, and skips sockets while others come and go.
            for _ in 0..READINGS {
                let path = format!("/proc/{thread}/net/netlink");
                let Some(table) = unless_gone(fs::read_to_string(path))? else { return Ok(None) };
                protocol = table
                    .lines()
                    .find(|line| line.split_whitespace().last() == Some(inode))
                    .and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
                if protocol.is_some() {
                    break;
                }
            }
        }
        self.known.insert(target, protocol);
        Ok(protocol)
    }
}

/// What a descriptor of a thread refers to; `None` when it is none.
fn target_of(thread: pid_t, descriptor: u64) -> io::Result<Option<String>> {
    // An int, of which a program may leave anything in the upper half of the register.
    let descriptor = descriptor & u64::from(u32::MAX);
    let target = unless_gone(fs::read_link(format!("/proc/{thread}/fd/{descriptor}")))?;
    Ok(target.map(|target| target.to_string_lossy().into_owned()))
}

/// A thread that another one has ended has no files any more.
fn unless_gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error)
            if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH) =>
        {
            Ok(None)
        }
        other => other.map(Some),
    }
}

/// One buffer.
fn plain(thread: pid_t, address: u64, length: u64) -> Result<Vec<u8>> {
    let length = usize::try_from(length)?;
    if length > LONGEST {
        return Err(format!("it sends {length} bytes at once, more than {LONGEST}").into());
    }
    Ok(Traced::read(thread, address, length)?)
}

/// The buffers of an array of struct iovec, put together.
fn vector(thread: pid_t, address: u64, count: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for part in words(&array(thread, address, count, 2 * WORD)?).chunks(2) {
        let [address, length] = part else { return Err("half a vector".into()) };
        bytes.extend(plain(thread, *address, *length)?);
    }
    Ok(bytes)
}

/// What a struct msghdr refers to: name, length of it, vector, its length.
fn message(thread: pid_t, address: u64) -> Result<Vec<u8>> {
    let header = words(&Traced::read(thread, address, 4 * WORD)?);
    let [_, _, data, count] = header.as_slice() else { return Err("no message header".into()) };
    vector(thread, *data, *count)
}

/// What an array of struct mmsghdr refers to: each has a struct msghdr and a number.
fn many(thread: pid_t, address: u64, count: u64) -> Result<Vec<Vec<u8>>> {
    let headers = array(thread, address, count, size_of::<libc::mmsghdr>())?;
    let of_one = |header: &[u8]| match words(header).as_slice() {
        [_, _, data, count, ..] => vector(thread, *data, *count),
        _ => Err("no message header".into()),
    };
    headers.chunks_exact(size_of::<libc::mmsghdr>()).map(of_one).collect()
}

/// An array, of which the kernel looks at no more than this.
fn array(thread: pid_t, address: u64, count: u64, size: usize) -> Result<Vec<u8>> {
    let count = usize::try_from(count & u64::from(u32::MAX))?.min(MOST_PARTS);
    Ok(Traced::read(thread, address, count * size)?)
}

fn words(bytes: &[u8]) -> Vec<u64> {
    let word = |chunk: &[u8]| chunk.first_chunk().map_or(0, |chunk| usize::from_ne_bytes(*chunk));
    bytes.chunks_exact(WORD).map(|chunk| u64::try_from(word(chunk)).unwrap_or(0)).collect()
}

const SENDMSG: c_long = libc::SYS_sendmsg;
const SENDTO: c_long = libc::SYS_sendto;
const SENDMMSG: c_long = libc::SYS_sendmmsg;
const WRITE: c_long = libc::SYS_write;
const WRITEV: c_long = libc::SYS_writev;
const WORD: usize = size_of::<usize>();
/// How the name of a socket in `/proc` begins; its inode number follows.
const SOCKET: &str = "socket:[";
/// `UIO_MAXIOV`, the most parts of a vector and the most datagrams of a call.
const MOST_PARTS: usize = 1024;
/// More than a netlink socket takes in one datagram, whose limit is its send buffer.
const LONGEST: usize = 1 << 24;
/// How often a socket is looked for before it is taken to be none of netlink.
const READINGS: usize = 100;
