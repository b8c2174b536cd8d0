//! Bars that grow where they stand; once and for all where there is no terminal.

use std::env;
use std::io::{self, IsTerminal as _, Write as _};

/// A bar per name.
pub(crate) struct Bars {
    names: [&'static str; 2],
    /// Mbit/s of the longest bar.
    scale: u32,
    width: usize,
    live: bool,
    colour: bool,
    drawn: bool,
}

/// What a line has beside its bar: `     backup   12.0 Mbit/s  75 %`.
const REST: usize = 32;
const COLOURS: [&str; 2] = ["\x1b[36m", "\x1b[33m"];

impl Bars {
    pub(crate) fn new(names: [&'static str; 2], scale: u32) -> Self {
        let live = io::stdout().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb");
        let columns = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(80_usize);
        let width = columns.saturating_sub(REST).clamp(8, 48);
        // https://no-color.org: set to anything but nothing.
        let colour = live && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { names, scale, width, live, colour, drawn: false }
    }

    /// Rates in Mbit/s. Where lines cannot be drawn again, the `last` are drawn only.
    pub(crate) fn draw(&mut self, rates: [f64; 2], last: bool) {
        if !self.live && !last {
            return;
        }
        let mut text = String::new();
        if self.drawn {
            text.push_str("\x1b[2A");
        }
        let all = rates.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        for ((name, rate), colour) in self.names.iter().zip(rates).zip(COLOURS) {
            let (begin, end) = if self.colour { (colour, "\x1b[0m") } else { ("", "") };
            let clear = if self.live { "\x1b[K" } else { "" };
            let bar = bar(rate / f64::from(self.scale), self.width);
            let (width, share) = (self.width, rate / all * 100.0);
            text.push_str(&format!(
                "     {name:<6} {begin}{bar:<width$}{end} {rate:>5.1} Mbit/s {share:>3.0} %{clear}\n"
            ));
        }
        self.drawn = true;
        let mut out = io::stdout();
        // Nobody reads it.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

/// To an eighth of a column.
fn bar(part: f64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let mut bar = String::new();
    let mut rest = part.clamp(0.0, 1.0) * 8.0 * width as f64;
    while rest >= 8.0 {
        bar.push('█');
        rest -= 8.0;
    }
    let last = EIGHTHS.iter().zip(1_u8..).find(|(_, eighths)| rest < f64::from(*eighths));
    bar.push_str(last.map_or("", |(bar, _)| bar));
    bar
}

#[cfg(test)]
mod tests {
    use super::bar;

    #[test]
    fn a_bar_is_as_long_as_its_part() {
        assert_eq!(bar(0.0, 8), "");
        assert_eq!(bar(0.5, 8), "████");
        assert_eq!(bar(0.53, 8), "████▏");
        assert_eq!(bar(7.0, 8), "████████");
    }
}
