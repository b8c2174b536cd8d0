use libc::sock_filter;

use crate::check::{Invalid, check_index};
use crate::message::MessageRef;

/// Which messages a monitor reads: those that one of the rules accepts.
///
/// ```no_run
/// use nl_core::message::AF_BRIDGE;
/// use nl_core::monitor::{MessageFilter, MessageRule, Monitor};
/// use nl_core::Protocol;
///
/// # fn example() -> nl_core::Result<()> {
/// // RTM_NEWNEIGH and RTM_DELNEIGH of forwarding databases, of two ports; neighbours of IP stay in the kernel.
/// let rule = MessageRule::new(28..=29).family(AF_BRIDGE).index(4).index(5);
/// let monitor = Monitor::builder(Protocol::Route)
///     .group(3)
///     .filter(MessageFilter::new().accept(rule))
///     .open(|message| Ok(Some(message.kind())))?;
/// # Ok(())
/// # }
/// ```
///
/// The kernel applies the filter before it queues a message, as a program of the socket (`SO_ATTACH_FILTER`): what is left out takes
/// no room in the receive buffer and wakes nobody. It sees the first message of each datagram, so a rule should accept every type
/// that comes in one datagram with those that are wanted: a replaced qdisc is reported as deleted and new in one. The monitor
/// applies the filter to each message again, before it is decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageFilter {
    rules: Vec<MessageRule>,
}

impl MessageFilter {
    /// A filter without rules, which accepts nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Accepts what this rule accepts, too.
    #[must_use]
    pub fn accept(mut self, rule: MessageRule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Whether the filter accepts a message.
    #[must_use]
    pub fn matches(&self, message: MessageRef<'_>) -> bool {
        self.rules.iter().any(|rule| rule.matches(message))
    }

    /// The filter as a program of classic BPF.
    pub(super) fn program(&self) -> Result<Vec<sock_filter>, Invalid> {
        let mut program = Vec::new();
        for rule in &self.rules {
            rule.check()?;
            rule.write(&mut program);
            if program.len() >= MAX_INSTRUCTIONS {
                let why = format!(
                    "a filter of over {MAX_INSTRUCTIONS} instructions: each type, family and interface takes two"
                );
                return Err(why.into());
            }
        }
        program.push(ret(0));
        Ok(program)
    }
}

/// Messages of some types, of all address families and interfaces unless some are given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRule {
    first: u16,
    last: u16,
    families: Vec<u8>,
    indexes: Vec<u32>,
}

impl MessageRule {
    /// Messages of these types, such as `RTM_NEWLINK..=RTM_DELLINK`.
    #[must_use]
    pub fn new(kinds: std::ops::RangeInclusive<u16>) -> Self {
        Self { first: *kinds.start(), last: *kinds.end(), families: Vec::new(), indexes: Vec::new() }
    }

    /// Of this address family, or another one that is given: the first byte behind the netlink header, in all messages of
    /// `NETLINK_ROUTE`.
    #[must_use]
    pub fn family(mut self, family: u8) -> Self {
        self.families.push(family);
        self
    }

    /// Of this interface, or another one that is given. Only for messages whose header has an interface: devices, addresses,
    /// neighbours and forwarding databases, traffic control, multicast databases, VLANs and VNIs.
    ///
    /// # Errors
    /// [`open`](super::MonitorBuilder::open) refuses it for other types, and an index of 0.
    #[must_use]
    pub fn index(mut self, index: u32) -> Self {
        self.indexes.push(index);
        self
    }

    /// Whether the rule accepts a message.
    #[must_use]
    pub fn matches(&self, message: MessageRef<'_>) -> bool {
        let payload = message.payload();
        (self.first..=self.last).contains(&message.kind())
            && (self.families.is_empty()
                || payload.first().is_some_and(|family| self.families.contains(family)))
            && (self.indexes.is_empty()
                || index_in(payload).is_some_and(|index| self.indexes.contains(&index)))
    }

    /// Whether the messages of these types have an interface in their header, so that [`index`](Self::index) can be used.
    #[must_use]
    pub fn has_interfaces(&self) -> bool {
        let has_one = |kind: u16| WITH_INDEX.iter().any(|(first, last)| (*first..=*last).contains(&kind));
        usize::from(self.last.saturating_sub(self.first)) < MAX_KINDS && (self.first..=self.last).all(has_one)
    }

    fn check(&self) -> Result<(), Invalid> {
        let every = usize::from(self.last.saturating_sub(self.first)) + 1;
        Invalid::when(self.first > self.last, "a rule for no message type")?;
        if every > MAX_KINDS && self.first != 0 {
            return Err(format!(
                "a rule for {every} message types; up to {MAX_KINDS} are possible, or all from 0"
            )
            .into());
        }
        if self.indexes.is_empty() {
            return Ok(());
        }
        self.indexes.iter().try_for_each(|index| check_index(*index))?;
        match self.has_interfaces() {
            true => Ok(()),
            false => Err(format!(
                "messages of type {} to {} have no interface in their header",
                self.first, self.last
            )
            .into()),
        }
    }

    /// Appends the instructions, which go on behind them where the rule does not accept the message.
    fn write(&self, program: &mut Vec<sock_filter>) {
        let mut refusals = Vec::new();
        if self.first != 0 {
            let kinds =
                (self.first..=self.last).map(|kind| u32::from(u16::from_be_bytes(kind.to_ne_bytes())));
            one_of(program, load(BPF_H, OFFSET_KIND), kinds.collect(), &mut refusals);
        }
        if !self.families.is_empty() {
            let families = self.families.iter().map(|family| u32::from(*family));
            one_of(program, load(BPF_B, OFFSET_FAMILY), families.collect(), &mut refusals);
        }
        if !self.indexes.is_empty() {
            let indexes = self.indexes.iter().map(|index| u32::from_be_bytes(index.to_ne_bytes()));
            one_of(program, load(BPF_W, OFFSET_INDEX), indexes.collect(), &mut refusals);
        }
        program.push(ret(u32::MAX));
        let end = program.len();
        for at in refusals {
            if let Some(jump) = program.get_mut(at) {
                *jump = go(distance(at, end));
            }
        }
    }
}

/// Goes on behind itself if what is loaded is one of the values, and otherwise to where the jump that it notes leads.
fn one_of(program: &mut Vec<sock_filter>, load: sock_filter, values: Vec<u32>, refusals: &mut Vec<usize>) {
    program.push(load);
    // Behind two instructions for each value and the jump.
    let end = program.len() + 2 * values.len() + 1;
    for value in values {
        // If it is equal, the next instruction; otherwise the one behind that.
        program.push(sock_filter { code: BPF_JMP | BPF_JEQ, jt: 0, jf: 1, k: value });
        let at = program.len();
        program.push(go(distance(at, end)));
    }
    refusals.push(program.len());
    program.push(go(0));
}

/// How many instructions are between a jump and where it leads.
fn distance(from: usize, to: usize) -> u32 {
    u32::try_from(to.saturating_sub(from + 1)).unwrap_or(u32::MAX)
}

const fn load(size: u16, offset: u32) -> sock_filter {
    sock_filter { code: BPF_LD | BPF_ABS | size, jt: 0, jf: 0, k: offset }
}

const fn go(distance: u32) -> sock_filter {
    sock_filter { code: BPF_JMP | BPF_JA, jt: 0, jf: 0, k: distance }
}

const fn ret(bytes: u32) -> sock_filter {
    sock_filter { code: BPF_RET, jt: 0, jf: 0, k: bytes }
}

fn index_in(payload: &[u8]) -> Option<u32> {
    payload.get(4..)?.first_chunk::<4>().map(|bytes| u32::from_ne_bytes(*bytes))
}

/// No rule needs more; a message type takes two instructions.
const MAX_KINDS: usize = 64;
/// `BPF_MAXINSNS`, of which one is for what no rule accepts.
const MAX_INSTRUCTIONS: usize = 4095;

// From the beginning of the netlink header: its type, and the family and the interface of the header behind it.
const OFFSET_KIND: u32 = 4;
const OFFSET_FAMILY: u32 = 16;
const OFFSET_INDEX: u32 = 20;

/// The types of messages whose header has an interface behind the family: links, addresses, neighbours, traffic control, multicast
/// and anycast addresses, multicast databases, VLANs, VNIs.
const WITH_INDEX: [(u16, u16); 8] =
    [(16, 19), (20, 22), (28, 30), (36, 46), (56, 62), (84, 86), (112, 114), (120, 122)];

// `include/uapi/linux/bpf_common.h`. Loads are in network byte order, so what is compared is swapped where the machine's is not that.
const BPF_LD: u16 = 0x00;
const BPF_ABS: u16 = 0x20;
const BPF_W: u16 = 0x00;
const BPF_H: u16 = 0x08;
const BPF_B: u16 = 0x10;
const BPF_JMP: u16 = 0x05;
const BPF_JA: u16 = 0x00;
const BPF_JEQ: u16 = 0x10;
const BPF_RET: u16 = 0x06;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// What the kernel does with the program: whether it keeps the packet.
    fn run(program: &[sock_filter], packet: &[u8]) -> bool {
        let (mut at, mut loaded) = (0, 0_u32);
        loop {
            let sock_filter { code, jt, jf, k } = program[at];
            let from = usize::try_from(k).unwrap();
            let bytes = |len: usize| packet.get(from..from + len);
            at += 1;
            match code {
                0x20 => match bytes(4) {
                    Some(b) => loaded = u32::from_be_bytes([b[0], b[1], b[2], b[3]]),
                    None => return false,
                },
                0x28 => match bytes(2) {
                    Some(b) => loaded = u32::from(u16::from_be_bytes([b[0], b[1]])),
                    None => return false,
                },
                0x30 => match bytes(1) {
                    Some(b) => loaded = b[0].into(),
                    None => return false,
                },
                0x05 => at += from,
                0x15 => at += usize::from(if loaded == k { jt } else { jf }),
                0x06 => return k != 0,
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    fn packet(kind: u16, payload: &[u8]) -> Vec<u8> {
        let len = u32::try_from(16 + payload.len()).unwrap();
        [&len.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 10], payload].concat()
    }

    fn payload(family: u8, index: u32) -> Vec<u8> {
        [&[family, 0, 0, 0][..], &index.to_ne_bytes(), &[0; 8]].concat()
    }

    fn rule() -> impl Strategy<Value = MessageRule> {
        let kinds = prop_oneof![Just((16, 17)), Just((28, 30)), Just((36, 46))];
        (kinds, vec(0_u8..12, 0..4), vec(1_u32..6, 0..5))
            .prop_map(|((first, last), families, indexes)| MessageRule { first, last, families, indexes })
    }

    proptest! {
        #[test]
        fn program_keeps_what_the_filter_accepts(
            rules in vec(rule(), 0..4), kind in 14_u16..48, family in 0_u8..12, index in 1_u32..7,
        ) {
            let filter = MessageFilter { rules };
            let program = filter.program().unwrap();
            let payload = payload(family, index);
            let accepted = filter.matches(MessageRef::from_parts(kind, 0, &payload));
            prop_assert_eq!(run(&program, &packet(kind, &payload)), accepted);
        }

        #[test]
        fn short_packets_are_not_kept_where_something_is_missing(rule in rule(), len in 0_usize..9) {
            let filter = MessageFilter::new().accept(rule);
            let payload = payload(7, 3)[..len].to_vec();
            let accepted = filter.matches(MessageRef::from_parts(28, 0, &payload));
            prop_assert_eq!(run(&filter.program().unwrap(), &packet(28, &payload)), accepted);
        }
    }

    #[test]
    fn rule_from_type_0_accepts_every_type() {
        let filter = MessageFilter::new().accept(MessageRule::new(0..=u16::MAX).family(7));
        let program = filter.program().unwrap();
        for kind in [16, 28, 4711] {
            assert!(run(&program, &packet(kind, &payload(7, 1))));
            assert!(!run(&program, &packet(kind, &payload(2, 1))));
        }
    }

    #[test]
    fn rule_that_the_header_cannot_answer_is_refused() {
        let why = |rule| MessageFilter::new().accept(rule).program().unwrap_err().to_string();
        assert!(why(MessageRule::new(24..=25).index(1)).contains("no interface in their header"));
        assert!(why(MessageRule::new(16..=17).index(0)).contains("the first one is 1"));
        assert!(why(MessageRule::new(16..=1000)).contains("up to 64"));
        let many = (1..3000).fold(MessageRule::new(16..=17), MessageRule::index);
        assert!(why(many).contains("4095"));
    }
}
