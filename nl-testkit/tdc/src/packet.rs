//! Packets of cases, in the words of scapy: the few that the kernel's cases of qdiscs send.

use std::{collections::BTreeMap, net::Ipv4Addr};

use nl_testkit::EthFrame;

/// The frame of an expression such as `Ether()/IP(src='10.0.0.1',dst='10.0.0.2')/ICMP()`, sent to everybody.
pub(crate) fn frame(expression: &str, source: [u8; 6]) -> Result<Vec<u8>, String> {
    let bad = |what: &str| format!("the packet {expression}: {what}");
    let layers = layers(expression).ok_or_else(|| bad("not understood"))?;
    let [ether, ip, inner] = layers.as_slice() else { return Err(bad("not three layers")) };
    if ether.name != "Ether" || ip.name != "IP" || ether.words.keys().any(|key| *key != "type") {
        return Err(bad("not IP over Ethernet"));
    }
    let address = |name: &str| ip.words.get(name).and_then(|text| text.parse::<Ipv4Addr>().ok());
    let (Some(from), Some(to)) = (address("src"), address("dst")) else {
        return Err(bad("addresses are needed"));
    };
    let port = |name: &str| inner.words.get(name).and_then(|text| text.parse::<u16>().ok());
    let (protocol, payload) = match (inner.name, port("sport"), port("dport")) {
        ("ICMP", None, None) => (1, icmp()),
        ("TCP", Some(sport), Some(dport)) => (6, tcp(from, to, sport, dport)),
        _ => return Err(bad("neither ICMP nor TCP with ports")),
    };
    let mut packet = vec![0x45, 0];
    let length = u16::try_from(20 + payload.len()).map_err(|_| bad("too long"))?;
    packet.extend(length.to_be_bytes());
    packet.extend([0, 1, 0, 0, 64, protocol, 0, 0]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    put_sum(&mut packet, 10, &[]);
    packet.extend(payload);
    Ok(EthFrame::new(source, [0xff; 6], IPV4, &packet).to_bytes())
}

/// An echo request without data.
fn icmp() -> Vec<u8> {
    let mut message = vec![8, 0, 0, 0, 0, 0, 0, 0];
    put_sum(&mut message, 2, &[]);
    message
}

/// The first segment of a connection.
fn tcp(from: Ipv4Addr, to: Ipv4Addr, sport: u16, dport: u16) -> Vec<u8> {
    const SYN: u8 = 2;
    let mut segment = Vec::new();
    segment.extend(sport.to_be_bytes());
    segment.extend(dport.to_be_bytes());
    segment.extend([0, 0, 0, 0, 0, 0, 0, 0, 5 << 4, SYN, 0x20, 0, 0, 0, 0, 0]);
    let pseudo = [from.octets(), to.octets(), [0, 6, 0, 20]].concat();
    put_sum(&mut segment, 16, &pseudo);
    segment
}

/// Puts the Internet checksum of `before` and the bytes (RFC 1071) at a place in the bytes, where zeros are.
fn put_sum(bytes: &mut [u8], at: usize, before: &[u8]) {
    let words = before.chunks(2).chain(bytes.chunks(2)).map(|pair| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        [high] => u32::from(*high) << 8,
        _ => 0,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = u16::try_from(!sum & 0xffff).unwrap_or_default();
    for (place, byte) in bytes.iter_mut().skip(at).zip(sum.to_be_bytes()) {
        *place = byte;
    }
}

#[derive(Debug)]
struct Layer<'a> {
    name: &'a str,
    words: BTreeMap<&'a str, &'a str>,
}

/// `A(k=v,k='v')/B()`; no value has a slash or a parenthesis.
fn layers(expression: &str) -> Option<Vec<Layer<'_>>> {
    let layer = |text: &'_ str| -> Option<(usize, usize)> {
        let open = text.find('(')?;
        text.ends_with(')').then_some((open, text.len() - 1))
    };
    expression
        .split('/')
        .map(|text| {
            let text = text.trim();
            let (open, close) = layer(text)?;
            let words = text.get(open + 1..close)?.split(',').filter(|word| !word.trim().is_empty());
            let words = words.map(|word| {
                let (key, value) = word.split_once('=')?;
                Some((key.trim(), value.trim().trim_matches(['\'', '"'])))
            });
            Some(Layer { name: text.get(..open)?, words: words.collect::<Option<_>>()? })
        })
        .collect()
}

const IPV4: u16 = 0x0800;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_request_has_the_bytes_every_host_understands() {
        let bytes =
            frame("Ether()/IP(dst='10.10.10.1', src='10.10.10.10')/ICMP()", [2, 0, 0, 0, 0, 1]).unwrap();
        assert_eq!(bytes[..14], [255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 0]);
        assert_eq!(bytes[14..24], [0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1]);
        assert_eq!(bytes[26..34], [10, 10, 10, 10, 10, 10, 10, 1]);
        assert_eq!(bytes[34..], [8, 0, 0xf7, 0xff, 0, 0, 0, 0]);
        assert_eq!(sum(&bytes[14..34]), 0xffff);
    }

    #[test]
    fn a_segment_has_its_ports_and_a_right_sum() {
        let text = "Ether(type=0x800)/IP(src='10.0.0.10',dst='1.3.3.7')/TCP(sport=5000,dport=10)";
        let bytes = frame(text, [0; 6]).unwrap();
        assert_eq!(bytes[34..38], [0x13, 0x88, 0, 10]);
        assert_eq!(sum(&[&bytes[26..34], &[0, 6, 0, 20], &bytes[34..]].concat()), 0xffff);
    }

    #[test]
    fn other_packets_are_refused() {
        for text in [
            "",
            "Ether()/IP()/ICMP()",
            "Ether()/IPv6()/ICMP()",
            "Ether()/IP(src='1.1.1.1',dst='1.1.1.2')/UDP()",
        ] {
            assert!(frame(text, [0; 6]).is_err(), "{text}");
        }
    }

    fn sum(bytes: &[u8]) -> u32 {
        let sum: u32 = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        (sum & 0xffff) + (sum >> 16)
    }
}
