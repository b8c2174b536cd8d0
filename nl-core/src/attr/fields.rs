use super::{Attr, DecodeError};

/// The fields of a C structure, read in order without copying.
///
/// Later kernels append fields to a structure and earlier ones end it sooner. So what is behind the last field read is
/// passed over, a field that was always there is an error where the bytes end before it, and one that was appended is
/// read with [`later`](Self::later).
///
/// ```
/// use nl_core::attr::Fields;
///
/// // Of an earlier kernel, whose structure had no third field yet.
/// let bytes = [7_u32.to_ne_bytes(), 9_u32.to_ne_bytes()].concat();
/// let mut f = Fields::named("struct example", &bytes);
/// assert_eq!((f.u32()?, f.u32()?), (7, 9));
/// assert_eq!(f.later(Fields::u64), None);
/// assert!(f.u32().is_err());
/// # Ok::<(), nl_core::attr::DecodeError>(())
/// ```
///
/// Alignment is the caller's to [`skip`](Self::skip), as it is not the same on every machine.
#[derive(Clone, Copy)]
pub struct Fields<'a> {
    rest: &'a [u8],
    len: usize,
    of: Of,
}

/// What the structure is, for errors.
#[derive(Clone, Copy)]
enum Of {
    Attr(u16),
    Named(&'static str),
}

macro_rules! numbers {
    ($($name:ident $type:ident $from:ident $doc:literal;)+) => {$(
        #[doc = $doc]
        ///
        /// # Errors
        /// The structure ends before it.
        #[inline]
        pub fn $name(&mut self) -> Result<$type, DecodeError> {
            self.array().map($type::$from)
        }
    )+};
}

impl<'a> Fields<'a> {
    /// The structure that is the value of an attribute of type `kind`; see also [`Attr::fields`].
    #[must_use]
    #[inline]
    pub const fn of_attr(kind: u16, bytes: &'a [u8]) -> Self {
        Self { rest: bytes, len: bytes.len(), of: Of::Attr(kind) }
    }

    /// A structure outside of attributes, by its name in the kernel's headers.
    #[must_use]
    #[inline]
    pub const fn named(name: &'static str, bytes: &'a [u8]) -> Self {
        Self { rest: bytes, len: bytes.len(), of: Of::Named(name) }
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// The structure ends before.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let Some((field, rest)) = self.rest.split_first_chunk() else { return Err(self.short(N)) };
        self.rest = rest;
        Ok(*field)
    }

    numbers! {
        u8 u8 from_ne_bytes "An 8-bit number.";
        u16 u16 from_ne_bytes "A 16-bit number in the machine's byte order.";
        u32 u32 from_ne_bytes "A 32-bit number in the machine's byte order.";
        u64 u64 from_ne_bytes "A 64-bit number in the machine's byte order.";
        i32 i32 from_ne_bytes "A signed 32-bit number in the machine's byte order.";
        i64 i64 from_ne_bytes "A signed 64-bit number in the machine's byte order.";
        be16 u16 from_be_bytes "A 16-bit number in network byte order.";
        be32 u32 from_be_bytes "A 32-bit number in network byte order.";
        be64 u64 from_be_bytes "A 64-bit number in network byte order.";
    }

    /// Skips this many bytes.
    ///
    /// # Errors
    /// The structure ends before.
    pub fn skip(&mut self, bytes: usize) -> Result<(), DecodeError> {
        self.rest = self.rest.get(bytes..).ok_or_else(|| self.short(bytes))?;
        Ok(())
    }

    /// A field that a later kernel appended; `None` where the structure ends before it, and for all behind it then.
    pub fn later<T>(&mut self, field: impl FnOnce(&mut Self) -> Result<T, DecodeError>) -> Option<T> {
        let value = field(self).ok();
        if value.is_none() {
            self.rest = &[];
        }
        value
    }

    /// What was not read yet.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[cold]
    fn short(&self, more: usize) -> DecodeError {
        let (needed, got) = ((self.len - self.rest.len()).saturating_add(more), self.len);
        match self.of {
            Of::Attr(kind) => DecodeError::Length { kind, expected: needed, got },
            Of::Named(what) => DecodeError::Short { what, needed, got },
        }
    }
}

impl<'a> Attr<'a> {
    /// The value as a C structure.
    #[must_use]
    #[inline]
    pub const fn fields(&self) -> Fields<'a> {
        Fields::of_attr(self.kind(), self.value())
    }
}

/// Shows how much is left, not what: it may be key material.
impl std::fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fields").field("len", &self.rest.len()).finish()
    }
}
