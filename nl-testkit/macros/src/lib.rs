//! The `#[nl_testkit::test]` attribute.
