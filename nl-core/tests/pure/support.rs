//! What the tests of several objects share.

use nl_core::Request;

/// The text of a refusal, without the operation in front.
#[track_caller]
pub(crate) fn refusal(mut request: Request) -> String {
    let error = request.encoded().map(<[u8]>::len).unwrap_err();
    assert!(error.is_usage(), "{error}");
    let operation = format!("{}: ", error.operation().unwrap());
    error.to_string().strip_prefix(&operation).unwrap().to_owned()
}

/// Bytes from the notation of a hex dump.
pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
