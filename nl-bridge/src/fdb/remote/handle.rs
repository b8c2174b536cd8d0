use nl_core::addr::Dev;
use nl_core::error::{Ack, Errno, Error, ErrorKind, KernelError, Result};
use nl_core::{MacAddr, Pending, Protocol};

use super::codec::{RemoteMac, remote_options};
use crate::fdb::codec::FdbEntry;
use crate::fdb::handle::Fdb;
use crate::fdb::verb::FdbVerb;

/// A MAC address behind another leaf, to be written or removed. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct RemoteMacEntry {
    fdb: Fdb,
    dev: Dev,
    remote: RemoteMac,
}

remote_options!(RemoteMacEntry[remote]);

impl Fdb {
    /// A MAC address behind another leaf of an EVPN: the two entries that it needs, in the bridge and in its VXLAN device `dev`.
    ///
    /// ```no_run
    /// # async fn example(fdb: nl_bridge::fdb::Fdb) -> Result<(), Box<dyn std::error::Error>> {
    /// let mac = "02:00:00:00:00:01".parse()?;
    /// fdb.remote_mac(mac, "vx100").vlan(10).dst("192.0.2.2".parse()?).replace().await?;
    /// // Withdrawn by that leaf. If another one has announced it since, it stays.
    /// fdb.remote_mac(mac, "vx100").vlan(10).dst("192.0.2.2".parse()?).delete().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn remote_mac(&self, mac: MacAddr, dev: impl Into<Dev>) -> RemoteMacEntry {
        RemoteMacEntry { fdb: self.clone(), dev: dev.into(), remote: RemoteMac::new(mac, 0) }
    }
}

impl RemoteMacEntry {
    /// Writes both entries, that of the VXLAN device first. One that is there is changed: so an address moves to another leaf.
    ///
    /// Equivalent: `bridge fdb replace MAC dev VXLAN self extern_learn dynamic dst …` and
    /// `bridge fdb replace MAC dev VXLAN master extern_learn dynamic vlan …`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// No such device, one that is no VXLAN device (`EOPNOTSUPP`) or no port of a bridge; `EINVAL` for a VLAN that the port is not in;
    /// no leaf given, before the kernel is asked. If the bridge refuses its entry, that of the device is written already, and a hint
    /// says so.
    pub fn replace(mut self) -> Pending<Ack> {
        Pending::new(async move {
            self.resolve(FdbVerb::Replace).await?;
            if let Err(why) = self.remote.check() {
                let request = self.remote.tunnel.request(FdbVerb::Replace).invalid_if(Err(why));
                return self
                    .fdb
                    .connection()
                    .acknowledged(request)
                    .await
                    .map_err(|error| self.explain(error));
            }
            self.change(FdbVerb::Replace, &self.remote.tunnel).await?;
            let bridge = self.change(FdbVerb::Replace, &self.remote.bridge).await;
            bridge.map_err(|error| error.hinted("the entry of the VXLAN device is written"))
        })
    }

    /// Removes both entries, that of the bridge first, also when one of them is gone.
    ///
    /// If a leaf is given, the address must be behind it: one that has moved to another leaf since is left there. The kernel would say
    /// success for that, and do nothing in the device and remove the bridge's entry. Between the look and the removal another program
    /// can still move it.
    ///
    /// Equivalent: `bridge fdb del MAC dev VXLAN master vlan …` and `bridge fdb del MAC dev VXLAN self …`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `ENOENT` ([`is_not_found`](Error::is_not_found)) if neither is there, or if the address is behind another leaf, which a hint
    /// names; no such device. If the bridge refuses for another reason, the device's entry is removed all the same. A device that is no
    /// port any more has no entry in a bridge.
    pub fn delete(mut self) -> Pending<Ack> {
        Pending::new(async move {
            self.resolve(FdbVerb::Delete).await?;
            if self.remote.names_leaf() {
                self.must_lead_there().await?;
            }
            let bridge = self.change(FdbVerb::Delete, &self.remote.bridge).await;
            let tunnel = self.change(FdbVerb::Delete, &self.remote.tunnel).await;
            match (bridge, tunnel) {
                (Err(bridge), _) if !bridge.is_not_found() && !bridge.is_unsupported() => Err(bridge),
                (Err(_), tunnel) => tunnel,
                (Ok(ack), Err(error)) if error.is_not_found() => Ok(ack),
                (Ok(_), tunnel) => tunnel,
            }
        })
    }

    /// Fails if the VXLAN device has the address behind another leaf.
    async fn must_lead_there(&self) -> Result<()> {
        let wanted = FdbEntry {
            src_vni: self.remote.tunnel.src_vni,
            ..FdbEntry::new(self.remote.tunnel.mac, self.remote.tunnel.index)
        };
        let request = wanted.self_().request(FdbVerb::Get);
        match self.fdb.connection().answered(request, FdbEntry::decode).await {
            Ok(found) if !self.remote.leads_where(&found) => {
                let request = self.remote.tunnel.request(FdbVerb::Delete);
                let error = request.not_sent(Error::new(ErrorKind::Kernel(KernelError::new(Errno::ENOENT))));
                let error = error.hinted(format!("the device has it as {found}"));
                Err(self.explain(error))
            }
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(self.explain(error)),
        }
    }

    async fn change(&self, verb: FdbVerb, entry: &FdbEntry) -> Result<Ack> {
        self.fdb.connection().acknowledged(entry.request(verb)).await.map_err(|error| self.explain(error))
    }

    /// Puts the index in place of the name.
    async fn resolve(&mut self, verb: FdbVerb) -> Result<()> {
        self.fdb.connection().require(Protocol::Route, "FDB entries")?;
        match self.fdb.index(&self.dev).await {
            Ok(index) => {
                self.remote.tunnel.index = index;
                self.remote.bridge.index = index;
                Ok(())
            }
            Err(error) => Err(self.explain(self.remote.tunnel.request(verb).not_sent(error))),
        }
    }

    /// Calls the device in an error as it was given.
    fn explain(&self, error: Error) -> Error {
        error.naming(self.remote.tunnel.index, &self.dev)
    }
}
