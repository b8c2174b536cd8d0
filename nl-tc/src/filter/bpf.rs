use std::fmt;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::check::Invalid;

use super::outcome::{Outcome, outcome};
use super::shared::{ACTIONS, Offload};
use crate::TcHandle;
#[cfg(feature = "action")]
use crate::action::Action;
use crate::message::kind_names;

/// Runs a BPF program for each packet (`bpf`).
///
/// ```no_run
/// use std::fs::File;
/// use nl_tc::filter::Bpf;
///
/// # fn example(program: File) {
/// // bpf direct-action object-pinned … , of a program that is loaded
/// let filter = Bpf::new(&program, "drop_syn").direct_action(true);
/// # }
/// ```
///
/// The kernel takes the program by its file descriptor and reports its [number](Self::id). A filter that was read therefore cannot be
/// written without a descriptor, and the verbs refuse it. Needs the module `cls_bpf`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Bpf {
    /// The descriptor of the program. Write only: it must stay open until the verb is done.
    pub fd: Option<RawFd>,
    /// The name of the program, for people.
    pub name: String,
    /// Whether the program itself decides what happens to a packet (`direct-action`).
    pub direct_action: bool,
    /// The class. [`NONE`](TcHandle::NONE) for none (`classid`, `flowid`).
    pub classid: TcHandle,
    /// Where the filter is carried out (`skip_hw`, `skip_sw`).
    pub offload: Offload,
    /// The number of the program. Read only.
    pub id: Option<u32>,
    /// The hash of the program. Read only.
    pub tag: Option<[u8; 8]>,
    /// The actions, in order (`action`).
    #[cfg(feature = "action")]
    pub actions: Vec<Action>,
}

impl Bpf {
    /// The program of this descriptor, and its name for people.
    #[must_use]
    pub fn new(program: &impl AsFd, name: impl Into<String>) -> Self {
        Self { fd: Some(program.as_fd().as_raw_fd()), name: name.into(), ..Self::empty() }
    }

    const fn empty() -> Self {
        Self {
            fd: None,
            name: String::new(),
            direct_action: false,
            classid: TcHandle::NONE,
            offload: Offload::Both,
            id: None,
            tag: None,
            #[cfg(feature = "action")]
            actions: Vec::new(),
        }
    }

    /// Sets whether the program itself says what happens to a packet (`direct-action`).
    #[must_use]
    pub fn direct_action(mut self, direct: bool) -> Self {
        self.direct_action = direct;
        self
    }

    /// `None` if there is more than this type holds, such as a program of the classic BPF.
    pub(super) fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let (mut bpf, mut has_name) = (Self::empty(), false);
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_BPF_ACT => {
                    if !bpf.read_actions(&attr)? {
                        return Ok(None);
                    }
                }
                TCA_BPF_CLASSID => bpf.classid = TcHandle::from_bits(attr.u32()?),
                TCA_BPF_FD => bpf.fd = Some(attr.i32()?),
                TCA_BPF_NAME => (bpf.name, has_name) = (attr.str()?.to_owned(), true),
                TCA_BPF_FLAGS => match attr.u32()? {
                    0 => {}
                    DIRECT_ACTION => bpf.direct_action = true,
                    _ => return Ok(None),
                },
                TCA_BPF_FLAGS_GEN => match Offload::from_flags(attr.u32()?) {
                    Some(offload) => bpf.offload = offload,
                    None => return Ok(None),
                },
                TCA_BPF_TAG => bpf.tag = Some(attr.array()?),
                TCA_BPF_ID => bpf.id = Some(attr.u32()?),
                _ => return Ok(None),
            }
        }
        Ok(Some(bpf).filter(|bpf| has_name || bpf.fd.is_some()))
    }

    pub(super) fn encode(&self, w: &mut AttrWriter<'_>) {
        let mut options = w.nested(TCA_OPTIONS);
        self.write_actions(&mut options, TCA_BPF_ACT);
        self.write_class(&mut options, TCA_BPF_CLASSID);
        options.opt(TCA_BPF_FD, self.fd, AttrWriter::i32).str(TCA_BPF_NAME, &self.name);
        if self.direct_action {
            options.u32(TCA_BPF_FLAGS, DIRECT_ACTION);
        }
        options.opt(TCA_BPF_FLAGS_GEN, self.offload.flags(), AttrWriter::u32);
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        Invalid::when(self.fd.is_none(), "a program without its file descriptor, which the kernel needs")?;
        Invalid::when(self.fd.is_some_and(|fd| fd < 0), "a file descriptor below 0")?;
        Invalid::when(self.name.is_empty(), "a program without a name")?;
        self.check_actions()
    }

    /// The descriptor is not compared, because the kernel does not report it.
    pub(super) fn is_met_by(&self, current: &Self) -> bool {
        self.has_outcome_of(current)
            && (&self.name, self.direct_action, self.offload)
                == (&current.name, current.direct_action, current.offload)
    }

    pub(super) fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {}", self.name)?;
        f.write_str(if self.direct_action { " direct-action" } else { "" })?;
        f.write_str(self.offload.word())?;
        self.write_outcome(f)
    }
}

outcome!(Bpf, classid, offload);

/// `TCA_BPF_FLAG_ACT_DIRECT`
const DIRECT_ACTION: u32 = 1;

// `include/uapi/linux/pkt_cls.h`
kind_names! {
    TCA_BPF_ACT = 1 in ACTIONS,
    TCA_BPF_CLASSID = 3,
    TCA_BPF_FD = 6,
    TCA_BPF_NAME = 7,
    TCA_BPF_FLAGS = 8,
    TCA_BPF_FLAGS_GEN = 9,
    TCA_BPF_TAG = 10,
    TCA_BPF_ID = 11,
}
