fn main() {
    let _ = rtnetlink::new_connection();
}
