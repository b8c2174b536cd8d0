//! An operation under every fault of every answer that it gets, and dropped at every point where it waits for one.

use std::{
    fmt::{Debug, Display},
    pin::Pin,
    time::Duration,
};

use tokio::runtime::Handle;

use super::{
    answer::{HEADER, NLMSG_DONE, NLMSG_ERROR, number},
    conversation::{Conversation, Delivery, Fault},
    played::{Played, kind},
};
use crate::{
    cancel,
    wait::{eventually, within},
};

/// An operation whose outcome is words, so that a table can hold operations of all types.
pub type InWords = Pin<Box<dyn Future<Output = Result<String, String>>>>;

/// The operation with its output and its error in words.
pub fn in_words<T: Debug, E: Display>(operation: impl Future<Output = Result<T, E>> + 'static) -> InWords {
    Box::pin(async move {
        let outcome = operation.await;
        outcome.map(|output| format!("{output:?}")).map_err(|error| error.to_string())
    })
}

/// What [`every_fault`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Faults {
    /// The outcome without a fault.
    pub expected: Result<String, String>,
    /// How many faults the operation was run with.
    pub tried: usize,
    /// How many of them it reported as an error.
    pub noticed: usize,
    /// How many of them led to more requests than without a fault, and to no error.
    pub asked_again: usize,
    /// Successes that the answers do not bear out, in words; none is what a test expects.
    pub false_successes: Vec<String>,
}

/// Runs an operation once without a fault, and once for each fault of each answer that it got then.
///
/// `run` makes the operation over the sockets of a kernel. Its output is what the operation returned, in words, and in the error the words
/// for it. A success is false
///
/// - if the verdict of an exchange (`NLMSG_ERROR`, `NLMSG_DONE`) was lost or spoilt and the operation asked no other request than before,
/// - if it is another than without the fault, but for faults that a program cannot notice: the kernel keeps the order of messages and
///   announces a loss, and neither the length of an attribute nor a sequence number has a check sum,
/// - if the operation is refused without the fault.
///
/// `headers` is that of [`Conversation::faults_with`]. The operation has its own time limit for answers that do not come; keep it short.
///
/// ```
/// use std::os::unix::net::UnixDatagram;
/// use std::time::Duration;
///
/// use nl_testkit::fault::{Answer, Conversation, Delivery, Played, every_fault};
///
/// /// The operation under test: a request, and its acknowledgement.
/// async fn add(kernel: Played) -> Result<String, String> {
///     let socket = UnixDatagram::from(kernel.socket().map_err(|error| error.to_string())?);
///     socket.set_nonblocking(true).map_err(|error| error.to_string())?;
///     let socket = tokio::net::UnixDatagram::from_std(socket).map_err(|error| error.to_string())?;
///     // NLM_F_REQUEST | NLM_F_ACK
///     let request = Answer::new(28, &[0; 12]).flag(5).seq(1).to_bytes();
///     socket.send(&request).await.map_err(|error| error.to_string())?;
///     let mut answer = [0; 256];
///     let received = tokio::time::timeout(Duration::from_millis(20), socket.recv(&mut answer)).await;
///     let size = received.map_err(|_| "no answer")?.map_err(|error| error.to_string())?;
///     match Delivery::received(&answer[..size]) {
///         Delivery::Datagram(answer) if answer == Answer::ack(&request).to_bytes() => Ok("added".to_owned()),
///         _ => Err("no acknowledgement".to_owned()),
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let kernel = |request: &[u8]| Conversation::of([Answer::ack(request)]);
/// // An acknowledgement has no attributes, so there is no fixed header before them.
/// let faults = every_fault(kernel, |_| None, Duration::from_secs(20), add).await;
/// assert_eq!(faults.expected.as_deref(), Ok("added"));
/// assert_eq!(faults.false_successes, [] as [String; 0]);
/// assert!(faults.tried > 30, "{faults:?}");
/// # }
/// ```
///
/// nl-core takes the sockets by `ConnectionBuilder::sockets_from`, rtnetlink by `PeerSocket::over` of feature `fault-socket`.
///
/// # Panics
///
/// When the operation takes longer than the deadline.
pub async fn every_fault<F: Future<Output = Result<String, String>>>(
    script: impl Fn(&[u8]) -> Conversation + Clone + Send + Sync + 'static,
    headers: impl Fn(u16) -> Option<usize> + Clone,
    deadline: Duration,
    mut run: impl FnMut(Played) -> F,
) -> Faults {
    let honest = Played::new(script.clone());
    let expected = within(deadline, run(honest.clone()), "the operation without a fault").await;
    let exchanges = honest.exchanges();
    let mut found = Faults { expected, tried: 0, noticed: 0, asked_again: 0, false_successes: Vec::new() };
    for (number, (request, conversation)) in exchanges.iter().enumerate() {
        for (fault, spoilt) in conversation.faults_with(headers.clone()) {
            let kernel = Played::with_fault(script.clone(), number, fault);
            let what = format!("the operation with {fault:?} in exchange {number}");
            let outcome = within(deadline, run(kernel.clone()), &what).await;
            found.tried += 1;
            let Ok(output) = outcome else {
                found.noticed += 1;
                continue;
            };
            let asked_again = kernel.exchanges().len() > exchanges.len();
            found.asked_again += usize::from(asked_again);
            let had_verdict = has_verdict(conversation, request);
            let why = if found.expected.is_err() {
                "it is refused without the fault"
            } else if had_verdict && !has_verdict(&spoilt, request) && !asked_again {
                "there was no verdict"
            } else if found.expected.as_ref() != Ok(&output) && !cannot_be_noticed(fault) {
                "it is another"
            } else {
                continue;
            };
            let success = format!("{fault:?} in exchange {number} gave {output}: {why}");
            found.false_successes.push(success);
        }
    }
    found
}

/// Runs an operation over the sockets of a kernel again and again, [dropped](cancel::at_every_await) one await point later each time.
/// Returns its outcome and how often it was dropped.
///
/// After each drop `works` is to show that the connection still does. Then at most `sockets` sockets of the kernel are open, and no task is
/// left but that with which the kernel serves each of them.
///
/// # Panics
///
/// When more is left, or anything takes longer than the deadline.
pub async fn every_await<F: Future>(
    kernel: &Played,
    sockets: usize,
    deadline: Duration,
    run: impl FnMut() -> F,
    mut works: impl AsyncFnMut(),
) -> (F::Output, usize) {
    let alive = || Handle::current().metrics().num_alive_tasks();
    let others = alive() - kernel.open_sockets().min(alive());
    let cancelled = async |point: usize| {
        within(deadline, works(), &format!("the connection after a drop at point {point}")).await;
        let clean = async || {
            let open = kernel.open_sockets();
            (open <= sockets && alive() <= open + others).then_some(())
        };
        eventually(deadline, clean, &format!("what a drop at point {point} left to be closed")).await;
    };
    // Each part has the deadline, so this is for an operation that never ends.
    let all = cancel::at_every_await(run, cancelled);
    within(deadline * 20, all, "the operation and its drops").await
}

/// Whether the kernel's verdict on a request is in what arrives, whole.
fn has_verdict(conversation: &Conversation, request: &[u8]) -> bool {
    let seq = number(request, 8);
    let until_the_end = conversation.deliveries().iter().take_while(|delivery| **delivery != Delivery::End);
    let mut datagrams = until_the_end.filter_map(|delivery| match delivery {
        Delivery::Datagram(bytes) => Some(bytes.as_slice()),
        _ => None,
    });
    datagrams.any(|datagram| {
        let mut rest = datagram;
        while let Some((message, behind)) = split_message(rest) {
            let long_enough = match kind(message) {
                NLMSG_ERROR => message.len() >= HEADER + 4,
                // An empty one is allowed, and means success.
                NLMSG_DONE => true,
                _ => false,
            };
            if long_enough && number(message, 8) == seq {
                return true;
            }
            rest = behind;
        }
        false
    })
}

fn split_message(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::try_from(number(bytes, 0)).ok().filter(|length| *length >= HEADER)?;
    let message = bytes.get(..length)?;
    Some((message, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

fn cannot_be_noticed(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::AttrLength { .. }
            | Fault::Duplicated { .. }
            | Fault::Lost { .. }
            | Fault::Swapped { .. }
            | Fault::WrongSequence { .. }
    )
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use tokio::io::unix::AsyncFd;

    use super::*;
    use crate::fault::{Answer, peer::register, sys};

    const DEADLINE: Duration = Duration::from_secs(20);
    const PATIENCE: Duration = Duration::from_millis(20);

    fn request(seq: u32) -> Vec<u8> {
        // NLM_F_REQUEST | NLM_F_ACK
        Answer::new(28, &[7; 12]).flag(5).seq(seq).to_bytes()
    }

    /// The next datagram; `None` for an error, an end or nothing.
    async fn receive(socket: &AsyncFd<OwnedFd>) -> Option<Vec<u8>> {
        let mut buffer = [0; 256];
        let read = async {
            loop {
                let mut ready = socket.readable().await.ok()?;
                if let Ok(result) = ready.try_io(|socket| sys::receive(socket, &mut buffer)) {
                    return result.ok();
                }
            }
        };
        let size = tokio::time::timeout(PATIENCE, read).await.ok()??;
        match Delivery::received(&buffer[..size]) {
            Delivery::Datagram(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A client that sends two requests and believes what it likes.
    async fn two_requests(kernel: Played, believes_anything: bool) -> Result<String, String> {
        let socket = register(kernel.socket().unwrap()).unwrap();
        for seq in [1, 2] {
            sys::send_to_kernel(socket.get_ref(), &request(seq)).map_err(|error| error.to_string())?;
            let answer = receive(&socket).await;
            if believes_anything {
                continue;
            }
            let answer = answer.ok_or("no answer")?;
            let whole = Answer::ack(&request(seq)).to_bytes();
            // Other messages that mean success may differ in length, flags and number alone.
            if answer != whole {
                return Err("not an acknowledgement".to_owned());
            }
        }
        Ok("done".to_owned())
    }

    fn ack(request: &[u8]) -> Conversation {
        Conversation::of([Answer::ack(request)])
    }

    #[tokio::test]
    async fn a_careful_client_reports_every_fault() {
        let faults = every_fault(ack, |_| None, DEADLINE, |kernel| two_requests(kernel, false)).await;
        assert_eq!(faults.false_successes, [] as [String; 0]);
        // Both exchanges: each length of 36 bytes, and those of the header.
        assert!(faults.tried > 2 * 40, "{faults:?}");
        assert!(faults.noticed > 2 * 38, "{faults:?}");
    }

    #[tokio::test]
    async fn a_credulous_client_is_caught_in_each_exchange() {
        let faults = every_fault(ack, |_| None, DEADLINE, |kernel| two_requests(kernel, true)).await;
        for exchange in 0..2 {
            let lost =
                format!("Lost {{ delivery: 0 }} in exchange {exchange} gave done: there was no verdict");
            assert!(faults.false_successes.contains(&lost), "{:#?}", faults.false_successes);
        }
    }

    #[tokio::test]
    async fn an_operation_is_dropped_at_each_point_and_what_it_left_is_found() {
        let kernel = Played::new(ack);
        let run = || two_requests(kernel.clone(), false);
        let (outcome, points) = every_await(&kernel, 0, DEADLINE, run, async || ()).await;
        assert_eq!(outcome.as_deref(), Ok("done"));
        assert!(points >= 2, "{points} points");

        let (left, made) = (std::cell::RefCell::new(Vec::new()), kernel.clone());
        let leaky = || async {
            left.borrow_mut().push(made.socket().unwrap());
            tokio::task::yield_now().await;
        };
        let short = Duration::from_millis(50);
        let message = crate::panic_of(every_await(&kernel, 0, short, leaky, async || ())).await;
        assert!(message.is_some_and(|message| message.contains("a drop at point 1 left to be closed")));
    }

    #[tokio::test]
    async fn a_request_that_wants_no_acknowledgement_gets_none_but_its_refusal() {
        let unacknowledged = Answer::new(28, &[7; 12]).flag(1).seq(1).to_bytes();
        let kernel = Played::new(|request| {
            Conversation::of([Answer::ack(request), Answer::error(libc::EEXIST, request)])
        });
        let socket = register(kernel.socket().unwrap()).unwrap();
        assert_eq!(kernel.open_sockets(), 1);
        sys::send_to_kernel(socket.get_ref(), &unacknowledged).unwrap();
        let refusal = Answer::error(libc::EEXIST, &unacknowledged);
        assert_eq!(receive(&socket).await, Some(refusal.to_bytes()));
        assert_eq!(kernel.exchanges(), [(unacknowledged, Conversation::of([refusal]))]);
        drop(socket);
        let closed = async || (kernel.open_sockets() == 0).then_some(());
        eventually(DEADLINE, closed, "the socket to be closed").await;
    }
}
