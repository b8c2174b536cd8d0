//! Comparing versions such as `6.12.9` and `6.8`.

/// Whether a version is the wanted one or a later one.
pub(super) fn is_at_least(version: &str, wanted: &str) -> bool {
    numbers(version) >= numbers(wanted)
}

/// Whether a text is a version as a need has it: `6`, `6.12` or `6.12.9`.
pub(super) fn is_version(text: &str) -> bool {
    text.split('.').all(|part| part.parse::<u32>().is_ok() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The numbers at the beginning: `6.12.118+deb13` has three.
fn numbers(text: &str) -> Vec<u32> {
    let digits = text.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or_default();
    digits.split('.').filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        for (version, wanted) in [("6.12.9+deb13", "6.8"), ("7.2.13", "7"), ("6.8", "6.8"), ("6.8.1", "6.8")]
        {
            assert!(is_at_least(version, wanted), "{version} {wanted}");
        }
        for (version, wanted) in [("6.8", "6.12"), ("6.1.192", "6.2"), ("", "1")] {
            assert!(!is_at_least(version, wanted), "{version} {wanted}");
        }
    }

    #[test]
    fn a_version_is_numbers_with_dots_between_them() {
        for text in ["6", "6.12", "6.12.9"] {
            assert!(is_version(text), "{text}");
        }
        for text in ["", "abc", "v99.0", ">= 99", "6.", ".6", "6.x", "6.12+deb13", "+6", "99999999999"] {
            assert!(!is_version(text), "{text}");
        }
    }
}
