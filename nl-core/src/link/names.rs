use std::fmt::{Display, Write};

/// Puts names of devices in place of their numbers: `dev #5` becomes `dev swp1`.
///
/// The kernel reports devices by number, and so does the `Display` of what is read. [`Connection::link_names`] lists the names, and a
/// `LinkWatch`, of feature `watch`, follows them.
///
/// ```
/// use std::collections::HashMap;
///
/// use nl_core::link::with_names;
///
/// let names = HashMap::from([(5, "swp1")]);
/// let text = with_names("02:00:00:00:00:01 dev #5 vlan 10 master #3", |index| names.get(&index));
/// assert_eq!(text, "02:00:00:00:00:01 dev swp1 vlan 10 master #3");
/// ```
///
/// A number without a name stays, and so does a `#` inside a word, such as in the name `eth#5`.
///
/// [`Connection::link_names`]: crate::Connection::link_names
#[must_use]
pub fn with_names<N: Display>(text: &str, mut name: impl FnMut(u32) -> Option<N>) -> String {
    let (mut named, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, behind)) = rest.split_once('#') {
        named.push_str(before);
        rest = behind.trim_start_matches(|c: char| c.is_ascii_digit());
        let digits = behind.strip_suffix(rest).unwrap_or_default();
        let is_whole = !named.ends_with(char::is_alphanumeric) && !rest.starts_with(char::is_alphanumeric);
        let index = digits.parse::<u32>().ok().filter(|_| is_whole);
        // Writing to a String cannot fail.
        let _ = match index.and_then(&mut name) {
            Some(name) => write!(named, "{name}"),
            None => write!(named, "#{digits}"),
        };
    }
    named.push_str(rest);
    named
}

#[cfg(test)]
mod tests {
    use super::with_names;

    #[test]
    fn whole_numbers_with_a_name_are_replaced() {
        let name =
            |index| [(3, "br0"), (5, "swp1")].into_iter().find(|(of, _)| *of == index).map(|(_, name)| name);
        for (text, expected) in [
            ("#5", "swp1"),
            ("7: v0@#3: mtu 1500 master #5", "7: v0@br0: mtu 1500 master swp1"),
            ("dev #5, dev #3", "dev swp1, dev br0"),
            ("dev #50 dev #05 dev #", "dev #50 dev swp1 dev #"),
            ("dev eth#5 alias #5th #4294967296", "dev eth#5 alias #5th #4294967296"),
            ("dev é#5 #5é ##5", "dev é#5 #5é #swp1"),
            ("", ""),
        ] {
            assert_eq!(with_names(text, name), expected, "{text}");
        }
    }
}
