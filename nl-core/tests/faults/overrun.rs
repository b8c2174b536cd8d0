//! The receive buffer overflows at every point of every kind of conversation.
//!
//! The kernel then queues nothing until the buffer was read empty, so each is played twice: with all that follows lost too,
//! and with only one delivery lost.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use futures_util::{StreamExt, TryStreamExt};
use nl_core::error::Errno;
use nl_core::link::Link;
use nl_core::message::IfInfoMsg;
use nl_core::{Connection, Pending, Protocol, Request};
use nl_testkit::fault::{Answer, Conversation, Delivery, Fault, Peer};
use nl_testkit::within;

use crate::{DEADLINE, NAMES, change, link, only, played, played_with, table, verdicts};

/// With nothing behind the first `kept` deliveries, or all but one.
fn overrun(whole: &Conversation, at: usize) -> [Conversation; 2] {
    let all = whole.deliveries().iter().take(at).cloned().chain([Delivery::OVERRUN]).collect();
    // Behind the last there is none to be lost.
    let one = whole
        .with(Fault::Overrun { delivery: at })
        .unwrap_or_else(|| whole.deliveries().iter().cloned().chain([Delivery::OVERRUN]).collect());
    [all, one]
}

#[tokio::test]
async fn requests_without_a_verdict_fail_and_the_next_is_answered() {
    const REQUESTS: usize = 4;
    for at in 0..=REQUESTS {
        for variant in 0..2 {
            let (socket, peer) = Peer::pair().unwrap();
            let kernel = async move {
                let mut asked = Vec::new();
                for _ in 0..REQUESTS {
                    asked.push(peer.asked().await.unwrap().unwrap().only().unwrap().to_vec());
                }
                let answers = Conversation::of(asked.iter().map(|request| Answer::ack(request)));
                let peer = peer.play(&overrun(&answers, at)[variant]).await.unwrap().unwrap();
                for _ in 0..2 {
                    let next = peer.asked().await.unwrap().unwrap();
                    peer.answer(&Answer::ack(next.only().unwrap())).await.unwrap();
                }
                peer
            };
            let conn = Connection::builder(Protocol::Route).sockets_from(only(socket)).timeout(DEADLINE);
            let conn = conn.open().unwrap();
            let program = async {
                let first = join_all((0..REQUESTS).map(|_| conn.ack(change("x")))).await;
                (first, conn.ack(change("y")).await, conn.ack(change("z")).await)
            };
            let what = format!("requests with an overrun at {at}, variant {variant}");
            let ((first, next, last), _peer) =
                within(DEADLINE, async { tokio::join!(program, kernel) }, &what).await;
            for (number, outcome) in first.iter().enumerate() {
                match outcome {
                    Ok(_) => assert!(number < at || variant == 1 && number != at, "{what}: {number} passed"),
                    Err(error) => assert!(error.is_overrun() && number >= at, "{what}: {number}: {error}"),
                }
            }
            match at {
                // The loss was reported when nothing was pending. Until somebody has read the report the kernel drops answers, so
                // the outcome of the next request is not known.
                REQUESTS => assert!(next.is_err_and(|error| error.is_overrun()), "{what}"),
                _ => drop(next.unwrap_or_else(|error| panic!("{what}: the next one: {error}"))),
            }
            last.unwrap_or_else(|error| panic!("{what}: the last one: {error}"));
        }
    }
}

#[tokio::test]
async fn a_request_for_an_object_fails_unless_it_has_all() {
    let get =
        |conn: &Connection| conn.get(Request::unnamed(18).with_header(&IfInfoMsg::default()), Link::decode);
    objects_and_overruns(&get, &|request| vec![link("a", request), Answer::ack(request)]).await;
}

/// The object is all of the answer.
#[tokio::test]
async fn a_look_up_fails_unless_it_has_its_object() {
    objects_and_overruns(&|conn| conn.link("a"), &|request| vec![link("a", request)]).await;
}

async fn objects_and_overruns(
    get: &dyn Fn(&Connection) -> Pending<Link>,
    reply: &(impl Fn(&[u8]) -> Vec<Answer> + Clone + Send + Sync + 'static),
) {
    let length = reply(&Answer::new(18, &[0; 16]).to_bytes()).len();
    for at in 0..=length {
        for variant in 0..2 {
            let asked = std::sync::Arc::new(AtomicUsize::new(0));
            let answers = reply.clone();
            let conn = played(move |_, request| {
                let answers = Conversation::of(answers(request));
                match asked.fetch_add(1, Ordering::Relaxed) {
                    0 => {
                        let [all, one] = overrun(&answers, at);
                        if variant == 0 { all } else { one }
                    }
                    _ => answers,
                }
            });
            let what = format!("an object with an overrun at {at} of {length}, variant {variant}");
            let first = within(DEADLINE, get(&conn), &what).await;
            let second = within(DEADLINE, get(&conn), &what).await;
            if at == length {
                // Reported behind the first answer, when nothing was pending.
                drop(first.unwrap());
                assert!(second.is_err_and(|error| error.is_overrun()), "{what}");
            } else {
                assert!(first.as_ref().is_err_and(nl_core::Error::is_overrun), "{what}: {first:?}");
                drop(second.unwrap());
            }
            within(DEADLINE, get(&conn), &what).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_dump_yields_what_came_before_and_fails() {
    for at in 0..=NAMES.len() {
        for variant in 0..2 {
            let conn = played(move |_, request| overrun(&table(request), at)[variant].clone());
            let what = format!("a dump with an overrun at {at}, variant {variant}");
            let outcomes: Vec<_> = within(DEADLINE, conn.links().collect(), &what).await;
            let (last, before) = outcomes.split_last().unwrap();
            let names: Vec<_> = before.iter().map(|link| link.as_ref().unwrap().name.clone()).collect();
            assert_eq!(names, NAMES[..at], "{what}");
            assert!(last.as_ref().is_err_and(nl_core::Error::is_overrun), "{what}: {last:?}");
            let all = within(DEADLINE, conn.links().try_collect::<Vec<_>>(), &what).await;
            assert!(all.is_err_and(|error| error.is_overrun()), "{what}");
            let all = within(DEADLINE, conn.links().collect_all(), &what).await;
            assert!(all.is_err_and(|error| error.is_overrun()), "{what}");
        }
    }
}

#[tokio::test]
async fn a_dump_that_had_its_end_is_complete() {
    let conn = played(move |_, request| overrun(&table(request), NAMES.len() + 1)[0].clone());
    let links = within(DEADLINE, conn.links().collect_all(), "the dump").await.unwrap();
    assert_eq!(links.len(), NAMES.len());
}

#[tokio::test]
async fn requests_of_a_batch_that_lost_their_answers_fail_and_the_others_do_not() {
    for at in 0..2 {
        for variant in 0..2 {
            let conn = played_with(move |_, peer| async move {
                let Ok(Some(asked)) = peer.asked().await else { return };
                let answers = verdicts(&asked.requests).unwrap();
                // Both ends stay open until the code under test closes its own.
                if let Ok(Some(peer)) = peer.play(&overrun(&answers, at)[variant]).await {
                    let _ = peer.asked().await;
                }
            });
            let what = format!("a batch with an overrun at {at}, variant {variant}");
            let batch = conn.batch(["x", "y", "z"].map(change));
            let outcomes: Vec<_> = within(DEADLINE, batch.collect(), &what).await;
            let [first, second, third] = outcomes.as_slice() else { panic!("{what}: {outcomes:?}") };
            for unknown in [first, third] {
                assert!(unknown.as_ref().is_err_and(nl_core::Error::is_overrun), "{what}: {outcomes:?}");
            }
            let refused = second.as_ref().unwrap_err();
            match at {
                0 => assert!(refused.is_overrun(), "{what}: {refused}"),
                _ => assert_eq!(refused.errno(), Some(Errno::EEXIST), "{what}: {refused}"),
            }
        }
    }
}

#[tokio::test]
async fn a_batch_goes_on_behind_the_datagram_whose_answers_were_lost() {
    const REQUESTS: usize = 400;
    let mut at = 0;
    loop {
        let sizes = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let conn = {
            let sizes = std::sync::Arc::clone(&sizes);
            played_with(move |_, peer| {
                let sizes = std::sync::Arc::clone(&sizes);
                async move {
                    while let Ok(Some(asked)) = peer.asked().await {
                        let number = sizes.lock().unwrap().len();
                        sizes.lock().unwrap().push(asked.requests.len());
                        let fence = Answer::ack(asked.requests.last().unwrap()).to_bytes();
                        let answer = match number == at {
                            true => Delivery::OVERRUN,
                            false => Delivery::Datagram(fence),
                        };
                        if peer.deliver(&answer).await.is_err() {
                            break;
                        }
                    }
                }
            })
        };
        let what = format!("a batch with an overrun in answer {at}");
        let batch = conn.batch((0..REQUESTS).map(|_| change("x")));
        let outcomes: Vec<_> = within(DEADLINE, batch.collect(), &what).await;
        let sizes = sizes.lock().unwrap().clone();
        let before: usize = sizes.iter().take(at).sum();
        let lost = before..before + sizes[at];
        assert_eq!(outcomes.len(), REQUESTS, "{what}");
        for (number, outcome) in outcomes.iter().enumerate() {
            match outcome {
                Ok(_) => assert!(!lost.contains(&number), "{what}: {number} of {lost:?} passed"),
                Err(error) => {
                    assert!(error.is_overrun() && lost.contains(&number), "{what}: {number}: {error}")
                }
            }
        }
        at += 1;
        if at == sizes.len() {
            assert!(at > 1, "all went in one datagram");
            break;
        }
    }
}
