use std::time::{Duration, Instant};

use nl_core::{Dev, Error, Pending, Result};

use super::plan::{Plan, Step, install, is_followed, retire};
use crate::association::An;
use crate::channel::{Channel, not_found};
use crate::key::{KeyId, Salt, SecretKey, Ssci};
use crate::ledger;
use crate::rx_sa::RxSaEntry;
use crate::sci::Sci;
use crate::secy::{Secy, SecyEntry, read_one};
use crate::tx_sa::TxSaEntry;

/// How often it is looked for frames of the new key: the kernel has no event for them.
const LOOK: Duration = Duration::from_millis(20);

/// The next key of a device. [`run`](Self::run) does it all; [`install`](Self::install), [`switch`](Self::switch) and
/// [`retire`](Self::retire) are its steps. See the [module](super) for the order and for what happens when it is dropped.
#[derive(Debug)]
#[must_use = "nothing happens before a verb"]
pub struct RotateEntry {
    channel: Channel,
    dev: Dev,
    key: Option<SecretKey>,
    key_id: Option<KeyId>,
    an: Option<An>,
    next_pn: u64,
    ssci: Option<Ssci>,
    salt: Option<Salt>,
    peer_sscis: Vec<(Sci, Ssci)>,
    lead: Duration,
    patience: Duration,
    grace: Duration,
    allow_reuse: bool,
}

/// What a rotation did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Rotated {
    /// The key.
    pub key_id: KeyId,
    /// The number of its associations.
    pub an: An,
    /// The keys whose associations were there beside it.
    pub replaced: Vec<KeyId>,
}

impl RotateEntry {
    pub(crate) fn new(channel: Channel, dev: Dev) -> Self {
        Self {
            channel,
            dev,
            key: None,
            key_id: None,
            an: None,
            next_pn: 1,
            ssci: None,
            salt: None,
            peer_sscis: Vec::new(),
            lead: Duration::ZERO,
            patience: Duration::ZERO,
            grace: Duration::ZERO,
            allow_reuse: false,
        }
    }

    /// The key, of which a copy is kept until the last request with it is sent, and zeroed then.
    pub fn key(mut self, key: &SecretKey) -> Self {
        self.key = Some(key.duplicate());
        self
    }

    /// Its identifier, by which its associations are found.
    pub fn key_id(mut self, id: impl Into<KeyId>) -> Self {
        self.key_id = Some(id.into());
        self
    }

    /// The number of its associations, which is the same at all ends. Unless set, the one behind the encoding association; on a device
    /// without one, the number that the device says it encodes with.
    pub fn an(mut self, an: impl Into<An>) -> Self {
        self.an = Some(an.into());
        self
    }

    /// The first packet number that is sent; 1 unless set.
    pub fn next_pn(mut self, number: u64) -> Self {
        self.next_pn = number;
        self
    }

    /// The short SCI of this end, with extended packet numbers; that of the encoding association unless set.
    pub fn ssci(mut self, ssci: impl Into<Ssci>) -> Self {
        self.ssci = Some(ssci.into());
        self
    }

    /// The salt, with extended packet numbers.
    pub fn salt(mut self, salt: &Salt) -> Self {
        self.salt = Some(salt.duplicate());
        self
    }

    /// The short SCI of another end, with extended packet numbers; that of an association in its channel unless set.
    pub fn peer_ssci(mut self, sci: Sci, ssci: impl Into<Ssci>) -> Self {
        self.peer_sscis.push((sci, ssci.into()));
        self
    }

    /// For how long [`run`](Self::run) waits before it sends with the key: until then the other ends must have installed it, or they drop
    /// what is sent. Zero unless set, for a key that they have already.
    pub fn lead(mut self, time: Duration) -> Self {
        self.lead = time;
        self
    }

    /// For how long at most [`run`](Self::run) waits, before the grace begins, until the other ends send with the key too: until a frame
    /// with it has arrived in every channel. An end that sends nothing takes all of this time. Zero unless set: the grace begins when
    /// this end sends with the key.
    pub fn patience(mut self, time: Duration) -> Self {
        self.patience = time;
        self
    }

    /// For how long [`run`](Self::run) keeps the last key after that, for frames that are on their way; without
    /// [`patience`](Self::patience) also for ends that switch later, whose frames are dropped once the last key is gone. Zero unless set.
    pub fn grace(mut self, time: Duration) -> Self {
        self.grace = time;
        self
    }

    /// Installs the key although one with this identifier was used up to a higher packet number by this process. **Only for another key
    /// with the same identifier:** a packet number that is used twice with one key breaks the encryption.
    pub fn allow_reuse(mut self) -> Self {
        self.allow_reuse = true;
        self
    }

    /// Installs the key, sends with it after the lead, waits with patience for the other ends to do so too, and removes the last key after
    /// the grace.
    ///
    /// Needs `CAP_NET_ADMIN` in the initial user namespace. Equivalent: the commands of `ip macsec` and `ip link` for each step.
    ///
    /// # Errors
    /// As [`install`](Self::install) and [`switch`](Self::switch). What was done until then stays; the same call goes on there.
    pub fn run(self) -> Pending<Rotated> {
        Pending::new(async move {
            let Self { lead, patience, grace, .. } = self;
            let channel = self.channel.clone();
            let dev = self.dev.clone();
            let rotated = self.try_install().await?;
            // From here on no key is in memory.
            drop(self);
            if !lead.is_zero() {
                Pending::pause(lead).await?;
            }
            switch(&channel, &dev, rotated.key_id).await?;
            followed(&channel, &dev, rotated.key_id, patience).await?;
            if !grace.is_zero() {
                Pending::pause(grace).await?;
            }
            remove(&channel, &dev, Some(&rotated.replaced)).await?;
            Ok(rotated)
        })
    }

    /// Installs the key for receiving in every channel, then for sending, and does not send with it yet. What an earlier rotation left is
    /// removed before.
    ///
    /// Needs `CAP_NET_ADMIN` in the initial user namespace.
    ///
    /// # Errors
    /// A key that does not fit, a packet number that was used, a number that is in use, each before anything is changed; as
    /// [`TxSaEntry::add`] and [`RxSaEntry::add`].
    pub fn install(self) -> Pending<Rotated> {
        Pending::new(async move { self.try_install().await })
    }

    /// Sends with the key of this identifier from now on. It takes effect between two frames.
    ///
    /// Needs `CAP_NET_ADMIN` in the user namespace that owns the network namespace.
    ///
    /// # Errors
    /// No association that sends has the key ([`is_not_found`](Error::is_not_found)), or it is not active.
    pub fn switch(self) -> Pending<()> {
        Pending::new(async move { switch(&self.channel, &self.dev, self.wanted()?).await })
    }

    /// Removes the associations of every other key, which are made inactive before.
    ///
    /// Needs `CAP_NET_ADMIN` in the initial user namespace.
    ///
    /// # Errors
    /// The device does not send with the key of this identifier: [`switch`](Self::switch) comes before.
    pub fn retire(self) -> Pending<()> {
        Pending::new(async move {
            let wanted = self.wanted()?;
            let secy = read_one(&self.channel, &self.dev).await.map_err(|error| self.during(error))?;
            if secy.encoding().map(|sa| sa.key_id) != Some(wanted) {
                let why = format!(
                    "the device does not send with key {wanted}, so others are not removed: switch() before"
                );
                return Err(self.during(Error::usage(why)));
            }
            remove(&self.channel, &self.dev, None).await
        })
    }

    async fn try_install(&self) -> Result<Rotated> {
        let key_id = self.wanted()?;
        let key =
            self.key.as_ref().ok_or_else(|| self.during(Error::usage("a rotation needs a key: key()")))?;
        let secy = read_one(&self.channel, &self.dev).await.map_err(|error| self.during(error))?;
        ledger::remember(&secy);
        let Plan { an, steps, replaced } =
            install(&secy, key_id, self.an).map_err(|why| self.during(why.into()))?;
        self.check(&secy, key, key_id, &steps).map_err(|error| self.during(error))?;
        for step in steps {
            match step {
                Step::AddRx { sci, an } => {
                    let mut sa = RxSaEntry::new(self.channel.clone(), self.dev.clone(), sci, an);
                    sa = sa.key(key).key_id(key_id).active(true);
                    if let (Some(ssci), Some(salt)) = (self.peer_ssci_of(&secy, sci), &self.salt) {
                        sa = sa.ssci(ssci).salt(salt);
                    }
                    sa.add().await?;
                }
                Step::AddTx { an } => {
                    let mut sa = TxSaEntry::new(self.channel.clone(), self.dev.clone(), an);
                    sa = sa.key(key).key_id(key_id).next_pn(self.next_pn).active(true);
                    if let (Some(ssci), Some(salt)) = (self.own_ssci(&secy), &self.salt) {
                        sa = sa.ssci(ssci).salt(salt);
                    }
                    sa.add().await?;
                    ledger::added(secy.sci, key_id, self.next_pn);
                }
                other => apply(&self.channel, &self.dev, other).await?,
            }
        }
        Ok(Rotated { key_id, an, replaced })
    }

    /// What would fail half way.
    fn check(&self, secy: &Secy, key: &SecretKey, key_id: KeyId, steps: &[Step]) -> Result<()> {
        let suite = secy.cipher;
        suite.check_known()?;
        suite.check_key(key)?;
        suite.check_packet_number(self.next_pn)?;
        if suite.is_xpn() {
            let why = |what: String| Error::usage(format!("{suite} needs {what}"));
            self.salt.as_ref().ok_or_else(|| why("a salt: salt()".into()))?;
            self.own_ssci(secy).ok_or_else(|| why("a short SCI: ssci()".into()))?;
            for channel in &secy.rx_scs {
                let known = self.peer_ssci_of(secy, channel.sci);
                known.ok_or_else(|| why(format!("the short SCI of {}: peer_ssci()", channel.sci)))?;
            }
        } else if self.salt.is_some() || self.ssci.is_some() || !self.peer_sscis.is_empty() {
            let why = format!("{suite} has no short SCI and no salt, which only the XPN suites have");
            return Err(Error::usage(why));
        }
        if steps.iter().any(|step| matches!(step, Step::AddTx { .. })) {
            match self.allow_reuse {
                true => ledger::forget(secy.sci, key_id),
                false => ledger::check(secy.sci, key_id, self.next_pn)?,
            }
        }
        Ok(())
    }

    fn own_ssci(&self, secy: &Secy) -> Option<Ssci> {
        self.ssci.or_else(|| secy.encoding()?.ssci)
    }

    fn peer_ssci_of(&self, secy: &Secy, sci: Sci) -> Option<Ssci> {
        let given = self.peer_sscis.iter().find(|(of, _)| *of == sci).map(|(_, ssci)| *ssci);
        given.or_else(|| secy.rx_sc(sci)?.sas.iter().find_map(|sa| sa.ssci))
    }

    fn wanted(&self) -> Result<KeyId> {
        let missing = || self.during(Error::usage("a rotation needs the identifier of a key: key_id()"));
        self.key_id.ok_or_else(missing)
    }

    fn during(&self, error: Error) -> Error {
        error.during(|| match self.key_id {
            Some(id) => format!("rotate macsec {} to key {id}", self.dev),
            None => format!("rotate macsec {}", self.dev),
        })
    }
}

async fn switch(channel: &Channel, dev: &Dev, key_id: KeyId) -> Result<()> {
    let during = |error: Error| error.during(|| format!("switch macsec {dev} to key {key_id}"));
    let secy = read_one(channel, dev).await.map_err(during)?;
    let Some(sa) = secy.tx_sas.iter().find(|sa| sa.key_id == key_id) else {
        return Err(during(not_found()).hinted("no association that sends has this key: install() it before"));
    };
    if !sa.active {
        let why = format!("association {} is not active, so nothing could be sent", sa.an);
        return Err(during(Error::usage(why)));
    }
    if secy.encoding_sa != sa.an {
        SecyEntry::new(channel.clone(), dev.clone()).set_encoding_sa(sa.an).await?;
    }
    Ok(())
}

/// Waits until every channel has brought a frame of the key, or the time is up.
async fn followed(channel: &Channel, dev: &Dev, key_id: KeyId, time: Duration) -> Result<()> {
    let began = Instant::now();
    loop {
        let left = time.saturating_sub(began.elapsed());
        if left.is_zero() || is_followed(&read_one(channel, dev).await?, key_id) {
            return Ok(());
        }
        Pending::pause(left.min(LOOK)).await?;
    }
}

/// Removes the associations of these keys, or of all but the one in use.
async fn remove(channel: &Channel, dev: &Dev, keys: Option<&[KeyId]>) -> Result<()> {
    let secy = read_one(channel, dev).await?;
    let steps = retire(&secy, keys);
    let mut sent = false;
    for step in &steps {
        if let Step::RemoveTx { an } = step {
            TxSaEntry::new(channel.clone(), dev.clone(), *an).active(false).update().await?;
            sent = true;
        }
    }
    if sent {
        // Their packet numbers no longer change.
        ledger::remember(&read_one(channel, dev).await?);
    }
    for step in steps {
        apply(channel, dev, step).await?;
    }
    Ok(())
}

async fn apply(channel: &Channel, dev: &Dev, step: Step) -> Result<()> {
    let tx = |an| TxSaEntry::new(channel.clone(), dev.clone(), an);
    let rx = |sci, an| RxSaEntry::new(channel.clone(), dev.clone(), sci, an);
    let done = match step {
        Step::ActivateTx { an } => tx(an).active(true).update().await,
        Step::ActivateRx { sci, an } => rx(sci, an).active(true).update().await,
        Step::RemoveTx { an } => tx(an).remove().await,
        Step::RemoveRx { sci, an } => rx(sci, an).remove().await,
        // With the key, which only the rotation has.
        Step::AddTx { .. } | Step::AddRx { .. } => return Ok(()),
    };
    done.map(drop)
}
