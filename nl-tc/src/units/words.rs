use std::fmt;

/// An option of a `tc` command, if it is set: ` prio 1`.
pub(crate) fn word(f: &mut fmt::Formatter<'_>, name: &str, value: Option<impl fmt::Display>) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(f, " {name} {value}"))
}
