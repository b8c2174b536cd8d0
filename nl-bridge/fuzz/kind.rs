// What must hold for any bytes that are taken for the options of a kind of devices or ports. Shared by the fuzz targets and by the
// tests.

use nl_core::attr::{AttrBuf, Attrs};
use nl_core::link::{Link, LinkConfig, LinkKind, LinkVerb};
use nl_core::message::{MessageRef, Messages};

/// Reads the bytes as options, and as a datagram of devices whose options `of` picks.
pub(crate) fn check<T: LinkKind + PartialEq>(data: &[u8], of: fn(&Link) -> &[u8]) {
    check_options::<T>(data);
    for message in Messages::new(data).map_while(Result::ok) {
        check_message::<T>(message, of);
    }
    check_message::<T>(MessageRef::from_parts(16, 0, data), of);
}

fn check_message<T: LinkKind + PartialEq>(message: MessageRef<'_>, of: fn(&Link) -> &[u8]) {
    if let Ok(link) = Link::decode(message) {
        check_options::<T>(of(&link));
    }
}

fn check_options<T: LinkKind + PartialEq>(data: &[u8]) {
    let Ok(read) = T::decode(Attrs::new(data)) else { return };
    let _ = read.to_string();
    // What is written of it reads back, and is then written as it was.
    let Some(written) = written(&read) else { return };
    match T::decode(Attrs::new(&written)) {
        Ok(again) => assert_eq!(self::written(&again), Some(written), "{read}"),
        Err(error) => panic!("what was written of {read} does not read back: {error}"),
    }
    for config in [LinkConfig::new(3_u32).kind(read.clone()), LinkConfig::new(3_u32).port(read)] {
        let mut request = config.request(LinkVerb::Change);
        assert!(!request.describe().is_empty());
        if let Err(error) = request.encoded() {
            assert!(error.is_usage(), "{error}");
        }
    }
}

/// `None` if it does not fit a message.
fn written(kind: &impl LinkKind) -> Option<Vec<u8>> {
    let mut buf = AttrBuf::new();
    kind.encode(&mut buf.writer(), LinkVerb::Add);
    buf.finish().ok()
}
