//! Programs that are followed: this one, whose harness runs each test on a thread.

use std::{
    env,
    fs::File,
    io::{IoSlice, Write},
    os::fd::BorrowedFd,
    thread,
    time::{Duration, Instant},
};

use futures_util::TryStreamExt;
use netlink_sys::{Socket, protocols::NETLINK_ROUTE};

use crate::{
    Result,
    fault::Answer,
    oracle::follow::{Request, follow},
};

const DEADLINE: Duration = Duration::from_secs(30);
/// Set for the two programs that would end all tests, or keep them from ending, if they were run as a test.
const FOLLOWED: &str = "NL_TESTKIT_FOLLOWED";
const RTM_GETLINK: u16 = 18;
/// `NLM_F_REQUEST`; what asks for no more is answered by no list.
const REQUEST: u16 = 1;

/// Runs one of the programs below, with another one in front, and returns the requests of what `exec` made of that.
fn requests_of(program: &str, before: &str) -> Vec<Request> {
    let line = format!(
        "{before} {} --exact oracle::tests::follow::{program}",
        env::current_exe().unwrap().display()
    );
    let (output, sent) = follow(&line, DEADLINE).unwrap();
    assert!(output.status.success() && output.stdout.contains("running 1 test"), "{output}");
    sent
}

fn kinds(sent: &[Request]) -> Vec<(u16, u16)> {
    let kind = |(protocol, message): &Request| (*protocol, u16::from_ne_bytes([message[4], message[5]]));
    sent.iter().map(kind).collect()
}

/// The sequence numbers.
fn numbers(sent: &[Request]) -> Vec<u8> {
    let number = |(_, message): &Request| u32::from_ne_bytes(message[8..12].try_into().unwrap());
    sent.iter().map(|request| u8::try_from(number(request)).unwrap()).collect()
}

/// A request for the link of index 1, with a number.
fn request(number: u8) -> Vec<u8> {
    let header = [[0_u8; 4].as_slice(), &1_u32.to_ne_bytes(), &[0; 8]].concat();
    Answer::new(RTM_GETLINK, &header).flag(REQUEST).seq(number.into()).to_bytes()
}

/// The socket as a file, which `write` and `writev` send on.
fn file(socket: &Socket) -> File {
    let fd: BorrowedFd<'_> = std::os::fd::AsFd::as_fd(socket);
    fd.try_clone_to_owned().unwrap().into()
}

#[test]
fn threads_with_rtnetlink() {
    let list = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (connection, handle, _) = rtnetlink::new_connection().unwrap();
            let driver = tokio::spawn(connection);
            let links: Vec<_> = handle.link().get().execute().try_collect().await.unwrap();
            assert!(!links.is_empty());
            drop(handle);
            driver.await.unwrap();
        });
    };
    let threads = [list, list].map(thread::spawn);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn sockets_without_an_address() {
    let socket = Socket::new(NETLINK_ROUTE).unwrap();
    socket.send(&request(1), 0).unwrap();
    let mut file = file(&socket);
    file.write_all(&request(2)).unwrap();
    let third = request(3);
    let (header, body) = third.split_at(16);
    assert_eq!(file.write_vectored(&[IoSlice::new(header), IoSlice::new(body)]).unwrap(), third.len());
    // Refused: the address is too short.
    assert!(Socket::new(NETLINK_ROUTE).unwrap().send(&[], libc::MSG_OOB).is_err());
    // A socket of another kind.
    let other = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    other.send_to(&request(4), other.local_addr().unwrap()).unwrap();
}

#[test]
fn a_thread_that_ends_the_program_while_others_send() {
    if env::var_os(FOLLOWED).is_none() {
        return;
    }
    let send = |number: u8| {
        move || {
            let socket = Socket::new(NETLINK_ROUTE).unwrap();
            // Until the program ends, which is when nobody reads the answers.
            while socket.send(&request(number), 0).is_ok() {
                thread::yield_now();
            }
        }
    };
    for number in 1..=4 {
        thread::spawn(send(number));
    }
    let socket = Socket::new(NETLINK_ROUTE).unwrap();
    socket.send(&request(7), 0).unwrap();
    std::process::exit(0);
}

#[test]
fn a_thread_that_waits_for_ever() {
    if env::var_os(FOLLOWED).is_none() {
        return;
    }
    thread::spawn(|| {
        loop {
            thread::park()
        }
    })
    .join()
    .unwrap();
}

#[test]
fn requests_of_all_threads_are_seen() {
    let sent = requests_of("threads_with_rtnetlink", "");
    assert_eq!(kinds(&sent), [(0, RTM_GETLINK); 2]);
}

#[test]
fn each_way_of_sending_is_seen_and_the_first_request_of_a_socket_too() {
    let sent = requests_of("sockets_without_an_address", "");
    assert_eq!(numbers(&sent), [1, 2, 3]);
    assert_eq!(sent[2].1, request(3));
}

#[test]
fn what_takes_the_place_of_a_program_is_followed() {
    assert_eq!(numbers(&requests_of("sockets_without_an_address", "env LC_ALL=C")), [1, 2, 3]);
}

/// Those that are in a call when another thread ends the program are gone, which is no error.
#[test]
fn a_program_that_ends_while_its_threads_send_is_followed_to_its_end() {
    for _ in 0..5 {
        let sent =
            requests_of("a_thread_that_ends_the_program_while_others_send", &format!("env {FOLLOWED}=1"));
        assert!(numbers(&sent).contains(&7), "{} requests", sent.len());
    }
}

#[test]
fn a_program_past_its_deadline_is_killed_with_its_threads() -> Result {
    let exe = env::current_exe()?;
    let line = format!(
        "env {FOLLOWED}=1 {} --exact oracle::tests::follow::a_thread_that_waits_for_ever",
        exe.display()
    );
    let begun = Instant::now();
    let error = follow(&line, Duration::from_millis(300)).unwrap_err().to_string();
    assert_eq!(error, "it has not ended after 300ms");
    assert!(begun.elapsed() < DEADLINE);
    Ok(())
}

#[test]
fn a_program_that_is_none_is_an_error() {
    assert!(follow("nosuchprogram", DEADLINE).is_err());
    assert!(follow("", DEADLINE).is_err());
}
