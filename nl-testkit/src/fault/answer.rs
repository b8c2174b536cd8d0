//! The messages a kernel sends.

/// One message to the program, to be built up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Answer {
    kind: u16,
    flags: u16,
    seq: u32,
    pid: u32,
    body: Vec<u8>,
}

impl Answer {
    /// A message of this type; `body` is the fixed header and whatever follows it.
    pub fn new(kind: u16, body: &[u8]) -> Self {
        Self { kind, flags: 0, seq: 0, pid: 0, body: body.to_vec() }
    }

    /// A positive acknowledgement of a request with this header.
    pub fn ack(request: &[u8]) -> Self {
        Self::error(0, request)
    }

    /// A refusal of a request with this header; `errno` is a positive error number, 0 an acknowledgement.
    pub fn error(errno: i32, request: &[u8]) -> Self {
        let mut body = errno.saturating_neg().to_ne_bytes().to_vec();
        let mut header = request.to_vec();
        header.resize(HEADER, 0);
        body.extend(header);
        Self::new(NLMSG_ERROR, &body).flag(NLM_F_CAPPED).answers(request)
    }

    /// The end of a dump; `errno` is a positive error number, 0 for success.
    pub fn done(errno: i32) -> Self {
        Self::new(NLMSG_DONE, &errno.saturating_neg().to_ne_bytes()).multi()
    }

    /// With the sequence number and port of a request with this header.
    pub fn answers(mut self, request: &[u8]) -> Self {
        self.seq = number(request, 8);
        self.pid = number(request, 12);
        self
    }

    /// With this sequence number.
    pub fn seq(mut self, seq: u32) -> Self {
        self.seq = seq;
        self
    }

    /// With this port.
    pub fn pid(mut self, pid: u32) -> Self {
        self.pid = pid;
        self
    }

    /// With these flags too.
    pub fn flag(mut self, flags: u16) -> Self {
        self.flags |= flags;
        self
    }

    /// As a part of a dump (`NLM_F_MULTI`).
    pub fn multi(self) -> Self {
        self.flag(NLM_F_MULTI)
    }

    /// As a part of a dump during which the table changed (`NLM_F_DUMP_INTR`).
    pub fn interrupted(self) -> Self {
        self.flag(NLM_F_DUMP_INTR)
    }

    /// With an attribute behind what is there.
    pub fn attr(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.body.resize(self.body.len().next_multiple_of(4), 0);
        self.body.extend([length, kind].map(u16::to_ne_bytes).concat());
        self.body.extend(value);
        self.body.resize(self.body.len().next_multiple_of(4), 0);
        self
    }

    /// With the kernel's text for a refusal, a warning or the end of a dump (`NLMSGERR_ATTR_MSG`).
    pub fn text(self, text: &str) -> Self {
        let text = [text.as_bytes(), &[0]].concat();
        self.flag(NLM_F_ACK_TLVS).attr(NLMSGERR_ATTR_MSG, &text)
    }

    /// The bytes of the message.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let length = HEADER + self.body.len();
        let mut bytes = u32::try_from(length).unwrap_or(u32::MAX).to_ne_bytes().to_vec();
        bytes.extend([self.kind, self.flags].map(u16::to_ne_bytes).concat());
        bytes.extend([self.seq, self.pid].map(u32::to_ne_bytes).concat());
        bytes.extend(&self.body);
        bytes.resize(length.next_multiple_of(4), 0);
        bytes
    }
}

/// The number at an offset of a message, or 0.
pub(super) fn number(message: &[u8], at: usize) -> u32 {
    message.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

pub(super) const HEADER: usize = 16;
pub(super) const NLMSG_ERROR: u16 = 2;
pub(super) const NLMSG_DONE: u16 = 3;
const NLM_F_MULTI: u16 = 2;
pub(super) const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_CAPPED: u16 = 0x100;
const NLM_F_ACK_TLVS: u16 = 0x200;
const NLMSGERR_ATTR_MSG: u16 = 1;
