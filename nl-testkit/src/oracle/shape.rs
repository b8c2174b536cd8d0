//! What a netlink message looks like: the names a caller gives, and the message taken apart by them.

use std::{fmt, ops::Range};

/// The names in one kind of message: its fixed header and its attributes.
///
/// ```
/// use nl_testkit::oracle::{Attr, Field, Shape};
///
/// const NEIGHBOUR: Shape = Shape::new("ndmsg", &[
///     Field::new("family", 1), Field::new("pad", 3), Field::new("ifindex", 4),
///     Field::new("state", 2), Field::new("flags", 1), Field::new("type", 1),
/// ])
/// .kinds(&[(28, "RTM_NEWNEIGH"), (29, "RTM_DELNEIGH")])
/// .attrs(&[
///     Attr::new(2, "NDA_LLADDR"),
///     Attr::nest(14, "NDA_FDB_EXT_ATTRS", &[Attr::new(1, "NFEA_ACTIVITY_NOTIFY")]),
/// ]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    header: &'static str,
    fields: &'static [Field],
    kinds: &'static [(u16, &'static str)],
    attrs: &'static [Attr],
}

/// One field of a fixed header.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    name: &'static str,
    length: usize,
}

/// The name of one attribute, and of what is in it when it is a nest or a structure.
#[derive(Clone, Copy, Debug)]
pub struct Attr {
    kind: u16,
    name: &'static str,
    fields: &'static [Field],
    inner: Option<&'static [Attr]>,
}

impl Shape {
    /// Messages with this fixed header; the fields follow each other without gaps, padding being a field too.
    #[must_use]
    pub const fn new(header: &'static str, fields: &'static [Field]) -> Self {
        Self { header, fields, kinds: &[], attrs: &[] }
    }

    /// Names of message types.
    #[must_use]
    pub const fn kinds(mut self, kinds: &'static [(u16, &'static str)]) -> Self {
        self.kinds = kinds;
        self
    }

    /// Names of attributes. One that has no name is shown by its number.
    #[must_use]
    pub const fn attrs(mut self, attrs: &'static [Attr]) -> Self {
        self.attrs = attrs;
        self
    }

    pub(super) fn kind_name(&self, kind: u16) -> Option<&'static str> {
        self.kinds.iter().find(|(number, _)| *number == kind).map(|(_, name)| *name)
    }
}

impl Field {
    /// A field of this many bytes.
    #[must_use]
    pub const fn new(name: &'static str, length: usize) -> Self {
        Self { name, length }
    }
}

impl Attr {
    /// An attribute that holds a value.
    #[must_use]
    pub const fn new(kind: u16, name: &'static str) -> Self {
        Self { kind, name, fields: &[], inner: None }
    }

    /// An attribute that holds attributes.
    #[must_use]
    pub const fn nest(kind: u16, name: &'static str, inner: &'static [Attr]) -> Self {
        Self { kind, name, fields: &[], inner: Some(inner) }
    }

    /// The value begins with a structure of these fields, without gaps; they are compared one by one, as
    /// `ATTRIBUTE.field`. What comes behind them is the attributes of a nest, or else `ATTRIBUTE.rest`.
    #[must_use]
    pub const fn fields(mut self, fields: &'static [Field]) -> Self {
        self.fields = fields;
        self
    }
}

/// Bytes that are not one well-formed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    offset: usize,
    what: String,
}

impl Malformed {
    /// Where, from the start of the bytes.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed at offset {:#06x}: {}", self.offset, self.what)
    }
}

impl std::error::Error for Malformed {}

/// Splits a datagram into its messages. Zeroes at its end are left out: iproute2 sends them after some requests, and the
/// kernel takes no notice.
///
/// # Errors
///
/// When a length in it is wrong.
pub fn messages(datagram: &[u8]) -> Result<Vec<&[u8]>, Malformed> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < datagram.len() {
        let rest = datagram.get(at..).unwrap_or_default();
        if !found.is_empty() && rest.iter().all(|byte| *byte == 0) {
            break;
        }
        let length = message_length(rest, at)?;
        found.push(rest.get(..length).unwrap_or_default());
        at = align(at + length);
    }
    Ok(found)
}

/// A named run of bytes: a header field, an attribute, or the padding after one.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) path: String,
    pub(super) label: String,
    pub(super) depth: usize,
    /// All of it; for an attribute with its header, without its padding.
    pub(super) range: Range<usize>,
    pub(super) content: Content,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Field,
    /// An attribute's type bits above the number, and its value.
    Value {
        bits: u16,
        padding: Range<usize>,
    },
    Nest {
        bits: u16,
        padding: Range<usize>,
        inner: Vec<Piece>,
    },
}

impl Piece {
    fn field(path: String, label: &str, depth: usize, range: Range<usize>) -> Self {
        Self { path, label: label.to_owned(), depth, range, content: Content::Field }
    }

    /// Where the value is: behind the attribute header.
    pub(super) fn value(&self) -> Range<usize> {
        match self.content {
            Content::Field => self.range.clone(),
            _ => self.range.start + ATTR_HEADER..self.range.end,
        }
    }

    pub(super) fn padding(&self) -> Range<usize> {
        match &self.content {
            Content::Field => 0..0,
            Content::Value { padding, .. } | Content::Nest { padding, .. } => padding.clone(),
        }
    }

    pub(super) fn bits(&self) -> u16 {
        match self.content {
            Content::Field => 0,
            Content::Value { bits, .. } | Content::Nest { bits, .. } => bits,
        }
    }

    pub(super) fn inner(&self) -> &[Piece] {
        match &self.content {
            Content::Nest { inner, .. } => inner,
            _ => &[],
        }
    }
}

/// A message taken apart.
#[derive(Clone, Debug)]
pub(super) struct Parsed {
    pub(super) header: Vec<Piece>,
    pub(super) attrs: Vec<Piece>,
}

impl Parsed {
    pub(super) fn parse(shape: &Shape, bytes: &[u8]) -> Result<Self, Malformed> {
        let length = message_length(bytes, 0)?;
        if length != bytes.len() {
            let what = format!("{} bytes after a message of {length}", bytes.len() - length);
            return Err(Malformed { offset: length, what });
        }
        let mut header = Vec::new();
        let mut at = 0;
        let outer = NLMSGHDR.iter().map(|(name, length)| ((*name).to_owned(), *length));
        let fixed = shape.fields.iter().map(|f| (format!("{}.{}", shape.header, f.name), f.length));
        for (path, length) in outer.chain(fixed) {
            let range = at..at + length;
            at = range.end;
            if bytes.get(range.clone()).is_none() {
                let what = format!("{path} of {length} bytes is cut off");
                return Err(Malformed { offset: range.start, what });
            }
            let label = path.clone();
            header.push(Piece::field(path, &label, 0, range));
        }
        let attrs = parse_attrs(bytes, align(at)..bytes.len(), shape.attrs, "", 0)?;
        Ok(Self { header, attrs })
    }
}

fn parse_attrs(
    bytes: &[u8],
    within: Range<usize>,
    names: &[Attr],
    parent: &str,
    depth: usize,
) -> Result<Vec<Piece>, Malformed> {
    let mut found = Vec::new();
    let mut at = within.start;
    while at < within.end {
        let (Some(length), Some(kind)) = (u16_at(bytes, at), u16_at(bytes, at + 2)) else {
            return Err(Malformed { offset: at, what: "an attribute header is cut off".to_owned() });
        };
        let end = at + usize::from(length);
        if usize::from(length) < ATTR_HEADER || end > within.end {
            let what = format!("attribute length {length} where {} bytes are left", within.end - at);
            return Err(Malformed { offset: at, what });
        }
        let number = kind & TYPE_MASK;
        let known = names.iter().find(|attr| attr.kind == number);
        let name = known.map_or_else(|| format!("attribute {number}"), |attr| attr.name.to_owned());
        let path = if parent.is_empty() { name.clone() } else { format!("{parent}/{name}") };
        let next = align(end).min(within.end);
        let (bits, padding) = (kind & !TYPE_MASK, end..next);
        let (fields, inner) = known.map_or((&[][..], None), |attr| (attr.fields, attr.inner));
        let mut inside = parse_fields(at + ATTR_HEADER..end, fields, &path, depth + 1);
        let begin = inside.last().map_or(at + ATTR_HEADER, |field| field.range.end);
        if let Some(names) = inner {
            inside.extend(parse_attrs(bytes, begin..end, names, &path, depth + 1)?);
        } else if !fields.is_empty() && begin < end {
            inside.push(Piece::field(format!("{path}.rest"), "rest", depth + 1, begin..end));
        }
        let content = match inner.is_some() || !fields.is_empty() {
            true => Content::Nest { bits, padding, inner: inside },
            false => Content::Value { bits, padding },
        };
        let label = if known.is_some() { format!("{name} ({number})") } else { name };
        found.push(Piece { path, label, depth, range: at..end, content });
        at = next;
    }
    number_the_repeated(&mut found);
    Ok(found)
}

/// The fields of a structure, as far as there are bytes for them.
fn parse_fields(within: Range<usize>, fields: &[Field], parent: &str, depth: usize) -> Vec<Piece> {
    let mut at = within.start;
    let mut found = Vec::new();
    for field in fields {
        if at >= within.end {
            break;
        }
        let range = at..(at + field.length).min(within.end);
        at = range.end;
        found.push(Piece::field(format!("{parent}.{}", field.name), field.name, depth, range));
    }
    found
}

/// Attributes that occur several times are distinguished by their place: `NAME[0]`, `NAME[1]`.
fn number_the_repeated(pieces: &mut [Piece]) {
    let paths: Vec<String> = pieces.iter().map(|piece| piece.path.clone()).collect();
    for (at, piece) in pieces.iter_mut().enumerate() {
        let same = |path: &&String| **path == piece.path;
        if paths.iter().filter(same).count() > 1 {
            let before = paths.iter().take(at).filter(same).count();
            let path = format!("{}[{before}]", piece.path);
            rename(piece, &path);
        }
    }
}

fn rename(piece: &mut Piece, path: &str) {
    let old = std::mem::replace(&mut piece.path, path.to_owned());
    if let Content::Nest { inner, .. } = &mut piece.content {
        for child in inner {
            let renamed = format!("{path}{}", child.path.strip_prefix(&old).unwrap_or_default());
            rename(child, &renamed);
        }
    }
}

/// The length a message claims, when that is possible.
fn message_length(bytes: &[u8], offset: usize) -> Result<usize, Malformed> {
    let length = bytes
        .first_chunk()
        .map(|chunk| usize::try_from(u32::from_ne_bytes(*chunk)).unwrap_or(usize::MAX))
        .ok_or_else(|| Malformed { offset, what: "no room for a message header".to_owned() })?;
    if length < MESSAGE_HEADER || length > bytes.len() {
        let what = format!("message length {length} where {} bytes are left", bytes.len());
        return Err(Malformed { offset, what });
    }
    Ok(length)
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_ne_bytes(*chunk))
}

pub(super) const fn align(length: usize) -> usize {
    (length + 3) & !3
}

const NLMSGHDR: &[(&str, usize)] =
    &[("nlmsg_len", 4), ("nlmsg_type", 2), ("nlmsg_flags", 2), ("nlmsg_seq", 4), ("nlmsg_pid", 4)];
pub(super) const MESSAGE_HEADER: usize = 16;
pub(super) const ATTR_HEADER: usize = 4;
/// What is left of an attribute's type without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const TYPE_MASK: u16 = 0x3fff;
