//! The error type of the workspace: what was requested, who refused, what to change.
//!
//! ```text
//! add fdb 02:00:00:00:00:01 dev swp1 vlan 10: Invalid argument (EINVAL)
//!   kernel: "invalid vlan id"   attribute: NDA_VLAN
//! ```
//!
//! [`Error::kind`] says whose fault it is; the `is_…` questions answer the usual matches.

mod errno;
mod ext_ack;
mod names;
mod since;

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::time::Duration;

pub use errno::Errno;
pub use ext_ack::{ExtAck, Policy};
#[cfg(feature = "route")]
pub(crate) use names::with_nest;
pub use names::{AttrName, AttrPath, Names};
pub use since::{KernelVersion, Since};

use crate::addr::escaped;
use crate::attr::{Attrs, DecodeError, EncodeError};
use crate::check::Invalid;
use crate::message::{HEADER_LEN, MessageRef, NLM_F_ACK_TLVS, NLM_F_CAPPED};

/// A `Result` with the workspace's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, during which operation, with which object.
pub struct Error(Box<Inner>);

struct Inner {
    operation: Option<String>,
    attribute: Option<AttrPath>,
    hint: Option<Cow<'static, str>>,
    kind: ErrorKind,
}

/// Who is at fault and how.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The connection is gone; whether the kernel carried the request out is not known.
    Closed,
    /// The kernel sent something this crate could not read.
    Decode(DecodeError),
    /// The table changed while it was being listed, so the list may miss entries or show them twice
    /// (`NLM_F_DUMP_INTR`). List it again.
    Interrupted,
    /// The operating system refused a socket or a namespace.
    Io(io::Error),
    /// The kernel refused.
    Kernel(KernelError),
    /// The kernel dropped messages because the receive buffer was full (`ENOBUFS`). For a request: whether it
    /// was carried out is not known. For a monitor: read the state again, events were lost.
    Overrun,
    /// No answer within the time allowed; the kernel may still carry the request out.
    Timeout(Duration),
    /// The kernel sent a message larger than the receive buffer.
    Truncated {
        /// The size of the message in bytes.
        size: usize,
        /// The size of the buffer in bytes.
        limit: usize,
    },
    /// The running kernel does not have this.
    Unsupported {
        /// What it lacks.
        feature: Cow<'static, str>,
        /// What has it: a release of Linux, a module, an option.
        since: Since,
    },
    /// Invalid input by the caller; the kernel was not asked.
    Usage(Cow<'static, str>),
}

/// A refusal by the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KernelError {
    /// The error number.
    pub errno: Errno,
    /// The kernel's own text and what else it said.
    pub ext_ack: ExtAck,
}

impl KernelError {
    /// A refusal with this number and no text.
    ///
    /// For crates that find out by other means what the kernel would have refused, such as an entry that is not in a list.
    #[must_use]
    pub fn new(errno: Errno) -> Self {
        Self { errno, ext_ack: ExtAck::default() }
    }
}

/// The kernel's answer to a request it carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ack {
    /// Boxed, because there seldom is one, and a batch holds thousands of these.
    ext_ack: Option<Box<ExtAck>>,
}

impl Ack {
    /// The kernel's warning about a request that it carried out.
    ///
    /// Always `None` for a request in a [batch](crate::batch), where the kernel answers failures only.
    #[must_use]
    pub fn warning(&self) -> Option<&str> {
        self.ext_ack.as_ref()?.message.as_deref()
    }

    /// Data that the subsystem adds to its answer (`NLMSGERR_ATTR_COOKIE`); rarely used.
    #[must_use]
    pub fn cookie(&self) -> Option<&[u8]> {
        self.ext_ack.as_ref()?.cookie.as_deref()
    }
}

impl Error {
    /// An error of this kind, not yet tied to an operation.
    #[must_use]
    pub fn new(kind: ErrorKind) -> Self {
        Self(Box::new(Inner { operation: None, attribute: None, hint: None, kind }))
    }

    /// Bad input, with the limit in the text.
    #[must_use]
    pub fn usage(why: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Usage(why.into()))
    }

    /// Something the running kernel lacks.
    #[must_use]
    pub fn unsupported(feature: impl Into<Cow<'static, str>>, since: Since) -> Self {
        Self::new(ErrorKind::Unsupported { feature: feature.into(), since })
    }

    /// Says what was being done, in place of anything said before.
    #[must_use]
    pub fn during(mut self, operation: impl FnOnce() -> String) -> Self {
        self.0.operation = Some(operation());
        self
    }

    /// Says what the error means or what to change, such as the setting of another device that forbids what was asked. An earlier
    /// hint is replaced.
    #[must_use]
    pub fn hinted(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Turns a plain "not supported" of the kernel into [`ErrorKind::Unsupported`] where `refused` says that it
    /// means just that; other errors stay as they are.
    #[must_use]
    pub fn or_unsupported(
        mut self,
        refused: impl FnOnce(&KernelError) -> bool,
        feature: impl Into<Cow<'static, str>>,
        since: Since,
    ) -> Self {
        if self.kernel().is_some_and(refused) {
            self.0.kind = ErrorKind::Unsupported { feature: feature.into(), since };
        }
        self
    }

    /// Who is at fault and how.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// What was being done to what, such as `add fdb 02:00:00:00:00:01 dev swp1`.
    #[must_use]
    pub fn operation(&self) -> Option<&str> {
        self.0.operation.as_deref()
    }

    /// The attribute the error is about.
    #[must_use]
    pub fn attribute(&self) -> Option<&AttrPath> {
        self.0.attribute.as_ref()
    }

    /// What the error means or what to change, where this workspace knows more than the kernel says.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The kernel's refusal, if it is one.
    #[must_use]
    pub fn kernel(&self) -> Option<&KernelError> {
        match &self.0.kind {
            ErrorKind::Kernel(kernel) => Some(kernel),
            _ => None,
        }
    }

    /// The error number, if the kernel or the operating system gave one.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match &self.0.kind {
            ErrorKind::Kernel(kernel) => Some(kernel.errno),
            ErrorKind::Io(io) => io.raw_os_error().map(Errno::new),
            _ => None,
        }
    }

    /// Whether the kernel says that the object, or the device it is on, does not exist (`ENOENT`, `ENODEV`, `ESRCH`, `ENXIO`; of
    /// an address, `EADDRNOTAVAIL`).
    ///
    /// Never true for a socket or a file that could not be opened, which says nothing about the object.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        let errno = self.kernel().map(|kernel| kernel.errno);
        matches!(
            errno,
            Some(Errno::ENOENT | Errno::ENODEV | Errno::ESRCH | Errno::ENXIO | Errno::EADDRNOTAVAIL)
        )
    }

    /// Whether the object exists already (`EEXIST`).
    #[must_use]
    pub fn is_exists(&self) -> bool {
        self.errno() == Some(Errno::EEXIST)
    }

    /// Whether the caller lacks the privilege (`EPERM`, `EACCES`).
    #[must_use]
    pub fn is_permission(&self) -> bool {
        matches!(self.errno(), Some(Errno::EPERM | Errno::EACCES))
    }

    /// Whether the object is in use (`EBUSY`).
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.errno() == Some(Errno::EBUSY)
    }

    /// Whether the running kernel or device cannot do this at all.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Unsupported { .. })
            || matches!(self.errno(), Some(Errno::EOPNOTSUPP | Errno::EPROTONOSUPPORT | Errno::EAFNOSUPPORT))
    }

    /// Whether messages were lost ([`ErrorKind::Overrun`]).
    #[must_use]
    pub fn is_overrun(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Overrun)
    }

    /// Whether a table changed while it was listed ([`ErrorKind::Interrupted`]).
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Interrupted)
    }

    /// Whether the answer did not come in time ([`ErrorKind::Timeout`]).
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Timeout(_))
    }

    /// The bad input was found before the kernel was asked ([`ErrorKind::Usage`]).
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Usage(_))
    }

    /// What has the thing that the running kernel lacks, if the error says so.
    #[must_use]
    pub fn since(&self) -> Option<&Since> {
        match &self.0.kind {
            ErrorKind::Unsupported { since, .. } => Some(since),
            _ => None,
        }
    }

    /// Says how the caller named the device of this index: by an alternative name, or by a name that no device has (index 0).
    ///
    /// A handle calls it where a request failed. Without it, `#5` becomes the name that the kernel has for device 5.
    #[must_use]
    pub fn naming(self, index: u32, dev: impl fmt::Display) -> Self {
        self.name_devices(|number| (number == index).then(|| dev.to_string()))
    }

    /// Puts names of devices in place of their numbers in the words for the operation.
    pub(crate) fn name_devices(mut self, name: impl FnMut(u32) -> Option<String>) -> Self {
        if let Some(operation) = self.0.operation.take() {
            self.0.operation = Some(with_device_names(operation, name));
        }
        self
    }

    /// Ties the error to the message it answers: the operation in words, the attribute by name.
    #[must_use]
    pub(crate) fn about(
        mut self,
        names: &Names,
        describe: fn(MessageRef<'_>) -> String,
        message: &[u8],
    ) -> Self {
        if self.0.operation.is_none()
            && let Ok(message) = MessageRef::parse(message)
        {
            self.0.operation = Some(describe(message));
        }
        self.0.attribute = match &self.0.kind {
            ErrorKind::Kernel(kernel) => kernel.ext_ack.attribute(names, message),
            ErrorKind::Decode(decode) => {
                decode.attribute().map(|kind| AttrPath::single(kind, names.name(kind)))
            }
            _ => None,
        };
        self
    }
}

/// Puts names of devices in place of their numbers, such as `#5`, in the words for an operation.
pub(crate) fn with_device_names(operation: String, mut name: impl FnMut(u32) -> Option<String>) -> String {
    if !operation.contains(" #") {
        return operation;
    }
    let words = operation.split(' ').map(|word| {
        let index = word.strip_prefix('#').and_then(|digits| digits.parse().ok());
        index.and_then(&mut name).map_or(Cow::Borrowed(word), Cow::Owned)
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Reads the payload of an `NLMSG_ERROR`, given its header's flags: an acknowledgement or a refusal.
///
/// # Errors
/// The refusal, or a payload without a code.
pub fn decode_error(flags: u16, payload: &[u8]) -> Result<Ack> {
    let Some((code, rest)) = payload.split_first_chunk::<4>() else {
        return Err(DecodeError::Short { what: "NLMSG_ERROR", needed: 4, got: payload.len() }.into());
    };
    let tlvs = if flags & NLM_F_ACK_TLVS == 0 {
        &[][..]
    } else if flags & NLM_F_CAPPED != 0 {
        rest.get(HEADER_LEN..).unwrap_or_default()
    } else {
        let echoed = rest.first_chunk::<4>().map_or(0, |len| u32::from_ne_bytes(*len));
        usize::try_from(echoed).ok().and_then(|len| rest.get(crate::attr::align(len)..)).unwrap_or_default()
    };
    verdict(i32::from_ne_bytes(*code), tlvs)
}

/// Reads the payload of an `NLMSG_DONE`, given its header's flags: it may carry an error and its text.
///
/// # Errors
/// The error that ended the dump.
pub fn decode_done(flags: u16, payload: &[u8]) -> Result<Ack> {
    // An empty NLMSG_DONE is allowed and means success.
    let Some((code, rest)) = payload.split_first_chunk::<4>() else {
        return Ok(Ack::default());
    };
    let tlvs = if flags & NLM_F_ACK_TLVS == 0 { &[][..] } else { rest };
    verdict(i32::from_ne_bytes(*code), tlvs)
}

fn verdict(code: i32, tlvs: &[u8]) -> Result<Ack> {
    if code == 0 && tlvs.is_empty() {
        return Ok(Ack::default());
    }
    // A text that cannot be read must not hide the verdict.
    let ext_ack = ExtAck::decode(Attrs::new(tlvs)).unwrap_or_default();
    if code < 0 {
        let errno = Errno::new(code.saturating_neg());
        return Err(Error::new(ErrorKind::Kernel(KernelError { errno, ext_ack })));
    }
    Ok(Ack { ext_ack: (ext_ack != ExtAck::default()).then(|| Box::new(ext_ack)) })
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(operation) = &self.0.operation {
            // The handle of a qdisc ends in a colon itself: "list filters dev eth0 parent 1: No such device".
            let last = operation.rsplit(' ').next().and_then(|word| word.strip_suffix(':'));
            let ends_in_handle = last.is_some_and(|major| u16::from_str_radix(major, 16).is_ok());
            write!(f, "{operation}{}", if ends_in_handle { " " } else { ": " })?;
        }
        match &self.0.kind {
            ErrorKind::Closed => {
                f.write_str("connection closed before the answer came; the outcome is not known")?;
            }
            ErrorKind::Decode(error) => write!(f, "cannot read the kernel's answer: {error}")?,
            ErrorKind::Interrupted => f.write_str("the table changed while it was read (NLM_F_DUMP_INTR)")?,
            ErrorKind::Io(error) => match error.raw_os_error() {
                Some(number) => write!(f, "{}", Errno::new(number))?,
                None => write!(f, "{error}")?,
            },
            ErrorKind::Kernel(kernel) => write!(f, "{}", kernel.errno)?,
            ErrorKind::Overrun => f.write_str("receive buffer full, messages were lost (ENOBUFS)")?,
            ErrorKind::Timeout(after) => write!(f, "no answer within {after:?}")?,
            ErrorKind::Truncated { size, limit } => {
                write!(f, "the kernel sent a message of {size} bytes, the limit is {limit}")?;
            }
            ErrorKind::Unsupported { feature, since } => {
                write!(f, "{feature} is not supported by this kernel (needs {since})")?;
            }
            ErrorKind::Usage(why) => f.write_str(why)?,
        }
        let kernel = self.kernel();
        let text = kernel.and_then(|k| k.ext_ack.message.as_deref());
        let mut sep = "\n  ";
        if let Some(text) = text {
            // The kernel puts names of devices into its texts.
            write!(f, "{sep}kernel: \"{}\"", escaped(text))?;
            sep = "   ";
        }
        if let Some(attribute) = &self.0.attribute {
            let missing = kernel.is_some_and(|k| k.ext_ack.missing.is_some());
            write!(f, "{sep}{}: {attribute}", if missing { "missing" } else { "attribute" })?;
        }
        let about = text.is_some() || self.0.attribute.is_some();
        let policy = kernel.and_then(|k| k.ext_ack.policy).filter(|p| about && *p != Policy::default());
        if let Some(policy) = policy {
            write!(f, " ({policy})")?;
        }
        match &self.0.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// As `Display`: what a `main` that fails prints is for people. [`Error::kind`] has the parts.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `Display` says what the source says too, for programs that print an error alone.
impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.kind {
            ErrorKind::Decode(error) => Some(error),
            ErrorKind::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::usage(invalid.into_text())
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Self::new(ErrorKind::Decode(error))
    }
}

impl From<EncodeError> for Error {
    fn from(error: EncodeError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::new(ErrorKind::Io(error))
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind)
    }
}

#[cfg(test)]
mod tests;
