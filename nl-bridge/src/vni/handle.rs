use nl_core::addr::Dev;
use nl_core::batch::Batch;
use nl_core::dump::Dump;
use nl_core::error::{Ack, Errno, Error, ErrorKind, KernelError, Result};
use nl_core::{Connection, Pending, Protocol, Request};

use super::codec::entry_options;
use super::{VniEntry, VniFilter, VniVerb};
use crate::ranges::{Checked, VniRange};
use crate::types::Vni;

/// The VNI filters of the VXLAN devices in the connection's namespace. Cheap to clone.
///
/// ```no_run
/// use nl_bridge::vni::Vnis;
/// use nl_core::{Connection, Protocol};
///
/// # async fn example() -> nl_core::Result<()> {
/// let vnis = Vnis::new(Connection::open(Protocol::Route)?);
/// vnis.entry("vx0", 10010..=10019).add().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Vnis {
    conn: Connection,
}

impl Vnis {
    /// Over this connection, which must be one to [`Protocol::Route`].
    #[must_use]
    pub fn new(conn: Connection) -> Self {
        Self { conn }
    }

    /// The connection.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.conn
    }

    /// VNIs of a VXLAN device: one number or a range, from 0 to 16777215.
    pub fn entry(&self, dev: impl Into<Dev>, vnis: impl Into<Checked<VniRange>>) -> Entry {
        let entry = VniEntry::new(0, Vni::default());
        Entry { own: self.clone(), dev: dev.into(), vnis: vnis.into(), entry }
    }

    /// All VNIs of VXLAN devices with a filter, or those that match.
    pub fn entries(&self) -> Entries {
        Entries { own: self.clone(), dev: None, vni: None, stats: false }
    }

    /// Thousands of changes in few system calls: a stream of one result per change, in order. See [`nl_core::batch`]. Devices are
    /// given by index here.
    pub fn batch<I>(&self, changes: I) -> Batch<impl Iterator<Item = Request> + use<I>>
    where
        I: IntoIterator<Item = (VniVerb, VniEntry)>,
    {
        self.conn.batch(changes.into_iter().map(|(verb, entry)| entry.request(verb)))
    }
}

/// VNIs of a VXLAN device to be added, changed or deleted. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct Entry {
    own: Vnis,
    dev: Dev,
    vnis: Checked<VniRange>,
    entry: VniEntry,
}

entry_options!(Entry[entry]);

impl Entry {
    /// Adds the VNIs; fails if one of them is there, and then adds none.
    ///
    /// The kernel would say success, so the VNIs of the device are listed first. Another program can add one in between.
    ///
    /// Equivalent: `bridge vni add`, which does not fail. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `EEXIST` ([`is_exists`](Error::is_exists)) if one is there, or in use by another VXLAN device with the same port; the device
    /// has no VNI filter, with a [hint](Error::hint); a multicast group without a device below; bad input, before the kernel is
    /// asked.
    pub fn add(mut self) -> Pending<Ack> {
        Pending::new(async move {
            self.resolve(VniVerb::Replace).await?;
            let mut request = self.entry.request(VniVerb::Replace);
            request.encoded()?;
            let there = self.own.entries().dev(self.entry.index).list().await;
            let there = there.map_err(|error| self.explain(request.not_sent(error)))?;
            let there = there.collect_all().await.map_err(|error| self.explain(request.not_sent(error)))?;
            let vnis = self.entry.vnis;
            let taken =
                |have: &VniEntry| have.vnis.first() <= vnis.last() && vnis.first() <= have.vnis.last();
            if let Some(have) = there.iter().find(|have| taken(have)) {
                let exists = Error::new(ErrorKind::Kernel(KernelError::new(Errno::EEXIST)));
                let hint = format!("vni {} is there", have.vnis);
                let add = || request.describe().replacen("replace", "add", 1);
                return Err(self.explain(exists.during(add).hinted(hint)));
            }
            self.own.conn.acknowledged(request).await.map_err(|error| self.explain(error))
        })
    }

    /// Adds the VNIs, and gives those that are there the group, if one is given.
    ///
    /// The kernel adds the new group to the forwarding database and leaves the one before in it
    /// (`00:00:00:00:00:00 dev vx0 dst OLD src_vni VNI`).
    ///
    /// Equivalent: `bridge vni add`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// As [`add`](Self::add), but for VNIs that are there.
    pub fn replace(self) -> Pending<Ack> {
        self.change(VniVerb::Replace)
    }

    /// Removes the VNIs, in order up to the first that is not there.
    ///
    /// Equivalent: `bridge vni del`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `ENOENT` ([`is_not_found`](Error::is_not_found)) if one is not there; those before it are gone then.
    pub fn delete(self) -> Pending<Ack> {
        self.change(VniVerb::Delete)
    }

    fn change(mut self, verb: VniVerb) -> Pending<Ack> {
        Pending::new(async move {
            self.resolve(verb).await?;
            let done = self.own.conn.acknowledged(self.entry.request(verb)).await;
            done.map_err(|error| self.explain(error))
        })
    }

    async fn resolve(&mut self, verb: VniVerb) -> Result<()> {
        let conn = &self.own.conn;
        let vnis = self.vnis.check().map_err(|why| {
            Error::from(why).during(|| {
                format!("{} vni dev {}", if verb == VniVerb::Delete { "delete" } else { "add" }, self.dev)
            })
        });
        self.entry.vnis = vnis?;
        conn.require(Protocol::Route, "VNIs")?;
        let found = conn.link_index(&self.dev).await;
        self.entry.index = found.map_err(|error| self.explain(self.entry.request(verb).not_sent(error)))?;
        Ok(())
    }

    fn explain(&self, error: Error) -> Error {
        let error = no_filter(error.naming(self.entry.index, &self.dev));
        let text = error.kernel().and_then(|kernel| kernel.ext_ack.message.as_deref()).unwrap_or_default();
        match HINTS.iter().find(|(part, _)| text.contains(part)) {
            Some((_, hint)) => error.hinted(*hint),
            None => error,
        }
    }
}

/// What the kernel says, in `drivers/net/vxlan/vxlan_vnifilter.c`, and what to change.
const HINTS: &[(&str, &str)] = &[
    (
        "Local interface required for multicast remote group",
        "a group needs the device that joins it: make the VXLAN device with `dev DEV`",
    ),
    ("VNI in use", "another VXLAN device with the same dstport has the VNI"),
];

/// The kernel says only that it does not support it.
fn no_filter(error: Error) -> Error {
    let bare = |kernel: &KernelError| {
        matches!(kernel.errno, Errno::EOPNOTSUPP | Errno::EINVAL) && kernel.ext_ack.message.is_none()
    };
    if error.hint().is_none() && error.kernel().is_some_and(bare) {
        return error
            .hinted("the device is no VXLAN device with a VNI filter: it is made with `external vnifilter`");
    }
    error
}

/// All VNIs of VXLAN devices with a filter, or those that match. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct Entries {
    own: Vnis,
    dev: Option<Dev>,
    vni: Option<u32>,
    stats: bool,
}

impl Entries {
    /// Of this VXLAN device (`dev`). Filtered by the kernel.
    pub fn dev(mut self, dev: impl Into<Dev>) -> Self {
        self.dev = Some(dev.into());
        self
    }

    /// This VNI, and the others of its range. Filtered while reading.
    pub fn vni(mut self, vni: u32) -> Self {
        self.vni = Some(vni);
        self
    }

    /// One VNI at a time with its counters (`-s`).
    pub fn stats(mut self) -> Self {
        self.stats = true;
        self
    }

    /// Lists them, VNIs in a row with the same group as one entry: a stream in constant memory.
    ///
    /// Equivalent: `bridge vni show`, with [`stats`](Self::stats) `bridge -s vni show`. Needs no privilege.
    ///
    /// # Errors
    /// No such device; `EINVAL` for one without a VNI filter.
    pub fn list(self) -> Pending<Dump<VniEntry>> {
        Pending::new(async move {
            let words = || match &self.dev {
                Some(dev) => format!("list vni dev {dev}"),
                None => "list vni".to_owned(),
            };
            let conn = &self.own.conn;
            conn.require(Protocol::Route, "VNIs").map_err(|error| error.during(words))?;
            let mut filter = VniFilter { stats: self.stats, ..VniFilter::default() };
            if let Some(dev) = &self.dev {
                filter.index = Some(conn.link_index(dev).await.map_err(|error| error.during(words))?);
            }
            let (vni, index) = (self.vni, filter.index);
            let mut found = Vec::new();
            let mut entries = conn.dump_each(filter.list_request(), move |message, entries| {
                let outcome = VniEntry::decode(message, &mut found);
                entries.extend(found.drain(..).filter(|entry: &VniEntry| {
                    index.is_none_or(|index| entry.index == index)
                        && vni.is_none_or(|vni| entry.vnis.contains(vni))
                }));
                outcome
            });
            if let (Some(dev), false) = (&self.dev, entries.has_entries().await) {
                self.refuse_other(dev).await.map_err(|error| error.during(words))?;
            }
            Ok(entries)
        })
    }

    /// An empty list, or a bare `EINVAL`, of a device that has no filter.
    async fn refuse_other(&self, dev: &Dev) -> Result<()> {
        // `include/uapi/linux/if_link.h`
        const IFLA_VXLAN_VNIFILTER: u16 = 30;
        let link = self.own.conn.link(dev).await?;
        let filter = nl_core::attr::Attrs::new(&link.kind_data).find(IFLA_VXLAN_VNIFILTER).ok().flatten();
        let on = filter.is_some_and(|on| on.u8().is_ok_and(|on| on != 0));
        if link.is_kind("vxlan") && on {
            return Ok(());
        }
        Err(no_filter(Error::new(ErrorKind::Kernel(KernelError::new(Errno::EINVAL)))))
    }
}
