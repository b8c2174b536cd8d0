//! Private networks for testing netlink programs.
