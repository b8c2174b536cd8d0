use nlink::{Connection, Route};

fn main() {
    let _ = Connection::<Route>::new();
}
