// What must hold for any bytes that are taken for objects of a kind. Shared by the fuzz targets and by the tests that replay the corpora.

use std::fmt::Display;

use nl_core::Request;
use nl_core::attr::DecodeError;
use nl_core::message::MessageRef;

/// It prints, and every request for it is refused with a text, or reads back and is then written as it was.
pub(crate) fn check<T: Display, V: Copy>(
    object: &T,
    verbs: &[V],
    decode: fn(MessageRef<'_>) -> Result<T, DecodeError>,
    request: fn(&T, V) -> Request,
) {
    assert!(!object.to_string().is_empty());
    for verb in verbs {
        let mut written = request(object, *verb);
        let text = written.describe();
        let bytes = match written.encoded() {
            Ok(bytes) => bytes,
            Err(error) => {
                assert!(error.is_usage(), "{error}");
                assert!(!text.is_empty() && !error.to_string().is_empty());
                continue;
            }
        };
        let back = MessageRef::parse(bytes).and_then(decode);
        let back = back.unwrap_or_else(|error| panic!("our own request does not read back: {text}: {error}"));
        match request(&back, *verb).encoded() {
            Ok(again) => assert!(again == bytes, "{text}, and then {back}\n{bytes:?}\n{again:?}"),
            Err(error) => panic!("what was read is refused: {error}"),
        };
    }
}
