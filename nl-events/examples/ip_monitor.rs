//! `ip monitor` and `bridge monitor`: prints a number of events of these objects and ends.
//!
//! ```text
//! ip_monitor COUNT { link | address | route | rule | neigh | nexthop | fdb }...
//! ```

use futures_util::StreamExt;
use nl_events::Source;
use nl_events::stream::Events;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [count, objects @ ..] = words.as_slice() else { return Err("ip_monitor COUNT OBJECT...".into()) };
    let mut builder = Events::builder();
    for object in objects {
        builder = match object.as_str() {
            "link" => builder.source(Source::LINK),
            "address" => builder.source(Source::IPV4_ADDRESS).source(Source::IPV6_ADDRESS),
            "route" => builder.source(Source::IPV4_ROUTE).source(Source::IPV6_ROUTE),
            "rule" => builder.source(Source::IPV4_RULE).source(Source::IPV6_RULE),
            "neigh" => builder.source(Source::NEIGHBOUR),
            "nexthop" => builder.source(Source::NEXTHOP),
            "fdb" => builder.source(Source::FDB),
            other => return Err(format!("`{other}` is not an object of this example").into()),
        };
    }
    let mut events = builder.open()?;
    println!("listening");
    let mut left: usize = count.parse()?;
    while left > 0 {
        match events.next().await {
            Some(Ok(event)) => println!("{event:?}"),
            // The stream goes on, and what was lost is not known: a watch lists the table again.
            Some(Err(error)) if error.is_overrun() => println!("events were lost"),
            Some(Err(error)) => return Err(error.into()),
            None => break,
        }
        left -= 1;
    }
    Ok(())
}
