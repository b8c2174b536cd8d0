//! Cases as the kernel's JSON has them.

use nl_testkit::{Error, Result};
use serde_json::Value;

/// One case.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Case {
    /// Four hexadecimal digits.
    pub id: String,
    /// What it is about.
    pub name: String,
    /// For example `qdisc` and `htb`.
    pub category: Vec<String>,
    /// The plugins of the kernel's own runner that it asks for.
    pub plugins: Vec<String>,
    /// Commands before the one under test.
    pub setup: Vec<Step>,
    /// The command under test, with variables such as `$TC`.
    pub command: String,
    /// The exit code it must have.
    pub exit_code: i32,
    /// What is sent after the command under test.
    pub packets: Vec<Packets>,
    /// The command that shows the outcome.
    pub verify: String,
    /// What the command must show as JSON: at least these members of objects and these first entries of lists.
    pub json: Option<Value>,
    /// A regular expression in the notation of Python, where there is no JSON to compare.
    pub pattern: Option<String>,
    /// How often the pattern must be found.
    pub count: usize,
    /// Commands afterwards.
    pub teardown: Vec<Step>,
    /// Why it is not to be run.
    pub skip: Option<String>,
}

/// Packets that a case sends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Packets {
    /// The device, a variable.
    pub device: String,
    /// How many.
    pub count: usize,
    /// What they are, in the words of scapy.
    pub packet: String,
}

/// A command before or after the one under test.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// The command line, for a shell.
    pub line: String,
    /// The exit codes that are good.
    pub good: Vec<i32>,
}

/// A command of a case, its variables replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Command {
    /// The command line, for a shell.
    pub line: String,
}

impl Case {
    /// Reads a file of cases.
    ///
    /// # Errors
    ///
    /// When it is no JSON, or an entry lacks what every case has.
    pub fn parse(text: &str) -> Result<Vec<Self>> {
        let value: Value = serde_json::from_str(text)?;
        let entries = value.as_array().ok_or("a file of cases is a list")?;
        entries.iter().map(Self::from_json).collect()
    }

    fn from_json(value: &Value) -> Result<Self> {
        let id = value.get("id").and_then(Value::as_str).ok_or("a case without an id")?;
        let wrong = |key: &str| Error::from(format!("case {id} has no sensible \"{key}\""));
        let text = |key: &str| value.get(key).and_then(Value::as_str).ok_or_else(|| wrong(key));
        let steps = |key: &str| match value.get(key) {
            None => Ok(Vec::new()),
            Some(list) => list
                .as_array()
                .and_then(|list| list.iter().map(Step::from_json).collect::<Option<Vec<_>>>())
                .map(|list| list.into_iter().filter(|step| !step.line.is_empty()).collect())
                .ok_or_else(|| wrong(key)),
        };
        let pattern = value.get("matchPattern").map(|_| text("matchPattern")).transpose()?;
        let count = match pattern {
            Some(_) => value.get("matchCount").and_then(number).ok_or_else(|| wrong("matchCount"))?,
            None => 0,
        };
        let exit_code = value.get("expExitCode").and_then(number).ok_or_else(|| wrong("expExitCode"))?;
        Ok(Self {
            id: id.to_owned(),
            name: text("name")?.to_owned(),
            category: texts(value.get("category")),
            plugins: texts(value.get("plugins").and_then(|plugins| plugins.get("requires"))),
            setup: steps("setup")?,
            command: text("cmdUnderTest")?.to_owned(),
            exit_code: i32::try_from(exit_code).map_err(|_| wrong("expExitCode"))?,
            packets: match value.get("scapy") {
                None => Vec::new(),
                Some(one @ Value::Object(_)) => vec![Packets::from_json(one).ok_or_else(|| wrong("scapy"))?],
                Some(list) => list
                    .as_array()
                    .and_then(|list| list.iter().map(Packets::from_json).collect())
                    .ok_or_else(|| wrong("scapy"))?,
            },
            verify: text("verifyCmd")?.to_owned(),
            json: value.get("matchJSON").cloned(),
            pattern: pattern.map(str::to_owned),
            count: usize::try_from(count).map_err(|_| wrong("matchCount"))?,
            teardown: steps("teardown")?,
            skip: (value.get("skip").and_then(Value::as_str) == Some("yes"))
                .then(|| "the kernel's runner skips it".to_owned()),
        })
    }
}

impl Step {
    fn from_json(value: &Value) -> Option<Self> {
        match value {
            Value::String(line) => Some(Self { line: line.clone(), good: vec![0] }),
            Value::Array(list) => {
                let (line, good) = list.split_first()?;
                let good = good.iter().map(|code| number(code).and_then(|code| i32::try_from(code).ok()));
                Some(Self { line: line.as_str()?.to_owned(), good: good.collect::<Option<_>>()? })
            }
            _ => None,
        }
    }
}

impl Packets {
    fn from_json(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let count = value.get("count").and_then(number).and_then(|count| usize::try_from(count).ok());
        Some(Self { device: text("iface")?, count: count?, packet: text("packet")? })
    }
}

impl Command {
    /// The words behind `tc`, when the line is one call of `tc` without anything only a shell understands.
    #[must_use]
    pub fn tc(&self) -> Option<Vec<&str>> {
        if self.line.contains(SHELL) {
            return None;
        }
        let mut words = self.line.split_whitespace();
        (words.next() == Some("tc")).then(|| words.collect())
    }
}

/// What of the expected JSON is not shown; `None` when all is.
pub(crate) fn missing(shown: &Value, expected: &Value) -> Option<String> {
    let differs = || Some(format!("{shown} is shown where {expected} is expected"));
    match (shown, expected) {
        (Value::Array(shown), Value::Array(expected)) if expected.len() <= shown.len() => {
            shown.iter().zip(expected).find_map(|(shown, expected)| missing(shown, expected))
        }
        (Value::Object(members), Value::Object(expected)) => {
            expected.iter().find_map(|(key, expected)| match (members.get(key), expected) {
                (None, _) => Some(format!("{shown} has no {key}")),
                // Inside an object an empty list is not the beginning of any list.
                (Some(shown), Value::Array(list)) if list.is_empty() && shown != expected => {
                    Some(format!("{key} is {shown}, not empty"))
                }
                (Some(shown), expected) => missing(shown, expected),
            })
        }
        _ if shown == expected => None,
        _ => differs(),
    }
}

/// Replaces `$NAME` and `${NAME}` as Python's templates do: what is not known stays.
pub(crate) fn replace(line: &str, value_of: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('$') {
        out += before;
        let is_name = |c: char| c == '_' || c.is_ascii_alphanumeric();
        let (name, whole) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((name, _)) => (name, name.len() + 2),
            None => {
                let end = after.find(|c| !is_name(c)).unwrap_or(after.len());
                let name = after.get(..end).unwrap_or_default();
                (name, end)
            }
        };
        match value_of(name) {
            Some(value) => {
                out += &value;
                rest = after.get(whole..).unwrap_or_default();
            }
            None => {
                out.push('$');
                rest = after;
            }
        }
    }
    out + rest
}

/// Numbers are written as numbers or as text.
fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// One text or a list of them, possibly in lists again.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(list)) => list.iter().flat_map(|value| texts(Some(value))).collect(),
        _ => Vec::new(),
    }
}

const SHELL: &[char] =
    &['|', '&', ';', '<', '>', '(', ')', '$', '`', '\\', '"', '\'', '*', '?', '[', '#', '~', '{'];

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"[{
        "id": "a001", "name": "An example", "category": ["qdisc", ["htb"]],
        "plugins": {"requires": ["nsPlugin", "other"]},
        "scapy": {"iface": "$DEV0", "count": 2, "packet": "Ether()/IP()"},
        "setup": ["$IP link show", ["$TC qdisc del dev $DEV1 root", 0, "2"], ""],
        "cmdUnderTest": "$TC qdisc add dev $DEV1 root htb", "expExitCode": "0",
        "verifyCmd": "$TC qdisc show dev $DEV1", "matchPattern": "htb", "matchCount": 1,
        "teardown": []
    }]"#;

    #[test]
    fn a_case_is_read_with_numbers_and_lists_of_either_form() {
        let cases = Case::parse(TEXT).unwrap();
        let [case] = cases.as_slice() else { panic!("{cases:?}") };
        assert_eq!(
            (case.category.join(" "), case.plugins.join(" ")),
            ("qdisc htb".into(), "nsPlugin other".into())
        );
        assert_eq!(case.setup.len(), 2);
        assert_eq!((case.setup[0].good.as_slice(), case.setup[1].good.as_slice()), (&[0][..], &[0, 2][..]));
        let [packets] = case.packets.as_slice() else { panic!("{case:?}") };
        assert_eq!((packets.device.as_str(), packets.count), ("$DEV0", 2));
        assert_eq!((case.exit_code, case.count, case.skip.as_ref()), (0, 1, None));
        assert_eq!(case.pattern.as_deref(), Some("htb"));
    }

    #[test]
    fn a_case_that_lacks_something_is_refused_by_name() {
        for (from, to, why) in [
            ("\"expExitCode\": \"0\",", "", "case a001 has no sensible \"expExitCode\""),
            ("\"0\",", "\"zero\",", "case a001 has no sensible \"expExitCode\""),
            ("\"cmdUnderTest\"", "\"command\"", "case a001 has no sensible \"cmdUnderTest\""),
            ("\"matchCount\": 1", "\"matchCount\": -1", "case a001 has no sensible \"matchCount\""),
            ("[\"$TC qdisc del", "[1, \"$TC qdisc del", "case a001 has no sensible \"setup\""),
            ("\"count\": 2,", "", "case a001 has no sensible \"scapy\""),
            ("\"id\": \"a001\",", "", "a case without an id"),
        ] {
            let text = TEXT.replace(from, to);
            assert_ne!(text, TEXT);
            assert_eq!(Case::parse(&text).unwrap_err().to_string(), why);
        }
    }

    #[test]
    fn expected_json_is_the_beginning_of_lists_and_a_part_of_objects() {
        let missing = |shown: &str, expected: &str| {
            missing(&serde_json::from_str(shown).unwrap(), &serde_json::from_str(expected).unwrap())
        };
        let shown = r#"[{"kind": "drr", "bytes": 9, "options": {"a": [1, 2]}}, {"kind": "qfq"}]"#;
        for expected in ["[]", r#"[{"kind": "drr"}]"#, r#"[{"options": {"a": [1]}}, {"kind": "qfq"}]"#] {
            assert_eq!(missing(shown, expected), None, "{expected}");
        }
        for (expected, why) in [
            (r#"[{"kind": "htb"}]"#, r#""drr" is shown where "htb" is expected"#),
            (r#"[{}, {"bytes": 9}]"#, r#"{"kind":"qfq"} has no bytes"#),
            (r#"[{"options": {"a": []}}]"#, "a is [1,2], not empty"),
            (r#"[{"options": {"a": [2]}}]"#, "1 is shown where 2 is expected"),
        ] {
            assert_eq!(missing(shown, expected).as_deref(), Some(why));
        }
        assert!(missing(shown, "[{}, {}, {}]").is_some() && missing(shown, "{}").is_some());
    }

    #[test]
    fn variables_are_replaced_and_what_is_unknown_stays() {
        let value = |name: &str| (name == "DEV1").then(|| "v0p1".to_owned());
        assert_eq!(replace("dev $DEV1 ${DEV1}x $DEV12 $ $1", value), "dev v0p1 v0p1x $DEV12 $ $1");
    }

    #[test]
    fn only_a_plain_call_of_tc_has_words() {
        let words = |line: &str| Command { line: line.to_owned() }.tc().map(|words| words.join(","));
        assert_eq!(words("tc  qdisc show").as_deref(), Some("qdisc,show"));
        assert_eq!(words("ip link show"), None);
        assert_eq!(words("tc qdisc show | wc -l"), None);
        assert_eq!(words("tc qdisc add dev $DEV1"), None);
    }
}
