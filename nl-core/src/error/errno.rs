use std::fmt;

/// An error number of the kernel, printed as `Invalid argument (EINVAL)`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Errno(i32);

macro_rules! names {
    ($($name:ident)+) => {
        const NAMES: &[(i32, &str)] = &[$((libc::$name, stringify!($name))),+];
        impl Errno {
            $(#[doc = concat!("`", stringify!($name), "`.")]
            pub const $name: Self = Self(libc::$name);)+
        }
    };
}

names! {
    E2BIG EACCES EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EAGAIN EALREADY EBADF EBADMSG EBUSY ECANCELED ECONNABORTED
    ECONNREFUSED ECONNRESET EDESTADDRREQ EDOM EEXIST EFAULT EFBIG EHOSTDOWN EHOSTUNREACH EIDRM EILSEQ EINPROGRESS
    EINTR EINVAL EIO EISCONN EISDIR EKEYEXPIRED EKEYREJECTED EKEYREVOKED ELOOP EMEDIUMTYPE EMFILE EMLINK EMSGSIZE
    EMULTIHOP ENAMETOOLONG ENETDOWN ENETRESET ENETUNREACH ENFILE ENOBUFS ENODATA ENODEV ENOENT ENOKEY ENOLINK
    ENOMEM ENOMSG ENONET ENOPKG ENOPROTOOPT ENOSPC ENOSR ENOSYS ENOTCONN ENOTDIR ENOTEMPTY ENOTSOCK ENOTTY
    ENOTUNIQ ENXIO EOPNOTSUPP EOVERFLOW EPERM EPFNOSUPPORT EPIPE EPROTO EPROTONOSUPPORT EPROTOTYPE ERANGE EREMOTE
    EROFS ESHUTDOWN ESOCKTNOSUPPORT ESPIPE ESRCH ESTALE ETIMEDOUT ETOOMANYREFS ETXTBSY EUSERS EXDEV
}

/// `ENOTSUPP`, a number the kernel means for itself but lets out in places.
const ENOTSUPP: i32 = 524;

impl Errno {
    /// The number as the kernel names it, positive: 22 for `EINVAL`.
    #[must_use]
    pub const fn new(number: i32) -> Self {
        Self(number)
    }

    /// The number, positive.
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }

    /// The symbol, such as `EINVAL`, where the number has one.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        if self.0 == ENOTSUPP {
            return Some("ENOTSUPP");
        }
        NAMES.iter().find(|(number, _)| *number == self.0).map(|(_, name)| *name)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = std::io::Error::from_raw_os_error(self.0).to_string();
        let text = text.split(" (os error").next().unwrap_or_default();
        match self.name() {
            Some("ENOTSUPP") => f.write_str("Operation is not supported (ENOTSUPP)"),
            Some(name) => write!(f, "{text} ({name})"),
            None => write!(f, "{text} (errno {})", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "Errno({})", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errno_prints_its_text_and_its_symbol() {
        assert_eq!(Errno::EINVAL.to_string(), "Invalid argument (EINVAL)");
        assert_eq!(Errno::new(524).to_string(), "Operation is not supported (ENOTSUPP)");
        assert_eq!(
            Errno::new(9999).to_string(),
            format!(
                "{} (errno 9999)",
                if cfg!(target_env = "musl") { "No error information" } else { "Unknown error 9999" }
            )
        );
    }
}
