//! Comparing versions such as `6.12.9` and `6.8`.

/// Whether a version is the wanted one or a later one.
pub(crate) fn is_at_least(version: &str, wanted: &str) -> bool {
    numbers(version) >= numbers(wanted)
}

/// Whether a text is a version as a need has it: `6`, `6.12` or `6.12.9`.
pub(crate) fn is_version(text: &str) -> bool {
    text.split('.').all(|part| part.parse::<u32>().is_ok() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The version in what a program of iproute2 says of itself, as `ip utility, iproute2-6.15.0, libbpf 1.5.0`.
pub(crate) fn of_iproute2(text: &str) -> Option<&str> {
    let version = text.split_once("iproute2-")?.1.split([',', ' ', '\n']).next()?;
    // Older ones are named after a date, as `iproute2-ss200127`.
    Some(version.trim_start_matches("ss"))
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
    fn the_version_of_iproute2_is_in_what_it_prints() {
        let text = "ip utility, iproute2-6.15.0, libbpf 1.5.0\n";
        assert_eq!(of_iproute2(text), Some("6.15.0"));
        assert_eq!(of_iproute2("iproute2-6.1.0"), Some("6.1.0"));
        assert_eq!(of_iproute2("tc utility, iproute2-ss200127"), Some("200127"));
        assert_eq!(of_iproute2("BusyBox v1.37.0"), None);
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
