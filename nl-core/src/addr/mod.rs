//! Addresses and names that appear in more than one feature crate.

mod dev;
mod hw;
mod mac;
mod name;
mod prefix;

pub use dev::Dev;
pub use hw::{HW_ADDR_MAX, HwAddr};
pub use mac::MacAddr;
pub(crate) use name::escaped;
pub use name::{ALTIFNAME_MAX, IFNAME_MAX, Name};
pub use prefix::{IpFamily, IpPrefix};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_address_reads_back_as_it_prints() {
        let mac = MacAddr::new([0x02, 0xab, 0, 1, 0xff, 9]);
        assert_eq!(mac.to_string(), "02:ab:00:01:ff:09");
        assert_eq!(mac.to_string().parse::<MacAddr>().unwrap(), mac);
    }

    #[test]
    fn malformed_mac_addresses_are_refused() {
        for text in [
            "",
            "02:00:00:00:00",
            "02:00:00:00:00:01:02",
            "02-00-00-00-00-01",
            "2:0:0:0:0:1",
            "+2:00:00:00:00:01",
        ] {
            assert!(text.parse::<MacAddr>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn a_prefix_reads_back_as_it_prints() {
        for text in ["192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32", "::/0", "192.0.2.1/32", "192.0.2.1/24"] {
            assert_eq!(text.parse::<IpPrefix>().unwrap().to_string(), text);
        }
        assert_eq!("192.0.2.1".parse::<IpPrefix>().unwrap().to_string(), "192.0.2.1/32");
        assert_eq!("::1".parse::<IpPrefix>().unwrap(), IpPrefix::host("::1".parse().unwrap()));
        for (family, text) in [(IpFamily::V4, "0.0.0.0/0"), (IpFamily::V6, "::/0")] {
            let default = IpPrefix::default_of(family);
            assert_eq!((default, default.is_default()), (text.parse().unwrap(), true));
        }
    }

    #[test]
    fn malformed_prefixes_are_refused_with_the_limit_in_the_text() {
        for text in
            ["", "/", "192.0.2.0/", "192.0.2.0/+4", "192.0.2/24", "192.0.2.0/24/8", "192.0.2.0/256", "x/8"]
        {
            assert!(text.parse::<IpPrefix>().is_err(), "{text:?} was taken");
        }
        let error = "192.0.2.0/33".parse::<IpPrefix>().unwrap_err();
        assert_eq!(error.to_string(), "prefix 192.0.2.0/33; the length is 0 to 32");
        let error = IpPrefix::new("::".parse().unwrap(), 129).unwrap_err();
        assert_eq!(error.to_string(), "prefix ::/129; the length is 0 to 128");
    }

    #[test]
    fn bits_behind_the_length_are_found() {
        for (text, good) in [
            ("192.0.2.0/24", true),
            ("192.0.2.1/24", false),
            ("192.0.2.1/32", true),
            ("0.0.0.1/0", false),
            ("::/0", true),
            ("::1/0", false),
            ("::1/128", true),
            ("2001:db8::1/64", false),
        ] {
            assert_eq!(text.parse::<IpPrefix>().unwrap().check_network("prefix").is_ok(), good, "{text}");
        }
    }

    #[test]
    fn impossible_devices_are_refused_with_the_limit_in_the_text() {
        let error = Dev::from("n".repeat(128)).check().unwrap_err();
        assert!(error.to_string().contains("15") && error.to_string().contains("127"), "{error}");
        for dev in [
            Dev::from(""),
            Dev::from("a/b"),
            Dev::from("a b"),
            Dev::from(".."),
            Dev::from(0),
            Dev::from(1 << 31),
        ] {
            assert!(dev.check().is_err(), "{dev:?} was taken");
        }
        for dev in [Dev::from("fifteen-bytes-x"), Dev::from("lo:5"), Dev::from("n".repeat(127))] {
            dev.check().unwrap();
        }
    }

    #[test]
    fn control_characters_of_a_name_are_escaped_in_texts() {
        assert_eq!(Dev::from("a\x1b[31mb").to_string(), "a\\u{1b}[31mb");
        assert_eq!(Dev::from("größe").to_string(), "größe");
    }
}
