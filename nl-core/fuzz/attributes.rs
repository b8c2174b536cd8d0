// What must hold for any bytes that are taken for attributes.

use nl_core::attr::{AttrBuf, Attrs, RawAttrs};

/// Nests are followed this far.
const DEPTH: u32 = 8;

pub(crate) fn check(data: &[u8]) {
    follow(data, DEPTH);
    // What is kept of attributes that are not understood is written as it was.
    let mut kept = RawAttrs::default();
    let read: Vec<_> = Attrs::new(data).map_while(Result::ok).collect();
    read.iter().for_each(|attr| kept.push(*attr));
    let mut buf = AttrBuf::new();
    kept.write(&mut buf.writer());
    let Ok(written) = buf.finish() else { return };
    let again: Vec<_> = Attrs::new(&written).map_while(Result::ok).collect();
    assert_eq!(again.len(), read.len(), "what was written does not read back");
    for (before, after) in read.iter().zip(&again) {
        assert_eq!((before.raw_kind(), before.value()), (after.raw_kind(), after.value()));
    }
    assert_eq!(kept.attrs().count(), read.len());
}

fn follow(data: &[u8], depth: u32) {
    let mut errors = 0;
    for attr in Attrs::new(data) {
        let Ok(attr) = attr else {
            errors += 1;
            continue;
        };
        assert!(attr.value().len() + 4 <= data.len());
        let _ = (attr.u8(), attr.u16(), attr.u32(), attr.u64(), attr.i32(), attr.i64());
        let _ = (attr.be16(), attr.be32(), attr.be64(), attr.ip(), attr.array::<6>());
        assert!(attr.str().is_ok_and(|text| !text.contains('\0')) || attr.str().is_err());
        assert!(!attr.text().contains('\0'));
        // The first of its type is the one that is found, unless what comes before cannot be read.
        assert!(Attrs::new(data).find(attr.kind()).is_ok_and(|found| found.is_some()) || errors > 0);
        if depth > 0 {
            follow(attr.value(), depth - 1);
        }
    }
    assert!(errors <= 1, "an error ends the attributes");
}
