//! The kernel's end of a connection, played by a test.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
    path::Path,
    time::Duration,
};

use tokio::{io::unix::AsyncFd, time::timeout};

use super::{
    answer::{Answer, number},
    conversation::{Conversation, Delivery},
    sys,
};
use crate::{Result, oracle::messages};

/// Two connected descriptors that keep datagrams apart, of which [`Peer::over`] makes the kernel's end. Needs no runtime.
///
/// # Errors
///
/// When no descriptor is left.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    sys::pair()
}

/// The same through a listener with a name in the file system: datagrams of such a peer come with an address.
///
/// # Errors
///
/// When the file exists or cannot be made, or no descriptor is left.
pub fn connected(path: &Path) -> io::Result<(OwnedFd, OwnedFd)> {
    sys::connected(path)
}

/// The end of a connection at which a test plays the kernel; made with the other end by [`Peer::pair`].
#[derive(Debug)]
pub struct Peer {
    socket: AsyncFd<OwnedFd>,
}

/// A datagram the program has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Asked {
    /// The requests in it.
    pub requests: Vec<Vec<u8>>,
}

impl Peer {
    /// A descriptor for the program under test, and the end at which the kernel is played.
    ///
    /// Call it inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// When no descriptor is left.
    pub fn pair() -> io::Result<(OwnedFd, Self)> {
        let (program, kernel) = sys::pair()?;
        Ok((program, Self { socket: register(kernel)? }))
    }

    /// The end at which the kernel is played, over one of a [`pair`] of descriptors.
    ///
    /// Call it inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// When it cannot be registered with the runtime.
    pub fn over(socket: OwnedFd) -> io::Result<Self> {
        Ok(Self { socket: register(socket)? })
    }

    /// The next datagram of the program, `None` when it has closed its end.
    ///
    /// # Errors
    ///
    /// When none comes in ten seconds, or it is no netlink.
    pub async fn asked(&self) -> Result<Option<Asked>> {
        let mut buffer = vec![0; 1 << 20];
        let size = timeout(PATIENCE, self.receive(&mut buffer))
            .await
            .map_err(|_| format!("the program has asked nothing for {PATIENCE:?}"))??;
        match buffer.get(..size) {
            Some([]) => Ok(None),
            Some(datagram) => {
                let requests = messages(datagram)?.into_iter().map(<[u8]>::to_vec).collect();
                Ok(Some(Asked { requests }))
            }
            None => Err(format!("the program sent {size} bytes at once").into()),
        }
    }

    /// Sends one delivery. After [`Delivery::End`] use the peer no more: dropping it is the end.
    ///
    /// # Errors
    ///
    /// When the program has closed its end, or does not read in ten seconds.
    pub async fn deliver(&self, delivery: &Delivery) -> Result {
        match delivery {
            Delivery::Datagram(bytes) if bytes.is_empty() => {
                Err("an empty datagram cannot be distinguished from the end".into())
            }
            Delivery::Datagram(bytes) => self.send(bytes).await,
            Delivery::Error(errno) => self.send(&error_datagram(*errno)).await,
            Delivery::End => Ok(()),
        }
    }

    /// Sends a conversation; when it has an end, the connection ends with it.
    ///
    /// # Errors
    ///
    /// As [`deliver`](Self::deliver).
    pub async fn play(self, conversation: &Conversation) -> Result<Option<Self>> {
        for delivery in conversation.deliveries() {
            if *delivery == Delivery::End {
                return Ok(None);
            }
            self.deliver(delivery).await?;
        }
        Ok(Some(self))
    }

    /// Sends one answer in a datagram of its own.
    ///
    /// # Errors
    ///
    /// As [`deliver`](Self::deliver).
    pub async fn answer(&self, answer: &Answer) -> Result {
        self.deliver(&Delivery::Datagram(answer.to_bytes())).await
    }

    /// Answers every request with what `script` says, until the program closes its end or a conversation ends.
    ///
    /// # Errors
    ///
    /// As [`asked`](Self::asked) and [`deliver`](Self::deliver).
    pub async fn serve(mut self, mut script: impl FnMut(&[u8]) -> Conversation) -> Result {
        while let Some(asked) = self.asked().await? {
            for request in &asked.requests {
                match self.play(&script(request)).await? {
                    Some(peer) => self = peer,
                    None => return Ok(()),
                }
            }
        }
        Ok(())
    }

    async fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.socket.readable().await?;
            if let Ok(result) = ready.try_io(|socket| sys::receive(socket, buffer)) {
                return result;
            }
        }
    }

    async fn send(&self, datagram: &[u8]) -> Result {
        let send = async {
            loop {
                let mut ready = self.socket.writable().await?;
                if let Ok(result) = ready.try_io(|socket| sys::send(socket, datagram)) {
                    return result;
                }
            }
        };
        match timeout(PATIENCE, send).await {
            Ok(sent) => Ok(sent?),
            Err(_) => Err(format!("the program has read nothing for {PATIENCE:?}").into()),
        }
    }
}

impl Asked {
    /// The only request of the datagram.
    ///
    /// # Errors
    ///
    /// When there are several.
    pub fn only(&self) -> Result<&[u8]> {
        match self.requests.as_slice() {
            [request] => Ok(request),
            several => Err(format!("{} requests in one datagram", several.len()).into()),
        }
    }

    /// The sequence numbers of the requests.
    #[must_use]
    pub fn sequences(&self) -> Vec<u32> {
        self.requests.iter().map(|request| number(request, 8)).collect()
    }
}

#[expect(
    deprecated,
    reason = "the replacement is unsafe, and what owns its descriptor keeps its promise; it is also newer than 1.41"
)]
pub(super) fn register<T: AsRawFd>(socket: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::new(socket)
}

/// What stands for a receive error: a message of impossible length, and the error number.
fn error_datagram(errno: i32) -> [u8; 8] {
    let [a, b, c, d] = errno.to_ne_bytes();
    [0xff, 0xff, 0xff, 0xff, a, b, c, d]
}

const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn request(seq: u32) -> Vec<u8> {
        Answer::new(28, &[7; 12]).flag(5).seq(seq).pid(3).to_bytes()
    }

    fn read(program: &OwnedFd) -> Option<Vec<u8>> {
        let mut buffer = [0; 256];
        let size = sys::receive(program, &mut buffer).ok()?;
        Some(buffer[..size].to_vec())
    }

    #[tokio::test]
    async fn a_program_talks_to_its_peer_as_to_the_kernel() {
        let (program, peer) = Peer::pair().unwrap();
        sys::send_to_kernel(&program, &[request(1), request(2)].concat()).unwrap();
        let asked = peer.asked().await.unwrap().unwrap();
        assert_eq!((asked.sequences(), asked.only().is_err()), (vec![1, 2], true));
        peer.answer(&Answer::ack(&asked.requests[1])).await.unwrap();
        assert_eq!(read(&program), Some(Answer::ack(&request(2)).to_bytes()));
        assert_eq!(read(&program), None);
        drop(program);
        assert_eq!(peer.asked().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_script_answers_until_it_ends_the_connection() {
        let (program, peer) = Peer::pair().unwrap();
        sys::send_to_kernel(&program, &request(1)).unwrap();
        sys::send_to_kernel(&program, &request(2)).unwrap();
        let script = |request: &[u8]| match number(request, 8) {
            1 => Conversation::from_iter([
                Delivery::Datagram(Answer::ack(request).to_bytes()),
                Delivery::Error(libc::ENOBUFS),
            ]),
            _ => Conversation::from_iter([Delivery::End, Delivery::Error(1)]),
        };
        peer.serve(script).await.unwrap();
        assert_eq!(read(&program), Some(Answer::ack(&request(1)).to_bytes()));
        assert_eq!(read(&program), Some(error_datagram(libc::ENOBUFS).to_vec()));
        // A closed connection reads as an empty datagram, which the kernel never sends.
        assert_eq!(read(&program), Some(Vec::new()));
    }

    #[tokio::test]
    async fn a_datagram_that_would_pass_for_the_end_is_not_sent() {
        let (program, peer) = Peer::pair().unwrap();
        assert!(peer.deliver(&Delivery::Datagram(Vec::new())).await.is_err());
        assert_eq!(read(&program), None);
        assert!(peer.deliver(&Delivery::Datagram(vec![0; 1])).await.is_ok());
        assert_eq!(read(&program), Some(vec![0; 1]));
    }
}
