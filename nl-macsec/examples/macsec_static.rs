//! Both ends of a wire with keys from a file: `macsec_static DEV PARENT PEER-SCI KEYFILE SECONDS`, on each end with the SCI of the other.
//!
//! Each line of the file is the identifier of a key and the key, both in hexadecimal digits. The first is used at once, then the
//! next one every SECONDS. The old key stays until a frame of the new one has come, at most ten seconds, and then one second more.

use std::time::Duration;

use nl_core::{Connection, Protocol};
use nl_macsec::agent::{KernelSecy, SecyOps};
use nl_macsec::device::MacsecDevice;
use nl_macsec::{CipherSuite, KeyId, Macsec, SaConfig, Sci, SecretKey};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [dev, parent, peer, file, seconds] = &arguments[..] else {
        return Err("usage: macsec_static DEV PARENT PEER-SCI KEYFILE SECONDS".into());
    };
    let (peer, seconds) = (peer.parse::<Sci>()?, seconds.parse()?);
    let mut keys = Vec::new();
    for line in std::fs::read_to_string(file)?.lines() {
        let (id, key) = line.trim().split_once(' ').ok_or("a line is not `KEYID KEY`")?;
        keys.push((id.parse::<KeyId>()?, SecretKey::from_hex(key.trim())?));
    }
    let mut keys = keys.into_iter();
    let (id, key) = keys.next().ok_or("the file has no key")?;

    let suite = if key.len() == 32 { CipherSuite::GcmAes256 } else { CipherSuite::GcmAes128 };
    let secy = KernelSecy::new(Macsec::new(Connection::open(Protocol::Generic)?), &**dev, &**parent);
    let own = secy.create_secy(MacsecDevice::new().cipher(suite).encrypt(true).replay(64)).await?;
    println!(
        "{dev} has the SCI {own}; offload is {}",
        if secy.can_offload().await? { "possible" } else { "not possible" }
    );
    secy.create_rx_sc(peer).await?;
    secy.create_rx_sa(peer, SaConfig::new(0).key(&key).key_id(id).active(true)).await?;
    secy.create_tx_sa(SaConfig::new(0).key(&key).key_id(id).next_pn(1).active(true)).await?;
    secy.set_enabled(true).await?;
    drop(key);

    for (id, key) in keys {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let second = Duration::from_secs(1);
        let rotate = secy.macsec().rotate(&**dev).key(&key).key_id(id).lead(second);
        let rotated = rotate.patience(second * 10).grace(second).run().await?;
        println!("key {} is used as association {}", rotated.key_id, rotated.an);
    }
    for number in secy.packet_numbers().await? {
        println!("{number:?}");
    }
    Ok(())
}
