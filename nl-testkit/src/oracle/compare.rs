//! Our request against iproute2's: every difference found, and each one either listed with a reason or an error.

use std::{collections::BTreeSet, fmt, ops::Range};

use super::{
    shape::{Malformed, Parsed, Piece, Shape},
    show,
};
use crate::version::{is_at_least, is_version, of_iproute2};

/// Compares requests attribute by attribute.
///
/// Sequence number and port are ignored, and so is the order of attributes at one level of nesting. Padding must be
/// zero. The length of the message follows from the rest and is not compared by itself.
///
/// ```
/// use nl_testkit::oracle::{Attr, BytesOracle, Field, Shape};
///
/// const SHAPE: Shape = Shape::new("genlmsghdr", &[Field::new("cmd", 1), Field::new("version", 3)])
///     .attrs(&[Attr::new(1, "NAME")]);
/// let ours = [20_u32.to_ne_bytes(), [16, 0, 1, 0], [0; 4], [0; 4], [3, 1, 0, 0]].concat();
/// let mut theirs = ours.clone();
/// theirs[16] = 4;
///
/// let oracle = BytesOracle::new(&SHAPE);
/// assert!(oracle.compare(&ours, &theirs).is_err());
/// let oracle = oracle.except(&[("genlmsghdr.cmd", "3 does in one step what 4 does in two")]);
/// assert!(oracle.compare(&ours, &theirs).is_ok());
/// // What is listed must be true.
/// assert!(oracle.compare(&ours, &ours).is_err());
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is compared before `compare` or `check`"]
pub struct BytesOracle<'a> {
    shape: &'a Shape,
    ordered: bool,
    on_purpose: Vec<(&'a str, &'a str)>,
    /// As [`Self::on_purpose`], for some versions of what made theirs.
    by_version: Vec<(Versions<'a>, &'a str, &'a str)>,
    made_by: Option<String>,
}

/// Versions of another program.
#[derive(Clone, Copy, Debug)]
enum Versions<'a> {
    Before(&'a str),
    Since(&'a str),
}

impl<'a> BytesOracle<'a> {
    /// For messages of this shape.
    pub fn new(shape: &'a Shape) -> Self {
        Self { shape, ordered: false, on_purpose: Vec::new(), by_version: Vec::new(), made_by: None }
    }

    /// The order of attributes matters.
    pub fn in_order(mut self) -> Self {
        self.ordered = true;
        self
    }

    /// Differences that are there on purpose, as `(path, reason)`; each of them must really be there.
    ///
    /// A path is what a failure prints: `nlmsg_flags`, `ndmsg.state`, `NDA_VLAN`, `OUTER/INNER`, `NAME[1]` for the
    /// second of several, `NAME.field` for a field of a structure. Behind an attribute's path, `.bits` is about `NLA_F_NESTED` and the like, `.padding` about
    /// the padding and `/order` about the order inside it; `order` alone is about the top level.
    pub fn except(mut self, on_purpose: &[(&'a str, &'a str)]) -> Self {
        self.on_purpose.extend_from_slice(on_purpose);
        self
    }

    /// Which version made theirs, for differences that some versions have: what [`ip -V`](crate::Lab::iproute2_version) prints, what a
    /// [golden file](super::Golden::made_by) says, or a version alone.
    pub fn made_by(mut self, version: &str) -> Self {
        self.made_by = Some(version.to_owned());
        self
    }

    /// [`except`](Self::except), where this version or a newer one [made theirs](Self::made_by).
    ///
    /// ```
    /// # use nl_testkit::oracle::{BytesOracle, Field, Shape};
    /// # const SHAPE: Shape = Shape::new("ndmsg", &[Field::new("state", 4)]);
    /// # let ours = [20_u32.to_ne_bytes(), [16, 0, 1, 0], [0; 4], [0; 4], [0; 4]].concat();
    /// # let mut theirs = ours.clone();
    /// # theirs[16] = 1;
    /// let oracle = BytesOracle::new(&SHAPE).except_since("6.14", &[("ndmsg.state", "set since iproute2 6.14")]);
    /// assert!(oracle.clone().made_by("ip utility, iproute2-6.15.0").compare(&ours, &theirs).is_ok());
    /// // An older one must not have the difference.
    /// assert!(oracle.made_by("ip utility, iproute2-6.1.0").compare(&ours, &theirs).is_err());
    /// ```
    pub fn except_since(mut self, version: &'a str, on_purpose: &[(&'a str, &'a str)]) -> Self {
        let each = on_purpose.iter().map(|(path, reason)| (Versions::Since(version), *path, *reason));
        self.by_version.extend(each);
        self
    }

    /// [`except`](Self::except), where a version older than this one [made theirs](Self::made_by).
    pub fn except_before(mut self, version: &'a str, on_purpose: &[(&'a str, &'a str)]) -> Self {
        let each = on_purpose.iter().map(|(path, reason)| (Versions::Before(version), *path, *reason));
        self.by_version.extend(each);
        self
    }

    /// Compares one message of ours with one of theirs.
    ///
    /// # Errors
    ///
    /// When they differ in something that is not listed, do not differ in something that is, or are malformed, or when something is
    /// listed for some versions and nobody said which one made theirs; the error prints both messages with what differs marked.
    pub fn compare(&self, ours: &[u8], theirs: &[u8]) -> Result<(), Mismatch> {
        let malformed = |whose: &str, error: &Malformed| Mismatch {
            lines: vec![format!("{whose} is {error}")],
            ours: show::raw(ours),
            theirs: show::raw(theirs),
        };
        let on_purpose = self.applicable().map_err(|line| Mismatch {
            lines: vec![line],
            ours: show::raw(ours),
            theirs: show::raw(theirs),
        })?;
        let our = Parsed::parse(self.shape, ours).map_err(|error| malformed("ours", &error))?;
        let their = Parsed::parse(self.shape, theirs).map_err(|error| malformed("theirs", &error))?;
        let mut found = Vec::new();
        self.walk(&our.header, &their.header, ours, theirs, &mut found);
        self.walk(&our.attrs, &their.attrs, ours, theirs, &mut found);
        self.order("", &our.attrs, &their.attrs, &mut found);
        nonzero_padding(&our.attrs, ours, true, &mut found);
        nonzero_padding(&their.attrs, theirs, false, &mut found);

        let mut lines = Vec::new();
        let mut met = BTreeSet::new();
        let (mut our_marks, mut their_marks) = (Vec::new(), Vec::new());
        for difference in found {
            if on_purpose.iter().any(|(path, _)| *path == difference.path) {
                met.insert(difference.path);
                continue;
            }
            lines.push(format!("{}: {}", difference.path, difference.what));
            our_marks.extend(difference.ours);
            their_marks.extend(difference.theirs);
        }
        for (path, reason) in &on_purpose {
            if !met.contains(*path) {
                lines.push(format!("{path}: listed as different ({reason}), but it is the same"));
            }
        }
        if lines.is_empty() {
            return Ok(());
        }
        Err(Mismatch {
            lines,
            ours: show::annotated(self.shape, &our, ours, &our_marks),
            theirs: show::annotated(self.shape, &their, theirs, &their_marks),
        })
    }

    /// [`compare`](Self::compare) as an assertion; `command` is what made theirs.
    ///
    /// # Panics
    ///
    /// When they are not the same.
    #[expect(clippy::panic, reason = "assertion helper")]
    #[track_caller]
    pub fn check(&self, command: &str, ours: &[u8], theirs: &[u8]) {
        if let Err(mismatch) = self.compare(ours, theirs) {
            panic!("`{command}`: {mismatch}");
        }
    }

    /// The differences that are there on purpose, for the version that made theirs.
    fn applicable(&self) -> Result<Vec<(&'a str, &'a str)>, String> {
        let mut applicable = self.on_purpose.clone();
        let text = self.made_by.as_deref().unwrap_or_default();
        let version = of_iproute2(text).unwrap_or(text).trim();
        for (versions, path, reason) in &self.by_version {
            let (Versions::Before(bound) | Versions::Since(bound)) = *versions;
            if !is_version(bound) {
                return Err(format!("{path}: {bound:?} is no version: numbers with dots between them"));
            }
            if !version.starts_with(|c: char| c.is_ascii_digit()) {
                return Err(format!("{path}: listed for some versions, and made_by({text:?}) names none"));
            }
            if is_at_least(version, bound) == matches!(versions, Versions::Since(_)) {
                applicable.push((*path, *reason));
            }
        }
        Ok(applicable)
    }

    fn walk(&self, ours: &[Piece], theirs: &[Piece], our: &[u8], their: &[u8], found: &mut Vec<Difference>) {
        for piece in ours {
            let Some(other) = theirs.iter().find(|other| other.path == piece.path) else {
                found.push(Difference::one_sided(piece, our, true));
                continue;
            };
            if piece.bits() != other.bits() {
                found.push(Difference {
                    path: format!("{}.bits", piece.path),
                    what: format!("ours {:#06x}, theirs {:#06x}", piece.bits(), other.bits()),
                    ours: Some(piece.range.clone()),
                    theirs: Some(other.range.clone()),
                });
            }
            if piece.inner().is_empty() && other.inner().is_empty() {
                let (value, theirs) = (slice(our, &piece.value()), slice(their, &other.value()));
                if value != theirs && !IGNORED.contains(&piece.path.as_str()) {
                    found.push(Difference {
                        path: piece.path.clone(),
                        what: format!("ours {}, theirs {}", show::hex(value), show::hex(theirs)),
                        ours: Some(piece.range.clone()),
                        theirs: Some(other.range.clone()),
                    });
                }
            } else {
                self.walk(piece.inner(), other.inner(), our, their, found);
                self.order(&format!("{}/", piece.path), piece.inner(), other.inner(), found);
            }
        }
        for piece in theirs {
            if !ours.iter().any(|other| other.path == piece.path) {
                found.push(Difference::one_sided(piece, their, false));
            }
        }
    }

    fn order(&self, parent: &str, ours: &[Piece], theirs: &[Piece], found: &mut Vec<Difference>) {
        let in_both = |list: &[Piece], other: &[Piece]| -> Vec<String> {
            let paths = list.iter().map(|piece| piece.path.clone());
            paths.filter(|path| other.iter().any(|piece| piece.path == *path)).collect()
        };
        let (our, their) = (in_both(ours, theirs), in_both(theirs, ours));
        if self.ordered && our != their {
            let what = format!("ours {}, theirs {}", our.join(" "), their.join(" "));
            found.push(Difference { path: format!("{parent}order"), what, ours: None, theirs: None });
        }
    }
}

/// Two messages that are not what was expected of them; prints both, annotated.
#[derive(Clone)]
pub struct Mismatch {
    lines: Vec<String>,
    ours: String,
    theirs: String,
}

impl Mismatch {
    /// One line for each thing that is wrong, beginning with its path.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the requests are not the same")?;
        for line in &self.lines {
            writeln!(f, "  {line}")?;
        }
        write!(f, "ours:\n{}theirs:\n{}", self.ours, self.theirs)
    }
}

impl fmt::Debug for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Mismatch {}

struct Difference {
    path: String,
    what: String,
    ours: Option<Range<usize>>,
    theirs: Option<Range<usize>>,
}

impl Difference {
    fn one_sided(piece: &Piece, bytes: &[u8], ours: bool) -> Self {
        let value = show::hex(slice(bytes, &piece.value()));
        let range = Some(piece.range.clone());
        let (whose, ours, theirs) = if ours { ("ours", range, None) } else { ("theirs", None, range) };
        Self { path: piece.path.clone(), what: format!("only in {whose}: {value}"), ours, theirs }
    }
}

fn nonzero_padding(pieces: &[Piece], bytes: &[u8], ours: bool, found: &mut Vec<Difference>) {
    for piece in pieces {
        nonzero_padding(piece.inner(), bytes, ours, found);
        let padding = piece.padding();
        let value = slice(bytes, &padding);
        if value.iter().any(|byte| *byte != 0) {
            let what = |whose| format!("{whose} is not zero: {}", show::hex(value));
            let (what, ours, theirs) = match ours {
                true => (what("ours"), Some(padding.clone()), None),
                false => (what("theirs"), None, Some(padding.clone())),
            };
            found.push(Difference { path: format!("{}.padding", piece.path), what, ours, theirs });
        }
    }
}

fn slice<'a>(bytes: &'a [u8], range: &Range<usize>) -> &'a [u8] {
    bytes.get(range.clone()).unwrap_or_default()
}

const IGNORED: &[&str] = &["nlmsg_len", "nlmsg_seq", "nlmsg_pid"];
