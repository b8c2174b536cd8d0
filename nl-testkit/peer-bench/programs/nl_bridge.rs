use nl_bridge::fdb::Fdb;
use nl_core::{Connection, Protocol};

fn main() {
    let _ = Connection::open(Protocol::Route).map(Fdb::new);
}
