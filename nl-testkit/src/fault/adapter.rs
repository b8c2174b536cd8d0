//! The program's end of a connection, for programs that use netlink-proto.

use std::{
    io,
    os::fd::OwnedFd,
    task::{Context, Poll, ready},
};

use bytes::BufMut;
use netlink_sys::{AsyncSocket, Socket, SocketAddr};
use tokio::io::unix::AsyncFd;

use super::{conversation::Delivery, peer::register, sys};

/// The program's end of a [pair](super::Peer::pair) as a socket for netlink-proto, and so for rtnetlink, genetlink and the others that are
/// built on it.
///
/// A [`Delivery::Error`] is a receive call that fails, and [`Delivery::End`] one that fails with
/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof). What sets options of a netlink socket fails, as this is none. A new connection of
/// the program cannot be made this way: hand the socket to `from_socket` of rtnetlink or `from_socket_with_codec` of netlink-proto.
///
/// ```
/// use futures_util::TryStreamExt;
/// use nl_testkit::fault::{Answer, Conversation, Peer, PeerSocket};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> nl_testkit::Result {
/// let (program, kernel) = Peer::pair()?;
/// let (connection, handle, _) = rtnetlink::from_socket(PeerSocket::over(program)?);
/// tokio::spawn(connection);
///
/// // The connection ends with its last handle, and the kernel's part with it.
/// let list = async move { handle.link().get().execute().try_collect::<Vec<_>>().await };
/// let refuse = |request: &[u8]| Conversation::of([Answer::error(1, request).text("not for you")]);
/// let (links, served) = tokio::join!(list, kernel.serve(refuse));
/// served?;
/// assert!(matches!(links, Err(rtnetlink::Error::NetlinkError(error)) if error.raw_code() == -1));
/// # Ok(())
/// # }
/// ```
///
/// The example `rtnetlink_faults` goes through every fault of a list.
#[derive(Debug)]
pub struct PeerSocket(AsyncFd<Socket>);

impl PeerSocket {
    /// A socket over the program's end.
    ///
    /// Call it inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// When it cannot be registered with the runtime.
    pub fn over(program: OwnedFd) -> io::Result<Self> {
        let socket = sys::netlink(program);
        socket.set_non_blocking(true)?;
        Ok(Self(register(socket)?))
    }

    fn poll_delivery(&self, cx: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        loop {
            let mut guard = ready!(self.0.poll_read_ready(cx))?;
            let Ok(received) = guard.try_io(|socket| receive(socket.get_ref())) else { continue };
            return Poll::Ready(received.and_then(|bytes| match Delivery::received(&bytes) {
                Delivery::Datagram(bytes) => Ok(bytes),
                Delivery::End => Err(io::ErrorKind::UnexpectedEof.into()),
                Delivery::Error(errno) => Err(io::Error::from_raw_os_error(errno)),
            }));
        }
    }
}

impl AsyncSocket for PeerSocket {
    fn socket_ref(&self) -> &Socket {
        self.0.get_ref()
    }

    fn socket_mut(&mut self) -> &mut Socket {
        self.0.get_mut()
    }

    fn new(_protocol: isize) -> io::Result<Self> {
        Err(io::Error::other("a PeerSocket has a peer: make it with PeerSocket::over"))
    }

    fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.0.poll_write_ready(cx))?;
            if let Ok(sent) = guard.try_io(|socket| sys::send(socket.get_ref(), buf)) {
                return Poll::Ready(sent.map(|()| buf.len()));
            }
        }
    }

    fn poll_send_to(&self, cx: &mut Context<'_>, buf: &[u8], _addr: &SocketAddr) -> Poll<io::Result<usize>> {
        self.poll_send(cx, buf)
    }

    fn poll_recv<B: BufMut>(&self, cx: &mut Context<'_>, buf: &mut B) -> Poll<io::Result<()>> {
        self.poll_recv_from(cx, buf).map_ok(drop)
    }

    fn poll_recv_from<B: BufMut>(&self, cx: &mut Context<'_>, buf: &mut B) -> Poll<io::Result<SocketAddr>> {
        let bytes = ready!(self.poll_delivery(cx))?;
        // As a receive call does: what has no room is lost.
        let room = buf.chunk_mut().len().min(bytes.len());
        buf.put_slice(bytes.get(..room).unwrap_or_default());
        Poll::Ready(Ok(kernel()))
    }

    fn poll_recv_from_full(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Vec<u8>, SocketAddr)>> {
        self.poll_delivery(cx).map_ok(|bytes| (bytes, kernel()))
    }
}

fn receive(socket: &Socket) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; LONGEST];
    let size = sys::receive(socket, &mut buffer)?;
    buffer.truncate(size);
    Ok(buffer)
}

/// The address that the kernel's messages come from.
fn kernel() -> SocketAddr {
    SocketAddr::new(0, 0)
}

/// No message of a kernel is longer, nor one that a test makes of several.
const LONGEST: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use crate::fault::{Answer, Peer};

    async fn next(socket: &PeerSocket) -> io::Result<(Vec<u8>, u32)> {
        let mut buffer = Vec::with_capacity(64);
        let from = poll_fn(|cx| socket.poll_recv_from(cx, &mut buffer)).await?;
        Ok((buffer, from.port_number()))
    }

    #[tokio::test]
    async fn deliveries_are_datagrams_errors_and_an_end() {
        let (program, peer) = Peer::pair().unwrap();
        let socket = PeerSocket::over(program).unwrap();
        let event = Answer::new(28, b"one");
        peer.answer(&event).await.unwrap();
        peer.deliver(&Delivery::OVERRUN).await.unwrap();
        drop(peer);
        assert_eq!(next(&socket).await.unwrap(), (event.to_bytes(), 0));
        assert_eq!(next(&socket).await.unwrap_err().raw_os_error(), Some(libc::ENOBUFS));
        assert_eq!(next(&socket).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(next(&socket).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn what_has_no_room_is_lost() {
        let (program, peer) = Peer::pair().unwrap();
        let socket = PeerSocket::over(program).unwrap();
        let event = Answer::new(28, &[7; 200]);
        peer.answer(&event).await.unwrap();
        assert_eq!(next(&socket).await.unwrap().0, event.to_bytes()[..64]);
        peer.answer(&event).await.unwrap();
        let (whole, _) = poll_fn(|cx| socket.poll_recv_from_full(cx)).await.unwrap();
        assert_eq!(whole, event.to_bytes());
    }

    #[tokio::test]
    async fn requests_reach_the_peer() {
        let (program, peer) = Peer::pair().unwrap();
        let socket = PeerSocket::over(program).unwrap();
        let request = Answer::new(18, &[0; 16]).flag(0x301).seq(7).to_bytes();
        let sent = poll_fn(|cx| socket.poll_send_to(cx, &request, &kernel())).await.unwrap();
        assert_eq!(sent, request.len());
        assert_eq!(peer.asked().await.unwrap().unwrap().requests, [request]);
        assert!(<PeerSocket as AsyncSocket>::new(0).is_err());
    }
}
