//! An attribute that the crate does not know, such as one of a later kernel, at every place of every configuration: the object reads as
//! bytes, and is written back with all of them.

use nl_core::Request;
use nl_core::attr::{Attrs, HEADER_LEN};
use nl_core::message::MessageRef;
use nl_tc::class::{Class, ClassConfig};
use nl_tc::filter::Filter;
use nl_tc::qdisc::{Qdisc, QdiscConfig};
use nl_tc::{RTM_NEWQDISC, RTM_NEWTCLASS, RTM_NEWTFILTER, TcHandle, TcMsg, TcVerb};

use crate::tables::{self, filters, queues, verbs};

const KIND: u16 = 1;
const OPTIONS: u16 = 2;
/// No table of the kernel has this number.
const UNKNOWN: u16 = 999;
const NESTED: u16 = 1 << 15;
const CLASS: TcHandle = TcHandle::new(1, 0x10);

#[test]
fn qdisc_with_an_unknown_attribute_reads_as_bytes() {
    for (words, config) in [tables::qdiscs(), tables::later_qdiscs(), queues::cake_mq()].concat() {
        let parent = match config.kind() {
            "clsact" | "ingress" => TcHandle::INGRESS,
            _ => TcHandle::ROOT,
        };
        let qdisc = Qdisc::new(2, parent, config);
        each_unknown(words, RTM_NEWQDISC, qdisc.request(TcVerb::Add), |message| {
            let read = Qdisc::decode(message).unwrap();
            assert!(matches!(read.config, QdiscConfig::Other { .. }), "{read}");
            read.request(TcVerb::Add)
        });
    }
}

#[test]
fn class_with_an_unknown_attribute_reads_as_bytes() {
    for (words, config) in tables::classes() {
        let class = Class::new(2, CLASS, config);
        each_unknown(words, RTM_NEWTCLASS, class.request(TcVerb::Change), |message| {
            let read = Class::decode(message).unwrap();
            assert!(matches!(read.config, ClassConfig::Other { .. }), "{read}");
            read.request(TcVerb::Change)
        });
    }
}

/// An action can be bytes in a filter that is typed.
#[test]
fn filter_with_an_unknown_attribute_is_written_back_with_it() {
    let verbs = verbs::lines().into_iter().map(|line| line.line);
    let verbs = verbs.filter(|line| line.command.contains("filter add"));
    for line in filters::lines().into_iter().chain(verbs) {
        each_unknown(&line.command, RTM_NEWTFILTER, (line.ours)(2), |message| {
            Filter::decode(message).unwrap().request(TcVerb::Add)
        });
    }
}

/// The numbers of the entries of a schedule.
#[test]
fn taprio_entries_with_their_numbers_read_as_typed() {
    let mut request = Request::unnamed(RTM_NEWQDISC).with_header(&TcMsg::default());
    let mut w = request.attrs();
    let mut options = w.str(KIND, "taprio").nested(OPTIONS);
    let mut list = options.nested(2);
    list.nested_unmarked(1).u32(1, 0).u8(2, 0).u32(3, 5).u32(4, 1000);
    list.nested_unmarked(1).u32(1, 1).u8(2, 0).u32(3, 2).u32(4, 2000);
    drop(list);
    drop(options);
    let read = Qdisc::decode(MessageRef::from(&request)).unwrap();
    let QdiscConfig::Taprio(taprio) = read.config else { panic!("{read}") };
    assert_eq!(taprio.entries.iter().map(|entry| entry.gates).collect::<Vec<_>>(), [5, 2]);
}

/// The padding of kernels that align 64-bit values.
#[test]
fn padding_is_no_unknown_attribute() {
    for (kind, number) in [("cake", 1), ("netem", 9), ("taprio", 6), ("tbf", 8)] {
        let all = [tables::qdiscs(), tables::later_qdiscs()].concat();
        let (words, config) = all.into_iter().find(|(words, _)| words.starts_with(kind)).unwrap();
        let (kind, options) = options_of(Qdisc::new(2, TcHandle::ROOT, config.clone()).request(TcVerb::Add));
        let padded = [padded(options), attr(number, &[])].concat();
        let message = message(RTM_NEWQDISC, &kind, &padded);
        let read = Qdisc::decode(MessageRef::parse(&message).unwrap()).unwrap();
        assert!(!matches!(read.config, QdiscConfig::Other { .. }), "{words}: {read:?}");
    }
}

/// Whether a filter is in the hardware is reported, and refused in a request.
#[test]
fn reported_flags_are_not_written_back() {
    const REPORTED: u32 = 4 | 8;
    const SKIP_HW: u32 = 1;
    for (kind, flags) in [("bpf", 9), ("flower", 22), ("matchall", 3), ("u32", 11)] {
        let with = |value: u32| [attr(UNKNOWN, &[1, 2, 3]), attr(flags, &value.to_ne_bytes())].concat();
        let message = message(RTM_NEWTFILTER, kind, &with(REPORTED | SKIP_HW));
        let read = Filter::decode(MessageRef::parse(&message).unwrap()).unwrap();
        assert_eq!(options_of(read.request(TcVerb::Add)), (kind.to_owned(), with(SKIP_HW)));
    }
}

/// Reads the request with an unknown attribute at each place. `read` returns the options as bytes, and what writes them back.
fn each_unknown(words: &str, number: u16, request: Request, read: impl Fn(MessageRef<'_>) -> Request) {
    let (kind, options) = options_of(request);
    if options.is_empty() && matches!(&*kind, "bfifo" | "pfifo" | "sfq") {
        // An attribute in place of the structure would be read as that.
        return;
    }
    let (head, attrs) = options.split_at(head_len(&kind, &options));
    let attrs = padded(attrs.to_vec());
    for extended in extended(&attrs, &|path| kind == "taprio" && path == [2, 1]) {
        let options = [head, &extended].concat();
        let message = message(number, &kind, &options);
        let again = read(MessageRef::parse(&message).unwrap());
        assert_eq!(options_of(again), (kind.clone(), options), "{words}");
    }
}

/// The structure that precedes the attributes.
fn head_len(kind: &str, options: &[u8]) -> usize {
    match kind {
        "netem" => 24,
        "mqprio" => 84,
        "bfifo" | "pfifo" | "pfifo_head_drop" | "prio" | "sfq" => options.len(),
        // Of the class there are attributes.
        "hfsc" if options.len() == 2 => options.len(),
        _ => 0,
    }
}

/// The attributes with an unknown one at the end, and with one at the end of each nest.
fn extended(attrs: &[u8], is_nest: &dyn Fn(&[u16]) -> bool) -> Vec<Vec<u8>> {
    fn each(attrs: &[u8], path: &mut Vec<u16>, is_nest: &dyn Fn(&[u16]) -> bool) -> Vec<Vec<u8>> {
        let mut all = vec![[attrs, &attr(UNKNOWN, &[])].concat()];
        let mut at = 0;
        while at < attrs.len() {
            let len = usize::from(u16::from_ne_bytes([attrs[at], attrs[at + 1]]));
            let number = u16::from_ne_bytes([attrs[at + 2], attrs[at + 3]]);
            let next = at + len.next_multiple_of(4);
            path.push(number & !NESTED);
            if number & NESTED != 0 || is_nest(path) {
                for inner in each(&attrs[at + HEADER_LEN..at + len], path, is_nest) {
                    all.push([&attrs[..at], &attr(number, &inner), &attrs[next..]].concat());
                }
            }
            path.pop();
            at = next;
        }
        all
    }
    each(attrs, &mut Vec::new(), is_nest)
}

fn attr(number: u16, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(HEADER_LEN + value.len()).unwrap();
    padded([&len.to_ne_bytes(), &number.to_ne_bytes(), value].concat())
}

fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The kind and the options of a request.
fn options_of(mut request: Request) -> (String, Vec<u8>) {
    let bytes = request.encoded().unwrap();
    let (_, attrs) = MessageRef::parse(bytes).unwrap().header::<TcMsg>().unwrap();
    let find = |attrs: Attrs<'_>, number| attrs.find(number).unwrap().map(|attr| attr.value().to_vec());
    let kind = attrs.find(KIND).unwrap().unwrap().str().unwrap().to_owned();
    (kind, find(attrs, OPTIONS).unwrap_or_default())
}

fn message(number: u16, kind: &str, options: &[u8]) -> Vec<u8> {
    let (parent, handle) = match (number, kind) {
        (RTM_NEWQDISC, "clsact" | "ingress") => (0xffff_fff1, 0xffff_0000),
        (RTM_NEWQDISC, _) => (TcHandle::ROOT.bits(), 0x0001_0000),
        (RTM_NEWTCLASS, _) => (0x0001_0000, CLASS.bits()),
        _ => (0x0001_0000, 1),
    };
    let header = TcMsg { index: 2, handle, parent, ..TcMsg::default() };
    let mut request = Request::unnamed(number).with_header(&header);
    request.attrs().str(KIND, kind).bytes(OPTIONS, options);
    request.encoded().unwrap().to_vec()
}
