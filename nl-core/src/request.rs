use std::fmt;

use zeroize::Zeroize;

use crate::attr::{AttrWriter, EncodeError, align, reserve};
use crate::check::Invalid;
use crate::error::{Error, Names, Result};
use crate::message::{FixedHeader, HEADER_LEN, MessageRef, NLM_F_REQUEST, NLMSG_MIN_TYPE};

/// Most requests fit this many bytes.
const ROOM: usize = 192;

/// The operation and its object in the words of the field, from the request's own bytes:
/// `add fdb 02:00:00:00:00:01 dev #5 vlan 10`.
///
/// Must not print secrets. `#` and a number stand for a device, and are replaced by its name where that can be learned.
pub type Describe = fn(MessageRef<'_>) -> String;

/// What an error means where the family knows more than the kernel says: the error, and the request that it answers.
pub type Refine = fn(Error, MessageRef<'_>) -> Error;

/// What a request is about, for errors.
#[derive(Clone, Copy)]
pub(crate) struct Wording {
    pub(crate) names: &'static Names,
    pub(crate) describe: Describe,
    refine: Option<Refine>,
}

impl Wording {
    /// Ties an error to the message it answers.
    pub(crate) fn explain(self, error: Error, message: &[u8]) -> Error {
        let error = error.about(self.names, self.describe, message);
        match (self.refine, MessageRef::parse(message)) {
            (Some(refine), Ok(message)) => refine(error, message),
            _ => error,
        }
    }
}

/// A request being built: header, family header, attributes.
///
/// ```
/// use nl_core::Request;
/// use nl_core::message::IfInfoMsg;
///
/// // RTM_GETLINK for "lo"
/// let mut request = Request::unnamed(18).with_header(&IfInfoMsg::default());
/// request.attrs().str(3, "lo");
/// assert_eq!(request.kind(), 18);
/// ```
///
/// It knows the names of its attributes and how it is described, so that whatever answers it can be put into words.
pub struct Request {
    bytes: Vec<u8>,
    // Boxed, so that what is moved about is small: there seldom is one.
    fault: Option<Box<EncodeError>>,
    invalid: Option<Box<Invalid>>,
    wording: Wording,
    sensitive: bool,
    unacknowledged: bool,
}

impl Request {
    /// A request of this type. `NLM_F_REQUEST` is always set.
    #[must_use]
    pub fn new(kind: u16, names: &'static Names, describe: Describe) -> Self {
        let ([a, b], [c, d]) = (kind.to_ne_bytes(), NLM_F_REQUEST.to_ne_bytes());
        let mut bytes = Vec::with_capacity(ROOM);
        bytes.extend_from_slice(&[0, 0, 0, 0, a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0]);
        let wording = Wording { names, describe, refine: None };
        Self { bytes, fault: None, invalid: None, wording, sensitive: false, unacknowledged: false }
    }

    /// A request about whose attributes nothing is known. Errors call it by its type.
    #[must_use]
    pub fn unnamed(kind: u16) -> Self {
        Self::new(kind, Names::UNKNOWN, |message| format!("netlink request of type {}", message.kind()))
    }

    /// An [`unnamed`](Self::unnamed) request from a type, flags and an encoded payload.
    #[must_use]
    pub fn from_payload(kind: u16, flags: u16, payload: &[u8]) -> Self {
        let mut request = Self::unnamed(kind).with_flags(flags);
        reserve(&mut request.bytes, payload.len());
        request.bytes.extend_from_slice(payload);
        request
    }

    /// Sets these flags in addition to those that are set.
    #[must_use]
    pub fn with_flags(mut self, flags: u16) -> Self {
        self.add_flags(flags);
        self
    }

    /// Appends the family's fixed header.
    #[must_use]
    pub fn with_header(mut self, header: &impl FixedHeader) -> Self {
        header.write(&mut self.bytes);
        self
    }

    /// Has every error that answers the request looked at, wherever it was sent: alone, in a batch, as a list. So an error number
    /// that means something else in this family is translated once.
    #[must_use]
    pub fn refined_by(mut self, refine: Refine) -> Self {
        self.wording.refine = Some(refine);
        self
    }

    /// Marks the request as carrying a secret: its bytes, and every copy made while sending it, are zeroed.
    #[must_use]
    pub fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    /// Asks for no acknowledgement when it is sent alone: the answer is one message, or an error. That saves a message and the call
    /// that receives it.
    ///
    /// For requests to which every kernel answers with exactly one message when it succeeds, such as `RTM_GETLINK` for one device.
    #[must_use]
    pub fn unacknowledged(mut self) -> Self {
        self.unacknowledged = true;
        self
    }

    /// Marks the request as bad input if the check failed: it is never sent, and whoever tries gets this as the error, with
    /// the operation in words. So an encoder need not return a `Result`, and in a batch a bad request fails alone.
    ///
    /// The first failed check counts.
    #[must_use]
    #[inline]
    pub fn invalid_if(mut self, check: std::result::Result<(), Invalid>) -> Self {
        if let Err(why) = check {
            self.refuse(why);
        }
        self
    }

    #[cold]
    fn refuse(&mut self, why: Invalid) {
        self.invalid.get_or_insert_with(|| Box::new(why));
    }

    /// The operation and its object in words, with `#5` for interface 5.
    #[must_use]
    pub fn describe(&self) -> String {
        (self.wording.describe)(self.into())
    }

    /// Writes attributes behind those that are there.
    pub fn attrs(&mut self) -> AttrWriter<'_> {
        AttrWriter::new(&mut self.bytes, &mut self.fault)
    }

    /// The message's type.
    #[must_use]
    pub fn kind(&self) -> u16 {
        self.field(4)
    }

    /// The `NLM_F_*` flags.
    #[must_use]
    pub fn flags(&self) -> u16 {
        self.field(6)
    }

    /// Whether the request carries a secret.
    #[must_use]
    pub const fn is_sensitive(&self) -> bool {
        self.sensitive
    }

    /// The error for this request when it could not be sent because of another one: that the device it is about was looked up,
    /// for instance.
    #[must_use]
    pub fn not_sent(&self, error: Error) -> Error {
        error.during(|| self.describe())
    }

    pub(crate) const fn wording(&self) -> Wording {
        self.wording
    }

    /// The whole message with its length set, ready to be sent with sequence number 0.
    ///
    /// # Errors
    /// The request was [invalid](Self::invalid_if), an attribute did not fit, there is nothing behind the header, or the type is
    /// that of a control message: to the last two the kernel answers success and does nothing.
    pub fn encoded(&mut self) -> Result<&[u8]> {
        let Ok(len) = u32::try_from(self.bytes.len()) else {
            return Err(Error::usage(format!("a request of {} bytes; the limit is 4 GiB", self.bytes.len())));
        };
        if let Some(field) = self.bytes.first_chunk_mut::<4>() {
            *field = len.to_ne_bytes();
        }
        let refusal = match (&self.invalid, &self.fault) {
            (Some(why), _) => Error::from((**why).clone()),
            (None, Some(fault)) => Error::from(**fault),
            (None, None) if self.bytes.len() == HEADER_LEN => {
                Error::usage("a request needs at least a family header")
            }
            (None, None) if self.kind() < NLMSG_MIN_TYPE => Error::usage(format!(
                "message type {} is a control message, which the kernel acknowledges without doing anything; \
                 requests have types from {NLMSG_MIN_TYPE}",
                self.kind()
            )),
            (None, None) => return Ok(&self.bytes),
        };
        Err(self.wording.explain(refusal, &self.bytes))
    }

    pub(crate) fn add_flags(&mut self, flags: u16) {
        self.set_field(6, self.flags() | flags);
    }

    fn field(&self, at: usize) -> u16 {
        self.bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u16::from_ne_bytes(*b))
    }

    fn set_field(&mut self, at: usize, value: u16) {
        if let Some(field) = self.bytes.get_mut(at..).and_then(|b| b.first_chunk_mut()) {
            *field = value.to_ne_bytes();
        }
    }
}

impl Request {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The same for a socket whose send buffer takes `limit` bytes.
    pub(crate) fn encoded_within(&mut self, limit: usize) -> Result<&[u8]> {
        self.encoded()?;
        let len = self.bytes.len();
        if len > limit {
            let error = format!("a request of {len} bytes; the socket's send buffer takes {limit}");
            return Err(self.wording.explain(Error::usage(error), &self.bytes));
        }
        Ok(&self.bytes)
    }

    /// Sets the sequence number, adds flags and checks the request; `room` is how much can be sent.
    pub(crate) fn prepare(
        &mut self,
        flags: u16,
        seq: u32,
        room: impl FnOnce(usize) -> Result<usize>,
    ) -> Result<()> {
        self.add_flags(flags);
        if let Some(field) = self.bytes.get_mut(8..).and_then(|b| b.first_chunk_mut()) {
            *field = seq.to_ne_bytes();
        }
        self.encoded_within(room(self.bytes.len())?).map(drop)
    }

    /// Whether the message that answers it is the end of the answer.
    pub(crate) const fn is_unacknowledged(&self) -> bool {
        self.unacknowledged
    }

    /// The bytes as they are sent.
    pub(crate) fn as_prepared(&self) -> &[u8] {
        &self.bytes
    }

    /// Words and names for an error that answers this request.
    pub(crate) fn explain(&mut self, error: Error) -> Error {
        match self.encoded() {
            Ok(_) => self.wording.explain(error, &self.bytes),
            Err(_) => error,
        }
    }
}

/// Appends a message to a datagram of several.
pub(crate) fn append(datagram: &mut Vec<u8>, message: &[u8]) {
    reserve(datagram, align(message.len()));
    datagram.extend_from_slice(message);
    datagram.resize(align(datagram.len()), 0);
}

/// Shows what is asked, never the attributes' values.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("kind", &self.kind())
            .field("flags", &format_args!("{:#x}", self.flags()))
            .field("len", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if self.sensitive {
            self.bytes.zeroize();
        }
    }
}

impl Clone for Request {
    fn clone(&self) -> Self {
        Self {
            bytes: self.bytes.clone(),
            fault: self.fault.clone(),
            invalid: self.invalid.clone(),
            wording: self.wording,
            sensitive: self.sensitive,
            unacknowledged: self.unacknowledged,
        }
    }
}

impl<'a> From<&'a Request> for MessageRef<'a> {
    fn from(request: &'a Request) -> Self {
        MessageRef::from_parts(
            request.kind(),
            request.flags(),
            request.bytes.get(HEADER_LEN..).unwrap_or_default(),
        )
    }
}
