//! What `ip`, `tc` and `bridge` show as JSON, compared with a value of ours.

use std::{fmt::Write, panic::Location, time::Duration};

use serde_json::{Map, Value};
use tokio::time::{Instant, sleep, timeout};

use crate::{Node, cmd};

/// What an iproute2 command shows, about to be compared; made by [`Node::shows`].
///
/// Ages, counters and indexes are left out on both sides, and lists are compared without regard to order.
#[derive(Clone, Debug)]
#[must_use = "nothing is compared before `is` is awaited"]
pub struct Shows {
    node: Node,
    line: String,
    rules: JsonRules,
    patience: Duration,
}

/// What is left out and where order matters when two JSON values are compared.
#[derive(Clone, Debug)]
#[must_use]
pub struct JsonRules {
    dropped: Vec<String>,
    only: Option<Vec<String>>,
    ordered: Vec<String>,
}

impl Default for JsonRules {
    /// Without [ages, counters and indexes](Self::VOLATILE), lists without order.
    fn default() -> Self {
        let dropped = Self::VOLATILE.iter().map(|key| (*key).to_owned()).collect();
        Self { dropped, only: None, ordered: Vec::new() }
    }
}

impl JsonRules {
    /// Leaves out these keys too, at any depth.
    pub fn dropping(mut self, keys: &[&str]) -> Self {
        self.dropped.extend(keys.iter().map(|key| (*key).to_owned()));
        self
    }

    /// Compares these keys though they are among the [volatile](Self::VOLATILE) ones.
    pub fn keeping(mut self, keys: &[&str]) -> Self {
        self.dropped.retain(|key| !keys.contains(&key.as_str()));
        self
    }

    /// Compares nothing but these keys of the outermost objects, so that later releases of iproute2 may show more.
    pub fn only(mut self, keys: &[&str]) -> Self {
        self.only = Some(keys.iter().map(|key| (*key).to_owned()).collect());
        self
    }

    /// Lists under these keys keep their order; the empty key is the outermost list.
    pub fn in_order(mut self, keys: &[&str]) -> Self {
        self.ordered.extend(keys.iter().map(|key| (*key).to_owned()));
        self
    }

    /// What differs, one line for each place; `None` when nothing does.
    #[must_use]
    pub fn difference(&self, shown: &Value, ours: &Value) -> Option<String> {
        let (shown, ours) = (self.settled(shown), self.settled(ours));
        let mut lines = Vec::new();
        self.walk("", "", &shown, &ours, &mut lines);
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    /// Keys that are ages, counters or indexes in what iproute2 prints.
    pub const VOLATILE: &[&str] = &[
        "age",
        "backlog",
        "borrowed",
        "bytes",
        "ctokens",
        "drops",
        "expires",
        "forward_delay_timer",
        "gc_timer",
        "giants",
        "hello_timer",
        "hold_timer",
        "ifi_index",
        "ifindex",
        "lended",
        "link_index",
        "message_age_timer",
        "overlimits",
        "packets",
        "peer_ifindex",
        "preferred_life_time",
        "qlen",
        "refcnt",
        "requeues",
        "stats",
        "stats64",
        "tcn_timer",
        "tokens",
        "topology_change_timer",
        "updated",
        "used",
        "valid_life_time",
        "viaIfIndex",
    ];

    /// The value without what is left out.
    fn settled(&self, value: &Value) -> Value {
        let outer = |entry: &Value| match (entry, &self.only) {
            (Value::Object(map), Some(only)) => {
                let kept = map.iter().filter(|(key, _)| only.contains(key));
                kept.map(|(key, value)| (key.clone(), value.clone())).collect::<Map<_, _>>().into()
            }
            _ => entry.clone(),
        };
        let value = match value {
            Value::Array(list) => Value::Array(list.iter().map(outer).collect()),
            other => outer(other),
        };
        self.without_dropped(&value)
    }

    fn without_dropped(&self, value: &Value) -> Value {
        match value {
            Value::Array(list) => list.iter().map(|value| self.without_dropped(value)).collect(),
            Value::Object(map) => {
                let kept = map.iter().filter(|(key, _)| !self.dropped.contains(key));
                kept.map(|(key, value)| (key.clone(), self.without_dropped(value)))
                    .collect::<Map<_, _>>()
                    .into()
            }
            other => other.clone(),
        }
    }

    fn walk(&self, path: &str, key: &str, shown: &Value, ours: &Value, lines: &mut Vec<String>) {
        match (shown, ours) {
            (Value::Object(shown), Value::Object(ours)) => {
                for (key, value) in shown {
                    let path = format!("{path}.{key}");
                    match ours.get(key) {
                        Some(our) => self.walk(&path, key, value, our, lines),
                        None => lines.push(format!("  {path}: shown {value}, ours has none")),
                    }
                }
                for (key, value) in ours.iter().filter(|(key, _)| !shown.contains_key(*key)) {
                    lines.push(format!("  {path}.{key}: not shown, ours {value}"));
                }
            }
            (Value::Array(shown), Value::Array(ours)) => self.lists(path, key, shown, ours, lines),
            _ if self.same(key, shown, ours) => {}
            _ => lines.push(format!("  {}: shown {shown}, ours {ours}", root(path))),
        }
    }

    fn lists(&self, path: &str, key: &str, shown: &[Value], ours: &[Value], lines: &mut Vec<String>) {
        if self.ordered.iter().any(|ordered| ordered == key) {
            for (at, (shown, our)) in shown.iter().zip(ours).enumerate() {
                self.walk(&format!("{path}[{at}]"), key, shown, our, lines);
            }
            for (at, value) in shown.iter().enumerate().skip(ours.len()) {
                lines.push(format!("  {path}[{at}]: shown {value}, ours has none"));
            }
            for (at, value) in ours.iter().enumerate().skip(shown.len()) {
                lines.push(format!("  {path}[{at}]: not shown, ours {value}"));
            }
            return;
        }
        let mut left: Vec<(usize, &Value)> = ours.iter().enumerate().collect();
        let mut unmatched = Vec::new();
        for (at, value) in shown.iter().enumerate() {
            match left.iter().position(|(_, our)| self.same(key, value, our)) {
                Some(found) => drop(left.remove(found)),
                None => unmatched.push((at, value)),
            }
        }
        // What is nearly the same is reported field by field.
        for (at, value) in unmatched {
            let nearest = (0..left.len()).max_by_key(|place| {
                // The first of several equally near ones.
                let likeness = left.get(*place).map_or(0, |(_, our)| likeness(value, our));
                (likeness, std::cmp::Reverse(*place))
            });
            match nearest.and_then(|place| left.get(place).map(|(_, our)| (place, *our))) {
                Some((place, our)) if likeness(value, our) > 0 => {
                    left.remove(place);
                    let mut inner = Vec::new();
                    self.walk(&format!("{path}[{at}]"), key, value, our, &mut inner);
                    lines.push(format!("  {path}[{at}], {}:", title(value)));
                    lines.extend(inner.into_iter().map(|line| format!("  {line}")));
                }
                _ => lines.push(format!("  {path}[{at}]: shown {value}, ours has none")),
            }
        }
        for (at, our) in left {
            lines.push(format!("  {path}[{at}]: not shown, ours {our}"));
        }
    }

    fn same(&self, key: &str, shown: &Value, ours: &Value) -> bool {
        match (shown, ours) {
            (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
            (Value::Array(_), Value::Array(_)) | (Value::Object(_), Value::Object(_)) => {
                let mut lines = Vec::new();
                self.walk("", key, shown, ours, &mut lines);
                lines.is_empty()
            }
            _ => shown == ours,
        }
    }
}

impl Shows {
    /// See [`JsonRules::dropping`].
    pub fn dropping(mut self, keys: &[&str]) -> Self {
        self.rules = self.rules.dropping(keys);
        self
    }

    /// See [`JsonRules::keeping`].
    pub fn keeping(mut self, keys: &[&str]) -> Self {
        self.rules = self.rules.keeping(keys);
        self
    }

    /// See [`JsonRules::only`].
    pub fn only(mut self, keys: &[&str]) -> Self {
        self.rules = self.rules.only(keys);
        self
    }

    /// See [`JsonRules::in_order`].
    pub fn in_order(mut self, keys: &[&str]) -> Self {
        self.rules = self.rules.in_order(keys);
        self
    }

    /// Asks again until it is so or the time is up; without this, it must be so at once.
    pub fn before(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Asserts that what is shown is this.
    ///
    /// # Panics
    ///
    /// When it is not, with the differences, both values and the version of iproute2.
    #[track_caller]
    pub fn is(self, ours: &Value) -> impl Future<Output = ()> + use<'_> {
        let caller = Location::caller();
        async move {
            let end = Instant::now() + self.patience;
            loop {
                let ask = self.node.json(&self.line);
                // A program that hangs is a failure of the program, reported by `json` itself.
                let shown = timeout(self.patience.max(COMMAND), ask).await.unwrap_or(Value::Null);
                let Some(difference) = self.rules.difference(&shown, ours) else { return };
                if Instant::now() + PAUSE >= end {
                    let version = cmd::run(vec!["ip".into(), "-V".into()]).await;
                    let version = version.map_or_else(|error| error.to_string(), |output| output.stdout);
                    self.fail(&shown, ours, &difference, version.trim(), caller);
                }
                sleep(PAUSE).await;
            }
        }
    }

    #[expect(clippy::panic, reason = "assertion helper")]
    fn fail(&self, shown: &Value, ours: &Value, difference: &str, version: &str, caller: &Location<'_>) -> ! {
        let mut text = format!(
            "`{}` in node \"{}\" does not show what it should (at {caller})\n{difference}",
            self.line,
            self.node.name()
        );
        // Writing to a String cannot fail.
        let _ = write!(text, "\nshown by {version}:\n{shown:#}\nours:\n{ours:#}");
        panic!("{text}");
    }
}

impl Node {
    /// What a command with `-j` shows, to be compared: `node.shows("bridge -j vlan show").is(&ours).await`.
    pub fn shows(&self, line: &str) -> Shows {
        Shows {
            node: self.clone(),
            line: line.to_owned(),
            rules: JsonRules::default(),
            patience: Duration::ZERO,
        }
    }
}

/// How many members two objects have in common; what names an entry counts most.
fn likeness(a: &Value, b: &Value) -> usize {
    let (Value::Object(a), Value::Object(b)) = (a, b) else { return 0 };
    let weight = |key: &str| if NAMES.contains(&key) { 100 } else { 1 };
    a.iter().filter(|(key, value)| b.get(*key) == Some(value)).map(|(key, _)| weight(key)).sum()
}

/// What an entry is called in a message.
fn title(value: &Value) -> String {
    let named = NAMES.iter().filter_map(|key| Some(format!("{key} {}", value.get(*key)?)));
    let named: Vec<_> = named.collect();
    if named.is_empty() { "the nearest of ours".to_owned() } else { named.join(" ") }
}

fn root(path: &str) -> &str {
    if path.is_empty() { "the value" } else { path }
}

const NAMES: &[&str] = &["ifname", "mac", "handle", "class", "kind", "dst", "id", "vlan"];
const COMMAND: Duration = Duration::from_secs(35);
const PAUSE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(rules: &JsonRules, shown: &Value, ours: &Value) -> Vec<String> {
        let text = rules.difference(shown, ours).unwrap_or_default();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }

    #[test]
    fn volatile_keys_and_the_order_of_lists_do_not_count() {
        let shown = json!([{"mac": "a", "used": 7, "flags": ["x", "y"]}, {"mac": "b", "ifindex": 3}]);
        let ours = json!([{"mac": "b"}, {"mac": "a", "flags": ["y", "x"]}]);
        assert_eq!(lines(&JsonRules::default(), &shown, &ours), Vec::<String>::new());
    }

    #[test]
    fn an_index_that_is_asked_for_counts() {
        let (shown, ours) = (json!([{"ifindex": 3}]), json!([{"ifindex": 4}]));
        assert_eq!(JsonRules::default().difference(&shown, &ours), None);
        let rules = JsonRules::default().keeping(&["ifindex"]);
        assert_eq!(
            lines(&rules, &shown, &ours),
            [r#"[0]: shown {"ifindex":3}, ours has none"#, r#"[0]: not shown, ours {"ifindex":4}"#]
        );
    }

    #[test]
    fn nearest_entry_is_reported_field_by_field() {
        let shown = json!([{"mac": "a", "vlan": 1, "state": "permanent"}, {"mac": "b", "state": ""}]);
        let ours =
            json!([{"mac": "b", "state": ""}, {"mac": "a", "vlan": 2, "state": "permanent", "dst": 1}]);
        assert_eq!(
            lines(&JsonRules::default(), &shown, &ours),
            [r#"[0], mac "a" vlan 1:"#, "[0].vlan: shown 1, ours 2", "[0].dst: not shown, ours 1",]
        );
    }

    #[test]
    fn repeated_entries_are_counted() {
        let (shown, ours) = (json!([1, 1, 2]), json!([1, 2, 2]));
        assert_eq!(
            lines(&JsonRules::default(), &shown, &ours),
            ["[1]: shown 1, ours has none", "[2]: not shown, ours 2"]
        );
    }

    #[test]
    fn a_list_that_keeps_its_order_is_compared_place_by_place() {
        let (shown, ours) = (json!({"segs": ["a", "b"]}), json!({"segs": ["b", "a"]}));
        assert_eq!(JsonRules::default().difference(&shown, &ours), None);
        let rules = JsonRules::default().in_order(&["segs"]);
        assert_eq!(
            lines(&rules, &shown, &ours),
            [r#".segs[0]: shown "a", ours "b""#, r#".segs[1]: shown "b", ours "a""#]
        );
        let longer = json!({"segs": ["a", "b", "c"]});
        assert_eq!(lines(&rules, &longer, &shown), [r#".segs[2]: shown "c", ours has none"#]);
        assert_eq!(lines(&rules, &shown, &longer), [r#".segs[2]: not shown, ours "c""#]);
    }

    #[test]
    fn only_the_keys_asked_for_are_compared() {
        let (shown, ours) = (json!([{"mac": "a", "new": 1}]), json!([{"mac": "a"}]));
        assert_eq!(lines(&JsonRules::default(), &shown, &ours).len(), 2);
        assert_eq!(JsonRules::default().only(&["mac"]).difference(&shown, &ours), None);
        assert_eq!(JsonRules::default().dropping(&["new"]).difference(&shown, &ours), None);
    }

    #[test]
    fn values_of_different_kinds_differ() {
        assert_eq!(lines(&JsonRules::default(), &json!(1), &json!("1")), [r#"the value: shown 1, ours "1""#]);
        assert_eq!(JsonRules::default().difference(&json!(1), &json!(1.0)), None);
    }
}
