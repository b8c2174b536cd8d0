use super::*;
use crate::attr::AttrBuf;
use crate::message::{MessageRef, NdMsg};
use crate::request::Request;

static NEIGH: Names = Names::new(
    12,
    &[
        AttrName::new(2, "NDA_LLADDR"),
        AttrName::new(5, "NDA_VLAN"),
        AttrName::nest(
            14,
            "NDA_FDB_EXT_ATTRS",
            &[
                AttrName::new(1, "NFEA_ACTIVITY_NOTIFY"),
                AttrName::nest(3, "NFEA_DEEP", &[AttrName::new(7, "DEEP_LEAF")]),
            ],
        ),
    ],
);

fn describe_neigh(message: MessageRef<'_>) -> String {
    match message.header::<NdMsg>() {
        Ok((header, _)) => format!("add fdb on #{}", header.index),
        Err(_) => "fdb request".into(),
    }
}

/// Byte by byte: header 0, ndmsg 16, NDA_LLADDR 28, NDA_VLAN 40, NDA_FDB_EXT_ATTRS 48 with NFEA_ACTIVITY_NOTIFY 52 and
/// NFEA_DEEP 60 with DEEP_LEAF 64, type 99 at 72; 80 in all.
fn request() -> Vec<u8> {
    let mut request =
        Request::new(28, &NEIGH, describe_neigh).with_header(&NdMsg { index: 5, ..NdMsg::default() });
    let mut attrs = request.attrs();
    attrs.bytes(2, &[2, 0, 0, 0, 0, 1]).u16(5, 10);
    let mut extended = attrs.nested(14);
    extended.u8(1, 1);
    extended.nested(3).u32(7, 0);
    drop(extended);
    attrs.u32(99, 1);
    request.encoded().unwrap().to_vec()
}

fn kernel(errno: Errno, ext_ack: ExtAck) -> Error {
    Error::new(ErrorKind::Kernel(KernelError { errno, ext_ack }))
}

fn path(offset: u32) -> String {
    NEIGH.path_at(&request(), offset).map_or("none".into(), |path| path.to_string())
}

#[test]
fn an_offset_is_named_after_the_attribute_that_begins_there_or_holds_it() {
    assert_eq!(request().len(), 80);
    assert_eq!(
        (path(28), path(35), path(40), path(44)),
        ("NDA_LLADDR".into(), "NDA_LLADDR".into(), "NDA_VLAN".into(), "NDA_VLAN".into())
    );
}

#[test]
fn an_offset_inside_a_nest_is_named_from_the_outermost_nest() {
    assert_eq!(path(48), "NDA_FDB_EXT_ATTRS");
    assert_eq!(path(52), "NDA_FDB_EXT_ATTRS → NFEA_ACTIVITY_NOTIFY");
    assert_eq!(path(60), "NDA_FDB_EXT_ATTRS → NFEA_DEEP");
    assert_eq!(path(64), "NDA_FDB_EXT_ATTRS → NFEA_DEEP → DEEP_LEAF");
    assert_eq!(path(68), "NDA_FDB_EXT_ATTRS → NFEA_DEEP → DEEP_LEAF");
}

#[test]
fn an_attribute_nobody_named_is_called_by_its_number() {
    assert_eq!(path(72), "attribute 99");
    assert_eq!(NEIGH.path_at(&request(), 72).unwrap().kinds().collect::<Vec<_>>(), [99]);
    assert_eq!(NEIGH.path_at(&request(), 72).unwrap().name(), None);
}

#[test]
fn an_offset_in_the_headers_or_past_the_end_names_nothing() {
    for offset in [0, 15, 16, 27, 80, 81, u32::MAX] {
        assert_eq!(path(offset), "none", "offset {offset}");
    }
    assert_eq!(Names::UNKNOWN.path_at(&request(), 40), None);
}

#[test]
fn any_offset_into_any_bytes_is_walked_without_a_panic() {
    let whole = request();
    for end in 0..=whole.len() {
        for offset in 0..90 {
            let _ = NEIGH.path_at(whole.get(..end).unwrap(), offset);
        }
    }
    let mut damaged = whole;
    for at in 28..80 {
        for value in [0, 1, 3, 4, 0xff] {
            let before = std::mem::replace(damaged.get_mut(at).unwrap(), value);
            for offset in 0..90 {
                let _ = NEIGH.path_at(&damaged, offset);
            }
            damaged[at] = before;
        }
    }
}

#[test]
fn a_missing_attribute_is_named_at_the_top_and_inside_its_nest() {
    let top = ExtAck { missing: Some(2), ..ExtAck::default() };
    assert_eq!(top.attribute(&NEIGH, &request()).unwrap().to_string(), "NDA_LLADDR");
    let nested = ExtAck { missing: Some(7), missing_nest: Some(60), ..ExtAck::default() };
    let path = nested.attribute(&NEIGH, &request()).unwrap();
    assert_eq!(path.to_string(), "NDA_FDB_EXT_ATTRS → NFEA_DEEP → DEEP_LEAF");
    assert_eq!(path.kinds().collect::<Vec<_>>(), [14, 3, 7]);
}

#[test]
fn a_missing_attribute_is_called_missing() {
    let ext_ack = ExtAck { missing: Some(2), message: Some("lladdr required".into()), ..ExtAck::default() };
    let error = kernel(Errno::EINVAL, ext_ack).about(&NEIGH, describe_neigh, &request());
    assert_eq!(
        error.to_string(),
        "add fdb on #5: Invalid argument (EINVAL)\n  kernel: \"lladdr required\"   missing: NDA_LLADDR"
    );
}

#[test]
fn an_error_is_shown_as_the_module_documents_it() {
    let ext_ack = ExtAck { message: Some("invalid vlan id".into()), offset: Some(40), ..ExtAck::default() };
    let error = kernel(Errno::EINVAL, ext_ack).about(&NEIGH, describe_neigh, &request());
    assert_eq!(
        error.to_string(),
        "add fdb on #5: Invalid argument (EINVAL)\n  kernel: \"invalid vlan id\"   attribute: NDA_VLAN"
    );
    assert_eq!(
        (error.operation(), error.attribute().unwrap().name()),
        (Some("add fdb on #5"), Some("NDA_VLAN"))
    );
}

#[test]
fn an_error_without_text_or_attribute_takes_one_line() {
    let error = kernel(Errno::EEXIST, ExtAck::default()).about(&NEIGH, describe_neigh, &request());
    assert_eq!(error.to_string(), "add fdb on #5: File exists (EEXIST)");
    assert!(error.is_exists() && !error.is_not_found() && !error.is_permission());
}

#[test]
fn an_error_with_an_attribute_alone_has_no_empty_text() {
    let error = kernel(Errno::EINVAL, ExtAck { offset: Some(40), ..ExtAck::default() }).about(
        &NEIGH,
        describe_neigh,
        &request(),
    );
    assert_eq!(error.to_string(), "add fdb on #5: Invalid argument (EINVAL)\n  attribute: NDA_VLAN");
}

/// In the words of the C library.
const UNKNOWN: &str = if cfg!(target_env = "musl") { "No error information" } else { "Unknown error 4095" };
const BUSY: &str = if cfg!(target_env = "musl") { "Resource busy" } else { "Device or resource busy" };

#[test]
fn an_errno_nobody_named_is_shown_as_its_number() {
    let error = kernel(Errno::new(4095), ExtAck::default());
    assert_eq!(error.to_string(), format!("{UNKNOWN} (errno 4095)"));
}

#[test]
fn the_limits_of_an_attribute_are_in_the_text() {
    let texts = [
        (Policy { unsigned: (Some(1), Some(4094)), ..Policy::default() }, "(value 1 to 4094)"),
        (Policy { signed: (Some(-5), None), ..Policy::default() }, "(value at least -5)"),
        (Policy { length: (None, Some(15)), ..Policy::default() }, "(length at most 15)"),
        (
            Policy { length: (Some(6), Some(6)), mask: Some(0x3), ..Policy::default() },
            "(length 6 to 6, bits 0x3)",
        ),
    ];
    for (policy, text) in texts {
        let ext_ack = ExtAck { offset: Some(40), policy: Some(policy), ..ExtAck::default() };
        let shown = kernel(Errno::ERANGE, ext_ack).about(&NEIGH, describe_neigh, &request()).to_string();
        assert!(shown.ends_with(&format!("attribute: NDA_VLAN {text}")), "{shown}");
    }
}

#[test]
fn limits_without_members_are_not_shown() {
    let ext_ack = ExtAck { offset: Some(40), policy: Some(Policy::default()), ..ExtAck::default() };
    let shown = kernel(Errno::ERANGE, ext_ack).about(&NEIGH, describe_neigh, &request()).to_string();
    assert!(shown.ends_with("attribute: NDA_VLAN"), "{shown}");
}

/// What `kernel-tc-bridge.md` D.1 measured for a request of 40 bytes: the length of the whole `NLMSG_ERROR`.
struct Layout {
    flags: u16,
    len: usize,
    code: i32,
}

const MEASURED: [Layout; 5] = [
    Layout { flags: 0, len: 60, code: -22 },
    Layout { flags: NLM_F_CAPPED, len: 36, code: -22 },
    Layout { flags: NLM_F_ACK_TLVS, len: 80, code: -22 },
    Layout { flags: NLM_F_CAPPED | NLM_F_ACK_TLVS, len: 56, code: -22 },
    Layout { flags: NLM_F_CAPPED, len: 36, code: 0 },
];

/// An `NLMSG_ERROR` payload about a 40-byte request whose own bytes would read as a text, were they taken for it.
fn answer(layout: &Layout) -> Vec<u8> {
    let mut request =
        Request::new(28, &NEIGH, describe_neigh).with_header(&NdMsg { index: 5, ..NdMsg::default() });
    request.attrs().bytes(1, b"request\0");
    let echoed = request.encoded().unwrap();
    assert_eq!(echoed.len(), 40);
    let mut payload = layout.code.to_ne_bytes().to_vec();
    let kept = if layout.flags & NLM_F_CAPPED == 0 { 40 } else { 16 };
    payload.extend_from_slice(echoed.get(..kept).unwrap());
    if layout.flags & NLM_F_ACK_TLVS != 0 {
        let mut tlvs = AttrBuf::new();
        tlvs.writer().str(1, "bad vid").u32(2, 28);
        payload.extend(tlvs.finish().unwrap());
    }
    assert_eq!(16 + payload.len(), layout.len);
    payload
}

#[test]
fn every_measured_layout_of_an_acknowledgement_is_read() {
    for layout in &MEASURED {
        let ext_ack = match decode_error(layout.flags, &answer(layout)) {
            Ok(ack) => {
                assert_eq!((ack, layout.code), (Ack::default(), 0));
                continue;
            }
            Err(error) => {
                assert_eq!(error.errno().unwrap().get(), -layout.code);
                error.kernel().unwrap().ext_ack.clone()
            }
        };
        let expected = match layout.flags & NLM_F_ACK_TLVS {
            0 => ExtAck::default(),
            _ => ExtAck { message: Some("bad vid".into()), offset: Some(28), ..ExtAck::default() },
        };
        assert_eq!(ext_ack, expected, "flags {:#x}", layout.flags);
    }
}

#[test]
fn a_warning_rides_on_a_success() {
    let layout = Layout { flags: NLM_F_CAPPED | NLM_F_ACK_TLVS, len: 56, code: 0 };
    let ack = decode_error(layout.flags, &answer(&layout)).unwrap();
    assert_eq!((ack.warning(), ack.cookie()), (Some("bad vid"), None));
}

#[test]
fn the_end_of_a_dump_carries_an_error_and_its_text() {
    let mut tlvs = AttrBuf::new();
    tlvs.writer().str(1, "Invalid values in header");
    let payload = [&(-22_i32).to_ne_bytes()[..], &tlvs.finish().unwrap()].concat();
    let error = decode_done(NLM_F_ACK_TLVS, &payload).unwrap_err();
    assert_eq!(error.to_string(), "Invalid argument (EINVAL)\n  kernel: \"Invalid values in header\"");
    assert!(decode_done(0, &payload).unwrap_err().kernel().unwrap().ext_ack.message.is_none());
    assert_eq!(decode_done(0, &[]).unwrap(), Ack::default());
}

#[test]
fn a_text_that_is_not_utf8_is_shown_as_far_as_it_is() {
    let mut tlvs = AttrBuf::new();
    tlvs.writer().bytes(1, b"bad \xff id\0");
    let bytes = tlvs.finish().unwrap();
    assert_eq!(ExtAck::decode(Attrs::new(&bytes)).unwrap().message.unwrap(), "bad \u{fffd} id");
}

#[test]
fn a_text_that_cannot_be_read_does_not_hide_the_verdict() {
    let mut payload = answer(&Layout { flags: NLM_F_CAPPED | NLM_F_ACK_TLVS, len: 56, code: -22 });
    payload[20] = 2;
    let error = decode_error(NLM_F_CAPPED | NLM_F_ACK_TLVS, &payload).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EINVAL));
}

#[test]
fn an_extended_acknowledgement_reads_all_its_parts() {
    let mut tlvs = AttrBuf::new();
    let mut w = tlvs.writer();
    w.str(1, "out of range").u32(2, 40).bytes(3, &[1, 2]).u32(5, 9).u32(6, 48).u32(77, 1);
    let mut policy = w.nested(4);
    policy.u64(2, u64::MAX).u64(3, 5).u64(4, 1).u64(5, 4094).u32(6, 2).u32(7, 15).u64(12, 3);
    drop(policy);
    let bytes = tlvs.finish().unwrap();
    let policy = Policy {
        signed: (Some(-1), Some(5)),
        unsigned: (Some(1), Some(4094)),
        length: (Some(2), Some(15)),
        mask: Some(3),
    };
    let expected = ExtAck {
        message: Some("out of range".into()),
        offset: Some(40),
        cookie: Some(vec![1, 2]),
        policy: Some(policy),
        missing: Some(9),
        missing_nest: Some(48),
    };
    assert_eq!(ExtAck::decode(Attrs::new(&bytes)), Ok(expected));
}

#[test]
fn an_error_about_a_secret_shows_none_of_its_bytes() {
    let mut request = Request::new(28, &NEIGH, describe_neigh)
        .with_header(&NdMsg { index: 5, ..NdMsg::default() })
        .sensitive();
    request.attrs().bytes(2, &[0xab; 16]).str(5, "correct horse");
    let bytes = request.encoded().unwrap();
    let ext_ack = ExtAck { message: Some("bad key".into()), offset: Some(28), ..ExtAck::default() };
    let error = kernel(Errno::EINVAL, ext_ack).about(&NEIGH, describe_neigh, bytes);
    for text in
        [error.to_string(), format!("{error:?}"), format!("{error:#?}"), format!("{:?}", error.kind())]
    {
        let dense: String = text.split_whitespace().collect();
        assert!(!dense.contains("171,171") && !dense.contains("abab") && !dense.contains("horse"), "{text}");
    }
    assert!(error.to_string().contains("attribute: NDA_LLADDR"), "{error}");
}

#[test]
fn a_decoding_error_names_the_attribute() {
    let error = Error::from(DecodeError::Length { kind: 5, expected: 2, got: 4 }).about(
        &NEIGH,
        describe_neigh,
        &request(),
    );
    assert_eq!(
        error.to_string(),
        "add fdb on #5: cannot read the kernel's answer: attribute 5: 2 bytes expected, 4 there\n  attribute: NDA_VLAN"
    );
}

#[test]
fn a_refusal_becomes_unsupported_only_where_it_means_that() {
    let refused = || kernel(Errno::EOPNOTSUPP, ExtAck::default()).about(&NEIGH, describe_neigh, &request());
    let error =
        refused().or_unsupported(|k| k.errno == Errno::EOPNOTSUPP, "FDB flush by flag", Since::linux(5, 19));
    assert_eq!(
        error.to_string(),
        "add fdb on #5: FDB flush by flag is not supported by this kernel (needs Linux 5.19)"
    );
    assert!(error.is_unsupported() && error.kernel().is_none());
    let error = refused().or_unsupported(|k| k.errno == Errno::EINVAL, "x", Since::option("y"));
    assert_eq!(error.errno(), Some(Errno::EOPNOTSUPP));
}

#[test]
fn what_was_said_first_about_the_operation_stays() {
    let error = Error::usage("no").during(|| "do this".into()).about(&NEIGH, describe_neigh, &request());
    assert_eq!(error.to_string(), "do this: no");
    let unread = MessageRef::parse(&[]).map(|_| ()).unwrap_err();
    assert_eq!(Error::from(unread).about(&NEIGH, describe_neigh, &[]).operation(), None);
}

#[test]
fn a_hint_stands_behind_what_the_kernel_said() {
    let ext_ack = ExtAck { message: Some("using kernel STP".into()), ..ExtAck::default() };
    let error = kernel(Errno::EBUSY, ext_ack).during(|| "set vlan 10".into()).hinted("set stp_state 0");
    assert_eq!(error.hint(), Some("set stp_state 0"));
    let text =
        format!("set vlan 10: {BUSY} (EBUSY)\n  kernel: \"using kernel STP\"\n  hint: set stp_state 0");
    assert_eq!(error.to_string(), text);
    let bare =
        kernel(Errno::EBUSY, ExtAck::default()).during(|| "delete x".into()).hinted("make it inactive first");
    assert_eq!(bare.to_string(), format!("delete x: {BUSY} (EBUSY)\n  hint: make it inactive first"));
    assert!(error.is_busy());
}

#[test]
fn an_operation_that_ends_in_a_handle_gets_no_second_colon() {
    let error = |operation: &str| Error::usage("no").during(|| operation.to_owned()).to_string();
    assert_eq!(error("list filters parent 1:"), "list filters parent 1: no");
    assert_eq!(error("list routes"), "list routes: no");
    assert_eq!(error("get route 2001:db8::"), "get route 2001:db8::: no");
}

#[test]
fn a_request_refines_the_errors_that_answer_it() {
    let refine = |error: Error, message: MessageRef<'_>| error.hinted(format!("of type {}", message.kind()));
    let mut request =
        Request::new(28, &NEIGH, describe_neigh).with_header(&NdMsg::default()).refined_by(refine);
    let error = request.explain(kernel(Errno::EPERM, ExtAck::default()));
    assert_eq!(error.hint(), Some("of type 28"));
    assert_eq!(error.operation(), Some("add fdb on #0"));
}

/// A device may be called so, and the kernel's text may name it.
#[test]
fn control_characters_of_the_kernels_text_are_escaped() {
    let text = "Device a\x1b[31mb is busy".to_owned();
    let error = kernel(Errno::EBUSY, ExtAck { message: Some(text.clone()), ..ExtAck::default() });
    assert!(error.to_string().ends_with("kernel: \"Device a\\u{1b}[31mb is busy\""), "{error}");
    assert_eq!(error.kernel().unwrap().ext_ack.message, Some(text));
}
