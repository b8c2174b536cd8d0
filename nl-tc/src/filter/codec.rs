use std::fmt::{self, Write};
use std::net::Ipv4Addr;

use nl_core::Request;
use nl_core::attr::{AttrWriter, Attrs, DecodeError, Fields};
use nl_core::error::{AttrName, Names};
use nl_core::message::{MessageRef, TcMsg};

use crate::message::{
    self, PLAIN, Parts, RTM_DELTFILTER, RTM_GETTFILTER, RTM_NEWTFILTER, TCA_OPTIONS, check_index, judged,
    start,
};
use crate::units::Refusal;
use crate::{TcHandle, TcVerb};

// `include/uapi/linux/pkt_cls.h`
const TCA_U32_CLASSID: u16 = 1;
const TCA_U32_SEL: u16 = 5;
const TC_U32_TERMINAL: u8 = 1;
const SEL_LEN: usize = 16;
const KEY_LEN: usize = 16;
const KEYS_MAX: usize = 128;
const TCA_MATCHALL_CLASSID: u16 = 1;

static NAMES: Names = crate::message::tca![&[
    AttrName::new(TCA_U32_CLASSID, "classid"),
    AttrName::new(TCA_U32_SEL, "TCA_U32_SEL")
]];

/// `ETH_P_ALL`: packets of every protocol.
pub const ALL: u16 = 0x0003;
/// `ETH_P_IP`: IPv4.
pub const IPV4: u16 = 0x0800;
/// `ETH_P_IPV6`: IPv6.
pub const IPV6: u16 = 0x86dd;

/// The configuration of a filter, by kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum FilterConfig {
    /// Every packet (`matchall classid`).
    Matchall(Matchall),
    /// Packets with certain bits (`u32 match … classid`).
    U32(U32),
    /// Another kind, or one with more than is known here, with the value of its `TCA_OPTIONS`.
    Other {
        /// The kind's name, up to 15 bytes.
        kind: String,
        /// Its options, as they are on the wire; `None` where there are none.
        options: Option<Vec<u8>>,
    },
}

/// Sends every packet into a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Matchall {
    /// The class.
    pub class: TcHandle,
}

impl Matchall {
    /// Into this class.
    #[must_use]
    pub const fn new(class: TcHandle) -> Self {
        Self { class }
    }
}

/// Sends packets into a class whose header has certain bits; all of the keys must fit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct U32 {
    /// The class.
    pub class: TcHandle,
    /// What to look for, 1 to 128 of them.
    pub keys: Vec<U32Key>,
}

/// Four bytes to look for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct U32Key {
    /// The bits they have, the first byte being the highest.
    pub value: u32,
    /// The bits that count.
    pub mask: u32,
    /// Where they are, in bytes from the network header; a multiple of 4.
    pub offset: i32,
}

impl U32 {
    /// Every packet, into this class (`match u32 0 0`).
    #[must_use]
    pub fn all(class: TcHandle) -> Self {
        Self { class, keys: vec![U32Key::default()] }
    }

    /// IPv4 packets to this address, into this class (`match ip dst`). The filter's protocol should be [`IPV4`].
    #[must_use]
    pub fn to(address: Ipv4Addr, class: TcHandle) -> Self {
        Self { class, keys: vec![U32Key { value: address.to_bits(), mask: u32::MAX, offset: 16 }] }
    }

    /// These keys, into this class.
    #[must_use]
    pub fn new(class: TcHandle, keys: impl IntoIterator<Item = U32Key>) -> Self {
        Self { class, keys: keys.into_iter().collect() }
    }

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let (mut class, mut keys) = (None, None);
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_U32_CLASSID => class = Some(TcHandle::from_bits(attr.u32()?)),
                TCA_U32_SEL => {
                    let mut sel = attr.fields();
                    let [_flags, _shift, count, ..] = sel.array::<SEL_LEN>()?;
                    let list = sel.rest().chunks_exact(KEY_LEN).take(count.into());
                    keys = Some(
                        list.map(|key| U32Key::read(Fields::of_attr(TCA_U32_SEL, key)))
                            .collect::<Result<_, _>>()?,
                    );
                }
                _ => {}
            }
        }
        Ok(class.zip(keys).map(|(class, keys)| Self { class, keys }))
    }

    fn selector(&self) -> Vec<u8> {
        let mut sel = vec![0; SEL_LEN];
        if let Some([flags, _, count]) = sel.first_chunk_mut::<3>() {
            *flags = TC_U32_TERMINAL;
            *count = u8::try_from(self.keys.len()).unwrap_or(0);
        }
        for key in &self.keys {
            let mask = key.mask.to_be_bytes();
            let words = [mask, (key.value & key.mask).to_be_bytes(), key.offset.to_ne_bytes(), [0; 4]];
            sel.extend_from_slice(words.as_flattened());
        }
        sel
    }
}

impl U32Key {
    /// `struct tc_u32_key`.
    fn read(mut f: Fields<'_>) -> Result<Self, DecodeError> {
        let mask = f.be32()?;
        Ok(Self { mask, value: f.be32()?, offset: f.i32()? })
    }
}

impl FilterConfig {
    /// The kind's name.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Self::Matchall(_) => "matchall",
            Self::U32(_) => "u32",
            Self::Other { kind, .. } => kind,
        }
    }

    pub(crate) fn decode(kind: &str, options: Option<&[u8]>) -> Result<Self, DecodeError> {
        let bytes = options.unwrap_or_default();
        let known = match kind {
            "matchall" => Attrs::new(bytes)
                .find(TCA_MATCHALL_CLASSID)?
                .map(|attr| attr.u32())
                .transpose()?
                .map(|class| Self::Matchall(Matchall::new(TcHandle::from_bits(class)))),
            "u32" => U32::decode(bytes)?.map(Self::U32),
            _ => None,
        };
        Ok(known
            .unwrap_or_else(|| Self::Other { kind: kind.to_owned(), options: options.map(<[u8]>::to_vec) }))
    }

    fn encode(&self, w: &mut AttrWriter<'_>) {
        match self {
            Self::Matchall(matchall) => {
                w.nested(TCA_OPTIONS).u32(TCA_MATCHALL_CLASSID, matchall.class.bits());
            }
            Self::U32(u32) => {
                let mut options = w.nested(TCA_OPTIONS);
                options.u32(TCA_U32_CLASSID, u32.class.bits()).bytes(TCA_U32_SEL, &u32.selector());
            }
            Self::Other { options: Some(options), .. } => {
                w.bytes(TCA_OPTIONS, options);
            }
            Self::Other { options: None, .. } => {}
        }
    }

    fn refusal(&self) -> Refusal {
        match self {
            Self::Matchall(Matchall { class }) | Self::U32(U32 { class, .. })
                if class.minor() == 0 || class.is_root() =>
            {
                Some(format!("class {class}; it has a name like 1:10").into())
            }
            Self::U32(u32) if u32.keys.is_empty() || u32.keys.len() > KEYS_MAX => {
                Some(format!("{} keys; 1 to {KEYS_MAX} are possible", u32.keys.len()).into())
            }
            Self::U32(u32) => {
                let key = u32.keys.iter().find(|key| key.offset % 4 != 0)?;
                Some(format!("key at byte {}; multiples of 4 are possible", key.offset).into())
            }
            Self::Other { kind, .. } if kind.is_empty() => Some("a configuration is needed".into()),
            _ => None,
        }
    }
}

/// The kind and its options in the words of a `tc` command.
impl fmt::Display for FilterConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        match self {
            Self::Matchall(matchall) => write!(f, " classid {}", matchall.class),
            Self::U32(u32) => {
                for U32Key { value, mask, offset } in &u32.keys {
                    write!(f, " match u32 {value:#x} {mask:#x} at {offset}")?;
                }
                write!(f, " classid {}", u32.class)
            }
            Self::Other { .. } => Ok(()),
        }
    }
}

impl From<Matchall> for FilterConfig {
    fn from(matchall: Matchall) -> Self {
        Self::Matchall(matchall)
    }
}

impl From<U32> for FilterConfig {
    fn from(u32: U32) -> Self {
        Self::U32(u32)
    }
}

/// One filter, as it is read and as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Filter {
    /// The interface.
    pub index: u32,
    /// The qdisc or class it hangs on.
    pub parent: TcHandle,
    /// The order in which filters are asked, 1 first; 0 lets the kernel pick one (`prio`, `pref`).
    pub priority: u16,
    /// The protocol it is for, such as [`ALL`] or [`IPV4`] (`protocol`).
    pub protocol: u16,
    /// Its number among those of the same priority, in the way of its kind; 0 lets the kernel pick one (`handle`).
    pub handle: u32,
    /// The chain it is in (`chain`); only read.
    pub chain: Option<u32>,
    /// The kind and its options.
    pub config: FilterConfig,
}

impl Filter {
    /// A filter for every protocol, on this qdisc or class of the interface `index`.
    #[must_use]
    pub fn new(index: u32, parent: TcHandle, config: impl Into<FilterConfig>) -> Self {
        Self { index, parent, priority: 0, protocol: ALL, handle: 0, chain: None, config: config.into() }
    }

    /// Asked in this place, 1 first (`prio`).
    #[must_use]
    pub fn priority(mut self, priority: u16) -> Self {
        self.priority = priority;
        self
    }

    /// For this protocol (`protocol`).
    #[must_use]
    pub fn protocol(mut self, protocol: u16) -> Self {
        self.protocol = protocol;
        self
    }

    /// Reads an `RTM_NEWTFILTER` or `RTM_DELTFILTER` message.
    ///
    /// # Errors
    /// The message is of another type, or malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        if !matches!(message.kind(), RTM_NEWTFILTER | RTM_DELTFILTER) {
            return Err(DecodeError::Kind(message.kind()));
        }
        let parts = Parts::read(message)?;
        let (priority, protocol) = priority_and_protocol(parts.info);
        Ok(Self {
            index: parts.index,
            parent: parts.parent,
            priority,
            protocol,
            handle: parts.handle.bits(),
            chain: parts.chain,
            config: FilterConfig::decode(parts.kind, parts.options)?,
        })
    }

    /// The request that does this with the filter. Deleting one without a [handle](Self::handle) deletes all of that
    /// priority; with [`ALL`] of whatever protocol they are, for all of one priority are of the same.
    #[must_use]
    pub fn request(&self, verb: TcVerb) -> Request {
        let message = if verb == TcVerb::Delete { RTM_DELTFILTER } else { RTM_NEWTFILTER };
        let protocol = match self.protocol {
            ALL if verb == TcVerb::Delete => 0,
            protocol => protocol.to_be(),
        };
        let header = TcMsg {
            family: 0,
            index: self.index,
            handle: self.handle,
            parent: self.parent.bits(),
            info: u32::from(self.priority) << 16 | u32::from(protocol),
        };
        let mut request = start(message, verb, header, self.config.kind(), &NAMES, describe);
        if verb.writes() {
            self.config.encode(&mut request.attrs());
        }
        judged(request, self.refusal(verb))
    }

    fn refusal(&self, verb: TcVerb) -> Refusal {
        check_index(self.index)
            .or_else(|| self.parent.is_none().then(|| "a filter needs a qdisc or class to hang on".into()))
            .or_else(|| {
                (self.priority == 0 && verb != TcVerb::Add)
                    .then(|| "priority 0, which means all of them here; 1 to 65535 are possible".into())
            })
            .or_else(|| {
                self.chain
                    .filter(|_| verb.writes())
                    .and_then(|chain| (chain != 0).then(|| "chains are only read".into()))
            })
            .or_else(|| verb.writes().then(|| self.config.refusal()).flatten())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves")]
const fn halves(info: u32) -> [u16; 2] {
    [(info >> 16) as u16, info as u16]
}

/// A command of `tc`, with `#5` in place of the name of interface 5.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "filter dev #{}", self.index)?;
        write_place(f, self.parent, self.priority, self.protocol)?;
        write!(f, " {}", self.config)
    }
}

pub(crate) fn describe(message: MessageRef<'_>) -> String {
    let place = |text: &mut String, parts: &Parts<'_>| {
        let (priority, protocol) = priority_and_protocol(parts.info);
        write_place(text, parts.parent, priority, protocol)
    };
    message::describe(message, "filter", place, FilterConfig::decode)
}

pub(crate) fn write_place(f: &mut impl Write, parent: TcHandle, priority: u16, protocol: u16) -> fmt::Result {
    write!(f, " parent {parent}")?;
    match protocol {
        // A list is for all.
        0 => return Ok(()),
        ALL => f.write_str(" protocol all")?,
        IPV4 => f.write_str(" protocol ip")?,
        IPV6 => f.write_str(" protocol ipv6")?,
        other => write!(f, " protocol {other:#x}")?,
    }
    if priority == 0 { Ok(()) } else { write!(f, " prio {priority}") }
}

/// The priority and the protocol of a message.
pub(crate) fn priority_and_protocol(info: u32) -> (u16, u16) {
    let [priority, protocol] = halves(info);
    (priority, u16::from_be(protocol))
}

/// The request that lists the filters on a qdisc or class.
#[must_use]
pub fn list_request(index: u32, parent: TcHandle) -> Request {
    let header = TcMsg { index, parent: parent.bits(), ..TcMsg::default() };
    judged(Request::new(RTM_GETTFILTER, &PLAIN, describe).with_header(&header), check_index(index))
}
