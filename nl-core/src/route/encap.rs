use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::addr::Dev;
use crate::attr::{AttrWriter, Attrs, DecodeError, EncodeError};
use crate::check::{Invalid, check_index};
use crate::error::{AttrName, Names};
use crate::request::Describe;

/// An encapsulation that a route or a nexthop puts packets into (`struct lwtunnel_encap_ops` of the kernel).
///
/// A crate that knows one implements this for it; routes and nexthop objects then take it, print it in its own words and name
/// its attributes in errors.
///
/// ```
/// use std::fmt;
///
/// use nl_core::attr::{Attrs, DecodeError};
/// use nl_core::attr_names;
/// use nl_core::check::{Invalid, within};
/// use nl_core::error::AttrName;
/// use nl_core::route::{Encap, EncapWriter, Route};
///
/// // include/uapi/linux/mpls_iptunnel.h
/// attr_names! { NAMES { MPLS_IPTUNNEL_DST = 1 } }
///
/// /// One MPLS label.
/// #[derive(Debug, PartialEq)]
/// struct Mpls(u32);
///
/// impl Encap for Mpls {
///     const KIND: u16 = 1;
///     const NAMES: &'static [AttrName] = NAMES;
///
///     fn encode(&self, w: &mut EncapWriter<'_>) {
///         w.be32(MPLS_IPTUNNEL_DST, self.0 << 12 | 1 << 8);
///     }
///     fn decode(attrs: Attrs<'_>) -> Result<Self, DecodeError> {
///         let label = attrs.find(MPLS_IPTUNNEL_DST)?.ok_or(DecodeError::Missing(MPLS_IPTUNNEL_DST))?;
///         Ok(Self(label.be32()? >> 12))
///     }
///     fn check(&self) -> Result<(), Invalid> {
///         within("label", self.0, 16, 0xf_ffff)
///     }
/// }
///
/// /// The words behind `encap`.
/// impl fmt::Display for Mpls {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         write!(f, "mpls {}", self.0)
///     }
/// }
///
/// let route = Route::new("198.51.100.0/24".parse()?).oif(5).with_encap(&Mpls(100));
/// assert_eq!(route.to_string(), "198.51.100.0/24 encap mpls 100 dev #5");
/// assert_eq!(route.encap::<Mpls>()?, Some(Mpls(100)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Encap: fmt::Display + Sized {
    /// The type of the encapsulation (`LWTUNNEL_ENCAP_*` of `include/uapi/linux/lwtunnel.h`).
    const KIND: u16;
    /// The names of the attributes, for errors.
    const NAMES: &'static [AttrName];

    /// Writes the attributes. Devices go through [`EncapWriter::dev`].
    fn encode(&self, w: &mut EncapWriter<'_>);

    /// Reads the attributes.
    ///
    /// # Errors
    /// They are malformed, or one is missing.
    fn decode(attrs: Attrs<'_>) -> Result<Self, DecodeError>;

    /// Refuses what the kernel would refuse, or accept and do something else.
    ///
    /// # Errors
    /// The reason, with the limit in the text.
    fn check(&self) -> Result<(), Invalid> {
        Ok(())
    }

    /// Whether IPv4 routes cannot have it.
    fn is_ipv6_only(&self) -> bool {
        false
    }
}

/// Writes the attributes of an encapsulation: an [`AttrWriter`] that takes devices by name too.
#[derive(Debug)]
pub struct EncapWriter<'a> {
    writer: AttrWriter<'a>,
    devs: Vec<(usize, Dev)>,
}

impl EncapWriter<'_> {
    /// The index of a device, as a 32-bit number. A name is looked up when the route is sent.
    pub fn dev(&mut self, kind: u16, dev: &Dev) -> &mut Self {
        // The value stands behind the header of its attribute.
        let at = self.writer.position() + crate::attr::HEADER_LEN;
        self.devs.push((at, dev.clone()));
        let index = if let Dev::Index(index) = dev { *index } else { 0 };
        self.writer.u32(kind, index);
        self
    }
}

impl<'a> Deref for EncapWriter<'a> {
    type Target = AttrWriter<'a>;

    fn deref(&self) -> &Self::Target {
        &self.writer
    }
}

impl DerefMut for EncapWriter<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.writer
    }
}

/// An encapsulation of any type, as its type and attributes.
///
/// An encapsulation that no [`Encap`] of the program decodes is written back as it was read.
#[derive(Clone)]
pub struct RawEncap {
    kind: u16,
    bytes: Bytes,
    /// How it is printed, where that is known.
    words: Option<Words>,
    /// Names and words for requests with it, where they are known.
    wording: Option<(&'static Names, Describe)>,
    /// Of one made here, where there is something.
    own: Option<Box<Own>>,
}

/// What is not in the bytes of an encapsulation that was made from an [`Encap`].
#[derive(Clone)]
struct Own {
    devs: Vec<(usize, Dev)>,
    invalid: Option<Invalid>,
    is_ipv6_only: bool,
}

/// Most encapsulations fit this many bytes: segments for instance, up to three of them.
const ROOM: usize = 64;

/// Attributes, in place where they are few: a list has an encapsulation for each route.
#[derive(Clone)]
enum Bytes {
    Few(u8, [u8; ROOM]),
    Many(Vec<u8>),
}

impl Bytes {
    /// Puts these in place of what there is.
    #[inline]
    fn read(&mut self, attrs: &[u8]) {
        match (&mut *self, u8::try_from(attrs.len())) {
            (Self::Few(len, bytes), Ok(new)) if attrs.len() <= ROOM => {
                *len = new;
                bytes.iter_mut().zip(attrs).for_each(|(place, byte)| *place = *byte);
            }
            (Self::Many(bytes), _) => {
                bytes.clear();
                bytes.extend_from_slice(attrs);
            }
            (bytes, _) => *bytes = Self::Many(attrs.to_vec()),
        }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Few(len, bytes) => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Self::Many(bytes) => bytes,
        }
    }
}

impl DerefMut for Bytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Few(len, bytes) => bytes.get_mut(..usize::from(*len)).unwrap_or_default(),
            Self::Many(bytes) => bytes,
        }
    }
}

type Words = fn(Attrs<'_>, &mut fmt::Formatter<'_>) -> fmt::Result;

impl RawEncap {
    /// An encapsulation of this type with these attributes.
    #[must_use]
    pub fn new(kind: u16, attrs: Vec<u8>) -> Self {
        Self { kind, bytes: Bytes::Many(attrs), words: None, wording: None, own: None }
    }

    /// One that was read, in the place of another on the heap if there is one.
    pub(crate) fn read(spare: Option<Box<Self>>, kind: u16, attrs: &[u8]) -> Box<Self> {
        let mut encap = match spare {
            Some(mut encap) => {
                (encap.kind, encap.words, encap.wording, encap.own) = (kind, None, None, None);
                encap
            }
            None => {
                let few = Bytes::Few(0, [0; ROOM]);
                Box::new(Self { kind, bytes: few, words: None, wording: None, own: None })
            }
        };
        encap.bytes.read(attrs);
        encap
    }

    /// From an encapsulation that this program knows.
    #[must_use]
    pub fn of<T: Encap>(encap: &T) -> Self {
        let (mut bytes, mut fault) = (Vec::with_capacity(ROOM), None);
        let mut w = EncapWriter { writer: AttrWriter::new(&mut bytes, &mut fault), devs: Vec::new() };
        encap.encode(&mut w);
        let devs = w.devs;
        let fault = fault.map(|fault: Box<EncodeError>| Invalid::from(fault.to_string()));
        let own = Own { devs, invalid: encap.check().err().or(fault), is_ipv6_only: encap.is_ipv6_only() };
        let is_needed = own.is_ipv6_only || own.invalid.is_some() || !own.devs.is_empty();
        let own = is_needed.then(|| Box::new(own));
        Self { kind: T::KIND, bytes: Bytes::Many(bytes), words: Some(words::<T>), wording: None, own }
    }

    /// The type (`LWTUNNEL_ENCAP_*`).
    #[must_use]
    pub const fn kind(&self) -> u16 {
        self.kind
    }

    /// The attributes.
    #[must_use]
    pub fn attrs(&self) -> Attrs<'_> {
        Attrs::new(&self.bytes)
    }

    /// The encapsulation, if it is one of this type.
    ///
    /// # Errors
    /// Its attributes cannot be read.
    pub fn decode<T: Encap>(&self) -> Result<Option<T>, DecodeError> {
        if self.kind == T::KIND { T::decode(self.attrs()).map(Some) } else { Ok(None) }
    }
}

impl RawEncap {
    /// Names and words for requests with it.
    pub(crate) fn worded(mut self, names: &'static Names, describe: Describe) -> Self {
        self.wording = Some((names, describe));
        self
    }

    pub(crate) const fn wording(&self) -> Option<(&'static Names, Describe)> {
        self.wording
    }

    /// Prints it in the words of `T`, if it is one, and returns whether it is.
    pub(crate) fn in_words_of<T: Encap>(&mut self) -> bool {
        let is_one = self.kind == T::KIND;
        if is_one {
            self.words = Some(words::<T>);
        }
        is_one
    }

    /// The same with names and words for requests.
    pub(crate) fn in_all_words_of<T: Encap>(&mut self, names: &'static Names, describe: Describe) {
        if self.in_words_of::<T>() {
            self.wording = Some((names, describe));
        }
    }

    /// The first device that is known by name only.
    pub(crate) fn unresolved(&self) -> Option<&Dev> {
        self.own.as_ref()?.devs.iter().map(|(_, dev)| dev).find(|dev| !matches!(dev, Dev::Index(_)))
    }

    /// Puts an index in place of a name.
    pub(crate) fn resolve(&mut self, name: &Dev, index: u32) {
        let Some(own) = &mut self.own else { return };
        for (at, dev) in own.devs.iter_mut().filter(|(_, dev)| dev == name) {
            *dev = Dev::Index(index);
            if let Some(value) = self.bytes.get_mut(*at..).and_then(|rest| rest.first_chunk_mut()) {
                *value = index.to_ne_bytes();
            }
        }
    }

    pub(crate) fn write(&self, w: &mut AttrWriter<'_>, kind_attr: u16, attr: u16) {
        w.u16(kind_attr, self.kind);
        w.bytes(attr | crate::attr::NLA_F_NESTED, &self.bytes);
    }

    pub(crate) fn check(&self, is_ipv4: bool) -> Result<(), Invalid> {
        if self.kind == 0 {
            return Err("encapsulation type 0; the first one is 1".into());
        }
        let Some(own) = &self.own else { return Ok(()) };
        if let Some(why) = &own.invalid {
            return Err(why.clone());
        }
        for (_, dev) in &own.devs {
            match dev {
                Dev::Index(index) => check_index(*index)?,
                name => return Err(by_name(name)),
            }
        }
        Invalid::when(is_ipv4 && own.is_ipv6_only, "this encapsulation is for IPv6 routes and nexthops")
    }
}

/// Why a device by name is refused where none can be looked up.
pub(crate) fn by_name(dev: &Dev) -> Invalid {
    format!("device {dev} by name; give its index, or use a handle, which looks names up").into()
}

fn words<T: Encap>(attrs: Attrs<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match T::decode(attrs) {
        Ok(encap) => write!(f, "{encap}"),
        Err(_) => write!(f, "{}", Kind(T::KIND)),
    }
}

/// The word of `ip route` for a type of encapsulation, or the number.
struct Kind(u16);

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `include/uapi/linux/lwtunnel.h`
        const WORDS: [&str; 11] =
            ["none", "mpls", "ip", "ila", "ip6", "seg6", "bpf", "seg6local", "rpl", "ioam6", "xfrm"];
        match WORDS.get(usize::from(self.0)) {
            Some(word) => f.write_str(word),
            None => write!(f, "{}", self.0),
        }
    }
}

/// The words behind `encap`. One that was read prints its type and its attributes in hexadecimal digits.
impl fmt::Display for RawEncap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(words) = self.words {
            return words(self.attrs(), f);
        }
        write!(f, "{} 0x", Kind(self.kind))?;
        self.bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RawEncap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// By type and attributes; a device by name is none yet.
impl PartialEq for RawEncap {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && *self.bytes == *other.bytes && self.unresolved() == other.unresolved()
    }
}

impl Eq for RawEncap {}

#[cfg(feature = "serde")]
impl serde::Serialize for RawEncap {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
