//! The agent and a kernel that answers what a test wants: needs no kernel of any kind, and no rights.

use nl_testkit::fault::{Answer, Conversation, Peer, PeerSocket};
use rtnetlink::Error;
use vxlan_agent::index_of;

/// What the agent makes of a device if the kernel answers each request so.
async fn asked(answer: fn(&[u8]) -> Answer) -> Result<Option<u32>, Error> {
    let (program, kernel) = Peer::pair().expect("a pair of sockets");
    let socket = PeerSocket::over(program).expect("a socket");
    let (connection, handle, _) = rtnetlink::from_socket(socket);
    let driver = tokio::spawn(connection);
    // The last handle ends the connection, and with it the kernel's part.
    let ask = async move { index_of(&handle, "vx10").await };
    let (index, served) = tokio::join!(ask, kernel.serve(|request| Conversation::of([answer(request)])));
    served.expect("the kernel's part");
    driver.await.expect("the driver's end");
    index
}

#[tokio::test]
async fn a_device_that_is_not_there_is_none() {
    let answer = |request: &[u8]| Answer::error(ENODEV, request);
    assert!(matches!(asked(answer).await, Ok(None)));
}

#[tokio::test]
async fn a_refusal_is_not_taken_for_a_missing_device() {
    let answer = |request: &[u8]| Answer::error(EPERM, request).text("not for you");
    let refused = asked(answer).await;
    assert!(matches!(&refused, Err(Error::NetlinkError(error)) if error.raw_code() == -EPERM), "{refused:?}");
}

const EPERM: i32 = 1;
const ENODEV: i32 = 19;
