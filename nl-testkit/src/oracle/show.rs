//! Annotated hex: offset, bytes, what they are; what differs is marked.

use std::{fmt::Write, ops::Range};

use super::shape::{Content, Parsed, Piece, Shape, u16_at};

/// A message taken apart, one line for each field and attribute, `!` before those in `marks`.
pub(super) fn annotated(shape: &Shape, parsed: &Parsed, bytes: &[u8], marks: &[Range<usize>]) -> String {
    let mut out = Out { text: String::new(), bytes, marks };
    for piece in &parsed.header {
        let mut label = piece.label.clone();
        if piece.path == "nlmsg_type"
            && let Some(name) = u16_at(bytes, piece.range.start).and_then(|kind| shape.kind_name(kind))
        {
            label = format!("{label} {name}");
        }
        out.lines(&piece.range, &label, 0, true);
    }
    for piece in &parsed.attrs {
        out.attr(piece);
    }
    out.text
}

/// Bytes that could not be taken apart.
pub(super) fn raw(bytes: &[u8]) -> String {
    let mut out = Out { text: String::new(), bytes, marks: &[] };
    out.lines(&(0..bytes.len()), "", 0, false);
    out.text
}

/// `02 00 00`, or `nothing`.
pub(super) fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "nothing".to_owned();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

struct Out<'a> {
    text: String,
    bytes: &'a [u8],
    marks: &'a [Range<usize>],
}

impl Out<'_> {
    fn attr(&mut self, piece: &Piece) {
        if matches!(piece.content, Content::Field) {
            self.lines(&piece.range, &piece.label, piece.depth, true);
            return;
        }
        let nested = matches!(piece.content, Content::Nest { .. });
        let bits = match piece.bits() {
            0 => String::new(),
            0x8000 => " NESTED".to_owned(),
            bits => format!(" bits {bits:#06x}"),
        };
        let length = piece.value().len();
        let label = format!("{}{bits}, {length} bytes", piece.label);
        let head = piece.range.start..piece.value().start;
        // A mark on a nest would hide which of its children it is about, so its header carries it.
        self.lines(&head, &label, piece.depth, false);
        if nested {
            for inner in piece.inner() {
                self.attr(inner);
            }
        } else {
            self.lines(&piece.value(), "", piece.depth + 1, true);
        }
        if !piece.padding().is_empty() {
            self.lines(&piece.padding(), "padding", piece.depth + 1, false);
        }
    }

    fn lines(&mut self, range: &Range<usize>, label: &str, depth: usize, number: bool) {
        let bytes = self.bytes.get(range.clone()).unwrap_or_default();
        for (at, row) in bytes.chunks(ROW).enumerate() {
            let start = range.start + at * ROW;
            let end = start + row.len();
            let marked = self.marks.iter().any(|mark| mark.start < end && start < mark.end);
            let mark = if marked { '!' } else { ' ' };
            let mut label = if at == 0 { label.to_owned() } else { String::new() };
            if number && bytes.len() <= 8 {
                label = [label, value(bytes)].join(" ").trim().to_owned();
            }
            let indent = "  ".repeat(depth);
            // Writing to a String cannot fail.
            let _ = writeln!(
                self.text,
                "{}",
                format!("{mark} {start:04x}  {:<width$}  {indent}{label}", hex(row), width = ROW * 3 - 1)
                    .trim_end()
            );
        }
    }
}

/// A number where the bytes can be one.
fn value(bytes: &[u8]) -> String {
    match *bytes {
        [a] => format!("= {a}"),
        [a, b] => format!("= {}", u16::from_ne_bytes([a, b])),
        [a, b, c, d] => format!("= {}", u32::from_ne_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => format!("= {}", u64::from_ne_bytes([a, b, c, d, e, f, g, h])),
        _ => String::new(),
    }
}

const ROW: usize = 16;
