//! The messages of actions that no filter carries.

use nl_core::attr::{DecodeError, Fields};
use nl_core::check::Invalid;
use nl_core::error::{AttrName, Errno, Names};
use nl_core::message::{FixedHeader, MessageRef, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use nl_core::{Error, Request};

use super::codec::{
    Action, TCA_ACT_COOKIE, TCA_ACT_FLAGS, TCA_ACT_HW_STATS, TCA_ACT_INDEX, TCA_ACT_KIND, TCA_ACT_OPTIONS,
};
use super::{connmark, ctinfo, gact, mirred, police, skbedit};
use crate::TcVerb;
use crate::message::{refine, refine_action};

// `include/uapi/linux/rtnetlink.h`

/// An action exists. As a request: creates or changes one.
pub const RTM_NEWACTION: u16 = 48;
/// An action was deleted. As a request: deletes one.
pub const RTM_DELACTION: u16 = 49;
/// An action was read. As a request: reads actions.
pub const RTM_GETACTION: u16 = 50;

/// All actions of a kind are deleted.
const NLM_F_ROOT: u16 = 0x100;
const TCA_ACT_TAB: u16 = 1;
const TCA_ROOT_FLAGS: u16 = 2;
/// More than 32 actions in a message.
const LARGE_DUMP: u32 = 1;

/// `struct tcamsg`, which says nothing.
#[derive(Clone, Copy, Debug)]
struct TcaMsg;

impl FixedHeader for TcaMsg {
    const LEN: usize = 4;
    const NAME: &'static str = "tcamsg";

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[0; 4]);
    }

    fn read(payload: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let mut f = Fields::named(Self::NAME, payload);
        f.skip(4)?;
        Ok((Self, f.rest()))
    }
}

impl Action {
    /// Decodes an `RTM_NEWACTION`, `RTM_DELACTION` or `RTM_GETACTION` message, which can hold several actions.
    ///
    /// # Errors
    /// The message is of another type, or malformed.
    pub fn decode_message(message: MessageRef<'_>) -> Result<Vec<Self>, DecodeError> {
        if !matches!(message.kind(), RTM_NEWACTION | RTM_DELACTION | RTM_GETACTION) {
            return Err(DecodeError::Kind(message.kind()));
        }
        let (_, attrs) = message.header::<TcaMsg>()?;
        match attrs.find(TCA_ACT_TAB)? {
            Some(list) => Self::decode_shared(list.attrs()),
            None => Ok(Vec::new()),
        }
    }

    /// The request that does this with the action. `Change` is `Replace`, because the kernel does not distinguish them.
    #[must_use]
    pub fn request(&self, verb: TcVerb) -> Request {
        let flags = match verb {
            TcVerb::Add => NLM_F_CREATE | NLM_F_EXCL,
            TcVerb::Change | TcVerb::Replace => NLM_F_CREATE | NLM_F_REPLACE,
            TcVerb::Delete => 0,
        };
        let check = if verb.writes() { self.check() } else { self.check_index() };
        if !verb.writes() {
            return self.named(RTM_DELACTION).invalid_if(check);
        }
        let mut request = request(RTM_NEWACTION, self.config.kind()).with_flags(flags);
        Self::encode_list(std::slice::from_ref(self), &mut request.attrs(), TCA_ACT_TAB);
        request.invalid_if(check)
    }

    /// The request that reads one action.
    pub(super) fn get_request(&self) -> Request {
        self.named(RTM_GETACTION).invalid_if(self.check_index())
    }

    fn check_index(&self) -> Result<(), Invalid> {
        Invalid::when(self.index == 0, "index 0; the index of an existing action is needed")
    }

    /// A request about an existing action.
    fn named(&self, message: u16) -> Request {
        let mut request = request(message, self.config.kind());
        let mut w = request.attrs();
        let mut list = w.nested(TCA_ACT_TAB);
        list.nested(1).str(TCA_ACT_KIND, self.config.kind()).u32(TCA_ACT_INDEX, self.index);
        drop(list);
        request
    }
}

/// The request that lists the actions of a kind.
#[must_use]
pub fn list_request(kind: &str) -> Request {
    let mut request = of_kind(RTM_GETACTION, kind);
    let flags = [LARGE_DUMP; 2].map(u32::to_ne_bytes);
    request.attrs().bytes(TCA_ROOT_FLAGS, flags.as_flattened());
    request
}

/// The request that deletes all actions of a kind that no filter uses.
#[must_use]
pub fn flush_request(kind: &str) -> Request {
    of_kind(RTM_DELACTION, kind).with_flags(NLM_F_ROOT)
}

/// A request about all actions of a kind.
fn of_kind(message: u16, kind: &str) -> Request {
    let mut request = request(message, kind);
    let mut w = request.attrs();
    let mut list = w.nested(TCA_ACT_TAB);
    list.nested(1).str(TCA_ACT_KIND, kind);
    drop(list);
    request.invalid_if(Invalid::when(kind.is_empty(), "actions need a kind, such as mirred"))
}

fn request(message: u16, kind: &str) -> Request {
    Request::new(message, names(kind), describe).with_header(&TcaMsg).refined_by(explain)
}

/// The kernel refuses to delete an action in use with the error number of a missing privilege (`tc_ctl_action` in
/// `net/sched/act_api.c`, which checks the privilege with `netlink_capable`).
fn explain(error: Error, message: MessageRef<'_>) -> Error {
    if error.kernel().is_none_or(|kernel| kernel.errno != Errno::EPERM) {
        let actions = Action::decode_message(message).unwrap_or_default();
        return refine(refine_action(error, actions.iter().map(|action| action.config.kind())), message);
    }
    let is_one = message.kind() == RTM_DELACTION && message.flags() & NLM_F_ROOT == 0;
    error.hinted(match is_one {
        true => "a filter uses the action, or CAP_NET_ADMIN in the initial user namespace is missing",
        false => "CAP_NET_ADMIN is needed in the initial user namespace; filters with actions need less",
    })
}

/// The verb and the action in words, from the bytes of a request.
fn describe(message: MessageRef<'_>) -> String {
    let actions = Action::decode_message(message).unwrap_or_default();
    let kind = actions.first().map_or("", |action| action.config.kind());
    let verb = match (message.kind(), message.flags()) {
        (RTM_NEWACTION, flags) if flags & NLM_F_REPLACE != 0 => "replace",
        (RTM_NEWACTION, _) => "add",
        (RTM_DELACTION, flags) if flags & NLM_F_ROOT != 0 => return format!("flush actions {kind}"),
        (RTM_DELACTION, _) => "delete",
        _ if actions.first().is_none_or(|action| action.index == 0) => return format!("list actions {kind}"),
        _ => "get",
    };
    actions.first().map_or_else(|| format!("{verb} action"), |action| format!("{verb} {action}"))
}

/// The attributes of a message by name, with the options of one kind.
macro_rules! names {
    ($($name:ident $options:expr;)+) => {$(
        static $name: Names = Names::new(TcaMsg::LEN, &[
            AttrName::nest(TCA_ACT_TAB, "TCA_ACT_TAB", &[AttrName::nest(1, "1", &[
                AttrName::new(TCA_ACT_KIND, "TCA_ACT_KIND"),
                AttrName::nest(TCA_ACT_OPTIONS, "TCA_ACT_OPTIONS", $options),
                AttrName::new(TCA_ACT_INDEX, "TCA_ACT_INDEX"),
                AttrName::new(TCA_ACT_COOKIE, "TCA_ACT_COOKIE"),
                AttrName::new(TCA_ACT_FLAGS, "TCA_ACT_FLAGS"),
                AttrName::new(TCA_ACT_HW_STATS, "TCA_ACT_HW_STATS"),
            ])]),
            AttrName::new(TCA_ROOT_FLAGS, "TCA_ROOT_FLAGS"),
        ]);
    )+};
}

names! {
    CONNMARK connmark::NAMES;
    CTINFO ctinfo::NAMES;
    GACT gact::NAMES;
    MIRRED mirred::NAMES;
    OTHER &[];
    POLICE police::NAMES;
    SKBEDIT skbedit::NAMES;
}

fn names(kind: &str) -> &'static Names {
    match kind {
        "connmark" => &CONNMARK,
        "ctinfo" => &CTINFO,
        "gact" => &GACT,
        "mirred" => &MIRRED,
        "police" => &POLICE,
        "skbedit" => &SKBEDIT,
        _ => &OTHER,
    }
}
