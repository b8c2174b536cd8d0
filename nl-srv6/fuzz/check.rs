// What must hold for any bytes. Shared by the fuzz target and by the test that replays the corpus.

use nl_core::message::{MessageRef, Messages};
use nl_core::route::{Encap, RawEncap, Route};
use nl_srv6::encap::Seg6;
use nl_srv6::hmac::HmacKey;
use nl_srv6::routes::SegmentRoute;
use nl_srv6::sid::{Seg6Local, Sid};
use nl_srv6::srh::Srh;

/// Reads the bytes as a datagram, and as a routing header with a packet behind it.
pub(crate) fn check(data: &[u8]) {
    for message in Messages::new(data).map_while(Result::ok) {
        check_message(message);
    }
    if let Ok((srh, rest)) = Srh::parse(data) {
        assert!(rest.len() < data.len());
        check_srh(&srh);
    }
}

fn check_message(message: MessageRef<'_>) {
    if let Ok(key) = HmacKey::decode(message) {
        assert!(!key.to_string().is_empty());
    }
    if let Ok(Some(found)) = SegmentRoute::decode(message) {
        assert!(!found.to_string().is_empty() && !found.paths.is_empty());
        found.paths.iter().for_each(check_seg6);
    }
    if let Ok(Some(sid)) = Sid::decode(message) {
        assert!(!sid.to_string().is_empty());
        check_local(&sid.local);
    }
    if Route::is_route(message)
        && let Ok(route) = Route::decode(message)
        && let Ok(Some(seg6)) = route.encap()
    {
        check_seg6(&seg6);
    }
}

/// What passes the check reads back as what it was.
fn check_seg6(seg6: &Seg6) {
    assert!(!seg6.to_string().is_empty());
    let back = RawEncap::of(seg6).decode::<Seg6>();
    if seg6.check().is_ok() {
        assert!(matches!(&back, Ok(Some(back)) if back.is_same_path(seg6)), "{seg6}");
        check_srh(&seg6.srh);
    }
}

fn check_local(local: &Seg6Local) {
    let back = RawEncap::of(local).decode::<Seg6Local>();
    if local.check().is_ok() {
        assert!(matches!(&back, Ok(Some(back)) if back.is_same_behavior(local)), "{local}");
    }
}

fn check_srh(srh: &Srh) {
    assert!(!srh.to_string().is_empty());
    let bytes = srh.encode();
    if srh.check().is_ok() {
        let back = Srh::decode(&bytes);
        // Padding that was added is read as a TLV.
        assert!(
            matches!(&back, Ok(back) if back.segments == srh.segments && back.encode() == bytes),
            "{srh}"
        );
    }
}
