//! Public futures can be spawned on a runtime of many threads.

use nl_macsec::device::MacsecDevice;
use nl_macsec::{Macsec, Offload, Sci, SecretKey};

const fn future<F: Future + Send>(_: &F) {}
const fn shared<T: Send + Sync + 'static>() {}

/// Never runs: that it compiles is the test.
#[expect(dead_code, reason = "checked by the compiler")]
fn every_future_is_send(macsec: &Macsec, sci: Sci) {
    future(&macsec.device("m0").add(MacsecDevice::new()));
    future(&macsec.device("m0").change(MacsecDevice::new()));
    future(&macsec.device("m0").delete());
    future(&macsec.device("m0").get());
    future(&macsec.secy("m0").get());
    future(&macsec.secy("m0").set_encoding_sa(0));
    future(&macsec.secy("m0").set_offload(Offload::Off));
    future(&macsec.secys().list());
    future(&macsec.tx_sa("m0", 0).add());
    future(&macsec.rx_sc("m0", sci).add());
    future(&macsec.rx_sa("m0", sci, 0).remove());
    future(&macsec.devices().list());
    #[cfg(feature = "recreate")]
    future(&macsec.recreate("m0", nl_macsec::CipherSuite::GcmAes256).run());
    #[cfg(feature = "rotate")]
    {
        future(&macsec.rotate("m0").run());
        future(&macsec.packet_numbers("m0").reached());
    }
}

const _: () = {
    shared::<Macsec>();
    shared::<SecretKey>();
};
