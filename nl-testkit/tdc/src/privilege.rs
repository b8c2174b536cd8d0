//! Refusals for want of privilege: whoever runs such a case is refused alike, and the case shows nothing.

use nl_testkit::Need;

/// Why an answer to a line with `tc` shows nothing; `None` if the program has all privileges, and the kernel means something else by
/// it (an action that a filter uses cannot be deleted).
pub(crate) fn missing(line: &str, answer: &str) -> Option<String> {
    let is_tc = line.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == "tc");
    let is_refused = is_tc && REFUSED.iter().any(|text| answer.contains(text));
    (is_refused && Need::HostRoot.probe().is_err()).then(|| reason(line, answer))
}

/// Whether a reason is such a one.
pub(crate) fn is_missing(reason: &str) -> bool {
    reason.starts_with(WANT)
}

fn reason(line: &str, answer: &str) -> String {
    format!("{WANT}`{line}` needs the initial user namespace (`host_root`)\n{answer}")
}

const WANT: &str = "refused for want of privilege: ";
/// EPERM, in the words of `tc` and of a library.
const REFUSED: &[&str] = &["Operation not permitted", "(EPERM)"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_for_want_of_privilege_is_distinguished_from_others() {
        let refused = "RTNETLINK answers: Operation not permitted\nWe have an error talking to the kernel\n";
        let missing = |answer: &str| missing("tc actions add action ok", answer);
        for answer in ["", "RTNETLINK answers: File exists", "RTNETLINK answers: Invalid argument"] {
            assert_eq!(missing(answer), None);
        }
        assert_eq!(super::missing("ip link add tc0 type dummy", refused), None);
        // Real root is never refused for that.
        assert_eq!(missing(refused).is_some(), Need::HostRoot.probe().is_err());
        let reason = reason("tc actions add action ok", refused);
        assert!(is_missing(&reason) && reason.contains("`tc actions add action ok`"), "{reason}");
        assert!(!is_missing(refused));
    }
}
