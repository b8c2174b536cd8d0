fn main() {
    let _ = nl_bridge::Bridge::connect();
}
