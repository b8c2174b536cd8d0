use nl_core::attr::AttrWriter;
use nl_core::check::Invalid;

use crate::association::An;
use crate::cipher::CipherSuite;
use crate::key::{KeyId, Salt, SecretKey, Ssci};
use crate::message::{
    MACSEC_SA_ATTR_ACTIVE, MACSEC_SA_ATTR_AN, MACSEC_SA_ATTR_KEY, MACSEC_SA_ATTR_KEYID, MACSEC_SA_ATTR_SALT,
    MACSEC_SA_ATTR_SSCI, write_packet_number,
};
use crate::verb::Verb;

/// What an association is to be: only what is set is sent.
///
/// [`TxSa`](crate::tx_sa::TxSa) and [`RxSa`](crate::rx_sa::RxSa) say of which device and channel, and make the request. Not `Clone`,
/// because it holds the key.
#[derive(Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SaConfig {
    /// Which of the four it is.
    pub an: An,
    /// Whether it is used.
    pub active: Option<bool>,
    /// The next packet number to be sent, or the lowest that is received.
    pub next_pn: Option<u64>,
    /// The key.
    pub key: Option<SecretKey>,
    /// The identifier of the key.
    pub key_id: Option<KeyId>,
    /// The short SCI of the sender.
    pub ssci: Option<Ssci>,
    /// The salt.
    pub salt: Option<Salt>,
}

/// The options of an association, for the codec's type and for the handles.
macro_rules! sa_options {
    ($($target:tt)*) => {
        nl_core::setters! { $($target)*
            /// Whether it is used (`on`, `off`). The kernel adds associations inactive unless this is `true`.
            active(sa, yes: bool) { sa.active = Some(yes); }
            /// The next packet number (`pn`, `xpn`), 1 or more: of an association that sends, the next one that is sent; of one that
            /// receives, the lowest that is accepted. Up to 2³²−1, with extended packet numbers up to 2⁶⁴−1. Required when an
            /// association that sends is added; 1 unless set for one that receives.
            next_pn(sa, number: u64) { sa.next_pn = Some(number); }
            /// The key, of which a copy is kept until it is sent, and zeroed then. Required when the association is added. It cannot
            /// be changed.
            key(sa, key: &$crate::SecretKey) { sa.key = Some(key.duplicate()); }
            /// The identifier of the key (`key ID`), which everybody can read. Required when the association is added. It cannot be
            /// changed.
            key_id(sa, id: impl Into<$crate::KeyId>) { sa.key_id = Some(id.into()); }
            /// The short SCI of the sender (`ssci`). Required with extended packet numbers, and refused without.
            ssci(sa, ssci: impl Into<$crate::Ssci>) { sa.ssci = Some(ssci.into()); }
            /// The salt (`salt`). Required with extended packet numbers, and refused without.
            salt(sa, salt: &$crate::Salt) { sa.salt = Some(salt.duplicate()); }
        }
    };
}
pub(crate) use sa_options;

/// Reads what both directions report of an association, into the fields that both types have.
macro_rules! read_association {
    ($state:ident) => {
        impl $state {
            /// Reads it into one that is new: in its place in the list, as there are thousands.
            pub(crate) fn fill(
                &mut self,
                mut attrs: nl_core::attr::Attrs<'_>,
            ) -> Result<(), nl_core::attr::DecodeError> {
                use crate::message::{
                    MACSEC_SA_ATTR_ACTIVE, MACSEC_SA_ATTR_AN, MACSEC_SA_ATTR_KEYID, MACSEC_SA_ATTR_PN,
                    MACSEC_SA_ATTR_SSCI, MACSEC_SA_ATTR_STATS, read_packet_number,
                };

                while let Some(attr) = attrs.next() {
                    let attr = attr?;
                    match attr.kind() {
                        MACSEC_SA_ATTR_AN => self.an = An::new(attr.u8()?),
                        MACSEC_SA_ATTR_ACTIVE => self.active = attr.u8()? != 0,
                        MACSEC_SA_ATTR_PN => self.next_pn = read_packet_number(attr)?,
                        MACSEC_SA_ATTR_KEYID => self.key_id = KeyId::read(attr)?,
                        MACSEC_SA_ATTR_SSCI => self.ssci = Some(Ssci::read(attr)?),
                        MACSEC_SA_ATTR_STATS => {
                            self.stats.fill(attr.attrs())?;
                            // The kernel sends these next, in this order.
                            if let Some([an]) = attrs.next_array(MACSEC_SA_ATTR_AN) {
                                self.an = An::new(an);
                            }
                            if let Some(number) = attrs.next_array(MACSEC_SA_ATTR_PN) {
                                self.next_pn = u32::from_ne_bytes(number).into();
                            }
                            if let Some(id) = attrs.next_array(MACSEC_SA_ATTR_KEYID) {
                                self.key_id = KeyId::new(id);
                            }
                            if let Some([active]) = attrs.next_array(MACSEC_SA_ATTR_ACTIVE) {
                                self.active = active != 0;
                            }
                        }
                        _ => {}
                    }
                }
                Ok(())
            }
        }
    };
}

pub(crate) use read_association;

sa_options!(SaConfig []);

impl SaConfig {
    /// An association of which nothing is set but its number.
    #[must_use]
    pub fn new(an: impl Into<An>) -> Self {
        Self { an: an.into(), ..Self::default() }
    }

    /// Another one of the same. Not public, because each key should have one owner.
    #[cfg(feature = "recreate")]
    pub(crate) fn duplicate(&self) -> Self {
        Self {
            an: self.an,
            active: self.active,
            next_pn: self.next_pn,
            key: self.key.as_ref().map(SecretKey::duplicate),
            key_id: self.key_id,
            ssci: self.ssci,
            salt: self.salt.as_ref().map(Salt::duplicate),
        }
    }

    /// Whether there is something in it that nobody may see.
    pub(crate) const fn is_secret(&self) -> bool {
        self.key.is_some() || self.salt.is_some()
    }

    pub(crate) fn encode(&self, w: &mut AttrWriter<'_>, suite: CipherSuite, verb: Verb) {
        w.u8(MACSEC_SA_ATTR_AN, self.an.get());
        if verb == Verb::Delete {
            return;
        }
        if let Some(number) = self.next_pn {
            write_packet_number(w, suite, number);
        }
        if let Some(salt) = &self.salt {
            w.bytes(MACSEC_SA_ATTR_SALT, salt.expose());
        }
        w.opt(MACSEC_SA_ATTR_SSCI, self.ssci.map(Ssci::get), AttrWriter::be32);
        if let Some(id) = self.key_id {
            w.bytes(MACSEC_SA_ATTR_KEYID, &id.bytes());
        }
        if let Some(key) = &self.key {
            w.bytes(MACSEC_SA_ATTR_KEY, key.expose());
        }
        w.opt(MACSEC_SA_ATTR_ACTIVE, self.active.map(u8::from), AttrWriter::u8);
    }

    /// Refuses what the kernel would refuse without a text, or ignore.
    pub(crate) fn check(&self, suite: CipherSuite, verb: Verb, needs_pn: bool) -> Result<(), Invalid> {
        self.an.check()?;
        match verb {
            Verb::Add => self.check_add(suite, needs_pn),
            Verb::Delete => Ok(()),
            Verb::Update => self.check_update(suite),
        }
    }

    fn check_add(&self, suite: CipherSuite, needs_pn: bool) -> Result<(), Invalid> {
        suite.check_known()?;
        match &self.key {
            None => return Err("an association needs a key: key()".into()),
            Some(key) => suite.check_key(key)?,
        }
        Invalid::when(self.key_id.is_none(), "an association needs an identifier of its key: key_id()")?;
        match self.next_pn {
            None if needs_pn => {
                return Err("an association that sends needs a packet number: next_pn()".into());
            }
            None => {}
            Some(number) => suite.check_packet_number(number)?,
        }
        match (suite.is_xpn(), &self.ssci, &self.salt) {
            (true, None, _) => Err(format!("{suite} needs a short SCI: ssci()").into()),
            (true, _, None) => Err(format!("{suite} needs a salt: salt()").into()),
            (false, Some(_), _) => {
                Err(format!("{suite} has no short SCI, which only the XPN suites have").into())
            }
            (false, _, Some(_)) => Err(format!("{suite} has no salt, which only the XPN suites have").into()),
            _ => Ok(()),
        }
    }

    fn check_update(&self, suite: CipherSuite) -> Result<(), Invalid> {
        Invalid::when(
            self.key.is_some() || self.key_id.is_some() || self.ssci.is_some() || self.salt.is_some(),
            "the key of an association cannot be changed, nor what goes with it: add another association",
        )?;
        Invalid::when(
            self.active.is_none() && self.next_pn.is_none(),
            "nothing to change: active(), next_pn() or both",
        )?;
        match self.next_pn {
            None => Ok(()),
            Some(number) => {
                suite.check_known()?;
                suite.check_packet_number(number)
            }
        }
    }
}
