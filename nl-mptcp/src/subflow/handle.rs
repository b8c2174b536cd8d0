use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream;
use nl_core::error::{Ack, Errno, ErrorKind, Since};
use nl_core::monitor::Monitor;
use nl_core::{Dev, Error, Pending, Result};

use super::codec::{Subflow, SubflowVerb};
use crate::channel::{Channel, or_not_found};
use crate::event::{MptcpEvent, SubflowEvent, listen};
use crate::id::same;
use crate::{AddressId, Token};

/// A subflow to be created, changed or destroyed. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct SubflowEntry {
    channel: Channel,
    token: Token,
    dev: Option<Dev>,
    subflow: Subflow,
    /// The backup flag is to be cleared.
    cleared: bool,
}

impl SubflowEntry {
    pub(crate) fn new(channel: Channel, token: Token, subflow: Subflow) -> Self {
        let dev = subflow.index.map(Dev::Index);
        Self { channel, token, dev, subflow, cleared: false }
    }

    /// See [`Subflow::id()`].
    pub fn id(mut self, id: impl Into<AddressId>) -> Self {
        self.subflow = self.subflow.id(id);
        self
    }

    /// See [`Subflow::backup()`].
    pub fn backup(mut self) -> Self {
        self.subflow = self.subflow.backup();
        self
    }

    /// Clears the backup flag, so that the subflow is a regular one; for [`change`](Self::change).
    pub fn nobackup(mut self) -> Self {
        self.cleared = true;
        self
    }

    /// A new subflow leaves through this interface. The scope of an IPv6 address (`fe80::1%3`) does the same.
    pub fn dev(mut self, dev: impl Into<Dev>) -> Self {
        self.dev = Some(dev.into());
        self
    }

    /// Creates the subflow. Success means that the first packet was sent, not that the peer accepted: the events report that, and
    /// [`create_established`](Self::create_established) waits for it.
    ///
    /// If it fails with another error of the kernel than `EINVAL`, the kernel forgets the id, also where the address of this id has other
    /// subflows or was announced: [`list`](crate::connection::ConnectionEntry::list) lacks it, and
    /// [`withdraw`](crate::connection::ConnectionEntry::withdraw) does not find it. The other subflows continue, and each can be
    /// [destroyed](Self::destroy). So create a subflow with an id in use only where its address and its route are known to exist;
    /// the path manager of this crate does.
    ///
    /// Needs `CAP_NET_ADMIN`. Linux 5.19.
    ///
    /// # Errors
    /// `ENOTCONN` before the connection is established at both ends, which takes an exchange of data; `EADDRNOTAVAIL` if
    /// this machine does not have the local address; `ENETUNREACH`; `EINVAL` if the connection has the address under another id
    /// or another address under the id, if the token has no connection, or one of the kernel's path manager. The device does not
    /// exist. No id, remote port 0, one end IPv4 and the other IPv6, or scopes and a device that are not one interface, before the
    /// kernel is asked.
    /// [`Unsupported`](ErrorKind::Unsupported) for [`backup`](Self::backup) and [`dev`](Self::dev) on Linux 6.1, which
    /// would ignore them.
    pub fn create(self) -> Pending<Ack> {
        Pending::new(async move {
            self.try_create().await.map_err(|error| self.explain(SubflowVerb::Create, error))
        })
    }

    async fn try_create(&self) -> Result<Ack> {
        let Self { channel, token, dev, subflow, cleared } = self;
        if *cleared {
            return Err(Error::usage("nobackup() is for change(): a new subflow is a regular one"));
        }
        subflow.check_interface()?;
        // A kernel that ignores both still reports the number of attributes it knows.
        let bound = dev.is_some() || subflow.interface().is_some();
        if (subflow.backup || bound) && channel.family().await?.max_attr != 0 {
            return Err(Error::unsupported("backup and interface of a new subflow", Since::linux(6, 7)));
        }
        let encode =
            |family, index| Subflow { index, ..subflow.clone() }.request(family, *token, SubflowVerb::Create);
        channel.acknowledged_on(dev.clone(), encode).await.map_err(or_not_found)
    }

    /// Creates the subflow and waits until the peer has accepted it, for this long at most; returns the event.
    ///
    /// It listens to the [events](crate::Mptcp::events) meanwhile.
    ///
    /// # Errors
    /// As [`create`](Self::create). Then `ECONNREFUSED` or the other error that closed the subflow, `ECONNABORTED` if the kernel
    /// reports no error, `ENOTCONN` if the whole connection was closed;
    /// [`is_timeout`](Error::is_timeout) if the peer does not answer, and the kernel continues to try;
    /// [`is_overrun`](Error::is_overrun) if events were lost, which may include the one that was waited for.
    pub fn create_established(self, deadline: Duration) -> Pending<SubflowEvent> {
        Pending::new(async move {
            self.establish(deadline).await.map_err(|error| self.explain(SubflowVerb::Create, error))
        })
    }

    async fn establish(&self, deadline: Duration) -> Result<SubflowEvent> {
        let events = listen(&self.channel, None, |event| event).await?;
        self.try_create().await?;
        let this = self.clone();
        Pending::new(async move { this.outcome(events).await }).timeout(deadline).await
    }

    /// Makes the subflow a backup with [`backup`](Self::backup), or a regular one with [`nobackup`](Self::nobackup). The peer is
    /// informed.
    ///
    /// Port 0 matches any port.
    ///
    /// Needs `CAP_NET_ADMIN`. Linux 5.19.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if the subflow does not exist; `EINVAL` if the token has no connection, or one of
    /// the kernel's path manager; neither [`backup`](Self::backup) nor [`nobackup`](Self::nobackup), or both, before the kernel is
    /// asked.
    pub fn change(self) -> Pending<Ack> {
        self.act(SubflowVerb::Change)
    }

    /// Closes the subflow. The kernel sends its data again over the others, and forgets the local address too, as
    /// [`list`](crate::connection::ConnectionEntry::list) shows.
    ///
    /// Needs `CAP_NET_ADMIN`. Linux 5.19.
    ///
    /// # Errors
    /// `ESRCH` ([`is_not_found`](Error::is_not_found)) if the subflow does not exist; `EINVAL` if the token has no connection, or
    /// one of the kernel's path manager; a port 0, before the kernel is asked.
    pub fn destroy(self) -> Pending<Ack> {
        self.act(SubflowVerb::Destroy)
    }

    fn act(self, verb: SubflowVerb) -> Pending<Ack> {
        Pending::new(async move {
            if self.dev.is_some() {
                let why = "the interface is for create(): an existing subflow does not change its interface";
                return Err(self.explain(verb, Error::usage(why)));
            }
            let refusal = match (verb, self.subflow.backup, self.cleared) {
                (SubflowVerb::Change, false, false) => Some("nothing to change: backup() or nobackup()"),
                (SubflowVerb::Change, true, true) => Some("backup() and nobackup() exclude each other"),
                _ => None,
            };
            if let Some(why) = refusal {
                return Err(self.explain(verb, Error::usage(why)));
            }
            let encode = |family| self.subflow.request(family, self.token, verb);
            self.channel.acknowledged(encode).await.map_err(or_not_found)
        })
    }

    async fn outcome(&self, mut events: Monitor<MptcpEvent>) -> Result<SubflowEvent> {
        let errno = |errno: Errno| Error::from(std::io::Error::from_raw_os_error(errno.get()));
        while let Some(event) = poll_fn(|cx| Pin::new(&mut events).poll_next(cx)).await {
            match event? {
                MptcpEvent::SubflowEstablished(event) if self.is(&event) => return Ok(event),
                MptcpEvent::SubflowClosed(event) if self.is(&event) => {
                    return Err(errno(event.error.unwrap_or(Errno::ECONNABORTED)));
                }
                MptcpEvent::Closed { token } if token == self.token => return Err(errno(Errno::ENOTCONN)),
                _ => {}
            }
        }
        Err(ErrorKind::Closed.into())
    }

    /// Whether an event is about this subflow, which is being created.
    fn is(&self, event: &SubflowEvent) -> bool {
        let Subflow { local, remote, id, .. } = &self.subflow;
        event.token == self.token
            && event.local_id == *id
            && same(event.local.ip(), local.ip())
            && (local.port() == 0 || local.port() == event.local.port())
            && same(event.remote.ip(), remote.ip())
            && remote.port() == event.remote.port()
    }

    /// Ties an error to the operation, in the caller's words.
    fn explain(&self, verb: SubflowVerb, error: Error) -> Error {
        // A stand-in for the index of the device, which the caller's name replaces. Only a new subflow has a device.
        let index = self.dev.as_ref().map(|_| u32::MAX);
        let request = Subflow { index, ..self.subflow.clone() }.request(0, self.token, verb);
        self.dev.iter().fold(request.not_sent(error), |error, dev| error.naming(u32::MAX, dev))
    }
}
