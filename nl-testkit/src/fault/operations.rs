//! Tables of operations, each under every fault and dropped at every await point.

use std::time::Duration;

use super::{
    conversation::Conversation,
    every::{InWords, every_await, every_fault},
    played::Played,
};
use crate::wait::eventually;

/// What a client does, with a name for the messages of a test.
pub type Operation<C> = (&'static str, fn(C) -> InWords);

/// Runs each operation of a table with [every fault](every_fault) of every answer.
///
/// `open` makes the client of an operation over the sockets of a kernel, `script` and `headers` are those of [`every_fault`].
///
/// ```
/// use std::{os::unix::net::UnixDatagram, time::Duration};
///
/// use nl_testkit::fault::{
///     Answer, Conversation, Delivery, Operation, Played, each_with_every_fault, in_words,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// /// A client that takes nothing but its whole acknowledgement for one.
/// async fn change(kernel: Played) -> Result<(), String> {
///     let socket = UnixDatagram::from(kernel.socket().map_err(|error| error.to_string())?);
/// #   socket.set_nonblocking(true).map_err(|error| error.to_string())?;
///     let request = Answer::new(28, b"change").flag(5).seq(1).to_bytes();
///     let answer = Answer::ack(&request).to_bytes();
///     socket.send(&request).map_err(|error| error.to_string())?;
///     let mut buffer = [0; 4096];
///     for _ in 0..50 {
///         tokio::time::sleep(Duration::from_millis(1)).await;
///         if let Ok(size) = socket.recv(&mut buffer) {
///             let received = Delivery::received(&buffer[..size]);
///             return if received == Delivery::Datagram(answer) { Ok(()) } else { Err(format!("{received:?}")) };
///         }
///     }
///     Err("no answer".to_owned())
/// }
///
/// let operations: &[Operation<Played>] = &[("change it", |kernel| in_words(change(kernel)))];
/// let kernel = |request: &[u8]| Conversation::of([Answer::ack(request)]);
/// each_with_every_fault(operations, kernel, |_| None, Duration::from_secs(20), Played::clone).await;
/// # }
/// ```
///
/// # Panics
///
/// When an operation fails without a fault, has a [false success](super::Faults::false_successes) or takes longer than the deadline, and
/// when it had no more than 40 faults or should have noticed no more than 20 of them, because such an operation asked for nothing. The false
/// successes of the whole table are in one message.
pub async fn each_with_every_fault<C>(
    operations: &[Operation<C>],
    script: impl Fn(&[u8]) -> Conversation + Clone + Send + Sync + 'static,
    headers: impl Fn(u16) -> Option<usize> + Clone,
    deadline: Duration,
    open: impl Fn(&Played) -> C,
) {
    let mut wrong = Vec::new();
    for (what, operation) in operations {
        let run = |kernel: Played| operation(open(&kernel));
        let faults = every_fault(script.clone(), headers.clone(), deadline, run).await;
        if let Err(error) = &faults.expected {
            failed(&format!("{what}: it fails without a fault: {error}"));
        }
        // One that asks again has noticed, and one that should have is named below.
        let met = faults.noticed + faults.asked_again + faults.false_successes.len();
        if faults.tried <= FEWEST_FAULTS || met <= FEWEST_NOTICED {
            failed(&format!("{what}: {faults:?}"));
        }
        wrong.extend(faults.false_successes.iter().map(|success| format!("{what}: {success}")));
    }
    if !wrong.is_empty() {
        failed(&format!("{} false successes:\n{}", wrong.len(), wrong.join("\n")));
    }
}

/// Runs each operation of a table dropped at [every await point](every_await), after which its client must work and have left nothing.
///
/// `open` makes a client over the sockets of a kernel, and `works` tries one whose operation was dropped. `sockets` is how many sockets a
/// client may have open while nothing goes on; with the client the last one must be closed.
///
/// # Panics
///
/// When an operation fails or is dropped less than twice, before its first poll and while it waits for an answer, or when what works or is
/// left is not so at the deadline.
pub async fn each_at_every_await<C: Clone>(
    operations: &[Operation<C>],
    script: impl Fn(&[u8]) -> Conversation + Clone + Send + Sync + 'static,
    sockets: usize,
    deadline: Duration,
    open: impl Fn(&Played) -> C,
    works: impl AsyncFn(&C),
) {
    for (what, operation) in operations {
        let kernel = Played::new(script.clone());
        let client = open(&kernel);
        let run = || operation(client.clone());
        let (outcome, points) =
            every_await(&kernel, sockets, deadline, run, async || works(&client).await).await;
        if let Err(error) = outcome {
            failed(&format!("{what}: {error}"));
        }
        if points < FEWEST_POINTS {
            failed(&format!("{what}: dropped {points} times, which is not while it waits for an answer"));
        }
        drop(client);
        let closed = async || (kernel.open_sockets() == 0).then_some(());
        eventually(deadline, closed, &format!("the sockets of {what} to be closed")).await;
    }
}

#[expect(clippy::panic, reason = "assertion helper")]
fn failed(what: &str) -> ! {
    panic!("{what}")
}

/// Cuts of one acknowledgement alone are 35.
const FEWEST_FAULTS: usize = 40;
const FEWEST_NOTICED: usize = 20;
const FEWEST_POINTS: usize = 2;

#[cfg(test)]
mod tests {
    use std::{
        os::fd::OwnedFd,
        sync::{Arc, Mutex},
    };

    use tokio::io::unix::AsyncFd;

    use super::*;
    use crate::{
        fault::{Answer, in_words, peer::register, sys},
        panic_of,
    };

    const DEADLINE: Duration = Duration::from_secs(20);
    const PATIENCE: Duration = Duration::from_millis(20);

    /// A socket that is kept for the next operation.
    #[derive(Clone)]
    struct Client(Arc<AsyncFd<OwnedFd>>, Arc<Mutex<Vec<OwnedFd>>>, Played);

    impl Client {
        fn open(kernel: &Played) -> Self {
            let socket = register(kernel.socket().unwrap()).unwrap();
            Self(Arc::new(socket), Arc::default(), kernel.clone())
        }

        /// Sends a request with this number and takes what `believes` for the answer to it, whatever was sent before.
        async fn ask(&self, number: u32, believes: fn(&[u8], &[u8]) -> bool) -> Result<(), String> {
            let request = Answer::new(28, &[7; 12]).flag(5).seq(number).to_bytes();
            sys::send_to_kernel(self.0.get_ref(), &request).map_err(|error| error.to_string())?;
            let mut buffer = [0; 256];
            let receive = async {
                loop {
                    let mut ready = self.0.readable().await.map_err(|error| error.to_string())?;
                    let Ok(received) = ready.try_io(|socket| sys::receive(socket, &mut buffer)) else {
                        continue;
                    };
                    let size = received.map_err(|error| error.to_string())?;
                    let answer = buffer.get(..size).unwrap_or_default();
                    // That of an operation that was dropped.
                    if answer.get(8..12) == Some(&1_u32.to_ne_bytes()) && number != 1 {
                        continue;
                    }
                    return if believes(&request, answer) {
                        Ok(())
                    } else {
                        Err("no answer to it".to_owned())
                    };
                }
            };
            tokio::time::timeout(PATIENCE, receive).await.map_err(|_| "no answer")?
        }
    }

    fn is_ack(request: &[u8], answer: &[u8]) -> bool {
        answer == Answer::ack(request).to_bytes()
    }

    fn ack(request: &[u8]) -> Conversation {
        Conversation::of([Answer::ack(request)])
    }

    fn refuse(request: &[u8]) -> Conversation {
        Conversation::of([Answer::error(libc::EPERM, request)])
    }

    type Table = &'static [Operation<Client>];
    const CAREFUL: Table = &[
        ("be careful", |client| in_words(async move { client.ask(1, is_ack).await })),
        ("be careful again", |client| in_words(async move { client.ask(1, is_ack).await })),
    ];
    const CREDULOUS: Table = &[
        ("be careful", |client| in_words(async move { client.ask(1, is_ack).await })),
        ("believe anything", |client| {
            in_words(async move {
                let _ = client.ask(1, |_, _| true).await;
                Ok::<_, String>(())
            })
        }),
    ];
    const IDLE: Table = &[("do nothing", |_| in_words(async { Ok::<_, String>(()) }))];
    const LEAKY: Table = &[("keep a socket", |client| {
        in_words(async move {
            client.1.lock().unwrap().push(client.2.socket().unwrap());
            client.ask(1, is_ack).await
        })
    })];

    async fn faults_of(table: Table, script: fn(&[u8]) -> Conversation) -> Option<String> {
        panic_of(each_with_every_fault(table, script, |_| None, DEADLINE, Client::open)).await
    }

    #[tokio::test]
    async fn careful_operations_pass_under_every_fault() {
        assert_eq!(faults_of(CAREFUL, ack).await, None);
    }

    #[tokio::test]
    async fn a_false_success_is_named_with_its_operation() {
        let message = faults_of(CREDULOUS, ack).await.unwrap();
        assert!(message.contains("\nbelieve anything: Lost { delivery: 0 } in exchange 0"), "{message}");
        assert!(!message.contains("be careful"), "{message}");
    }

    #[tokio::test]
    async fn operations_that_fail_or_ask_for_nothing_prove_nothing() {
        let message = faults_of(CAREFUL, refuse).await.unwrap();
        assert_eq!(message, "be careful: it fails without a fault: no answer to it");
        assert!(faults_of(IDLE, ack).await.unwrap().starts_with("do nothing: Faults"));
    }

    async fn drops_of(table: Table, script: fn(&[u8]) -> Conversation, deadline: Duration) -> Option<String> {
        let works = async |client: &Client| client.ask(2, is_ack).await.unwrap();
        panic_of(each_at_every_await(table, script, 1, deadline, Client::open, works)).await
    }

    #[tokio::test]
    async fn operations_that_leave_nothing_may_be_dropped_anywhere() {
        assert_eq!(drops_of(CAREFUL, ack, DEADLINE).await, None);
    }

    #[tokio::test]
    async fn what_a_dropped_operation_leaves_is_found_and_one_that_never_waits_is_refused() {
        let short = Duration::from_millis(200);
        let message = drops_of(LEAKY, ack, short).await.unwrap();
        assert!(message.contains("left to be closed"), "{message}");
        let message = drops_of(IDLE, ack, DEADLINE).await.unwrap();
        assert!(message.starts_with("do nothing: dropped 1 times"), "{message}");
    }
}
