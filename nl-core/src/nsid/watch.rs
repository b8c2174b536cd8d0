use super::RTNLGRP_NSID;
use super::codec::{Nsid, NsidEvent, list_request};
use crate::attr::DecodeError;
use crate::message::MessageRef;
use crate::protocol::Protocol;
use crate::request::Request;
use crate::watch::{Entry, Event, Source, watch_of};

watch_of! {
    /// The namespaces that have an id, watched.
    ///
    /// ```no_run
    /// use futures_util::TryStreamExt;
    /// use nl_core::nsid::NsidWatch;
    /// use nl_core::watch::Change;
    /// use nl_core::{Connection, Protocol};
    ///
    /// # async fn example() -> nl_core::Result<()> {
    /// let mut watch = NsidWatch::open(&Connection::open(Protocol::Route)?).await?;
    /// while let Some(change) = watch.try_next().await? {
    ///     match change {
    ///         Change::Added(nsid) => println!("+ {nsid}"),
    ///         Change::Deleted(nsid) => println!("- {nsid}"),
    ///         Change::Synced => println!("= {} namespaces", watch.len()),
    ///         // An id is all that is known.
    ///         Change::Changed { .. } => {}
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A namespace that is deleted while its id is given to another one, both while events were lost, is taken for the same
    /// namespace.
    NsidWatch, NsidWatchBuilder: NsidSource of Nsid;
    /// Equivalent: `ip netns list-id` and `ip monitor nsid` together. Needs no privilege.
    open
}

impl Entry for Nsid {
    type Key = u32;

    fn key(&self) -> u32 {
        self.id
    }
}

#[derive(Clone, Copy, Debug)]
struct NsidSource;

impl Source for NsidSource {
    type Entry = Nsid;
    const PROTOCOL: Protocol = Protocol::Route;
    const ENTRIES: &'static str = "ids of namespaces";

    fn groups(&self) -> Vec<u32> {
        vec![RTNLGRP_NSID]
    }

    fn decode_event(&self, message: MessageRef<'_>) -> Result<Option<Event<Nsid>>, DecodeError> {
        Ok(NsidEvent::decode(message)?.map(|event| match event {
            NsidEvent::New(nsid) => Event::New(nsid),
            NsidEvent::Deleted(nsid) => Event::Deleted(nsid),
        }))
    }

    fn list(&self) -> Request {
        list_request()
    }

    fn decode_entry(&self, message: MessageRef<'_>) -> Result<Option<Nsid>, DecodeError> {
        Nsid::decode(message).map(Some)
    }

    fn question(&self, entry: &Nsid) -> Option<Request> {
        Some(entry.get_request())
    }
}
