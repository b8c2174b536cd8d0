//! Documentation as Markdown that needs no rustdoc.

/// The text without links to items, of which the words stay: [`x`](path::x) and [`x`] become `x`.
pub(crate) fn without_item_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        plain.push_str(before);
        rest = after;
        let Some((words, behind)) = after.split_once(']') else {
            plain.push('[');
            continue;
        };
        let target = behind.strip_prefix('(').and_then(|target| target.split_once(')'));
        match target {
            // rustdoc's items have no scheme and no anchor in front.
            Some((target, behind)) if is_item(target) => {
                plain.push_str(words);
                // A target may be a call, as in `method()`.
                rest =
                    if target.ends_with('(') { behind.strip_prefix(')').unwrap_or(behind) } else { behind };
            }
            None if words.starts_with('`') && words.ends_with('`') => {
                plain.push_str(words);
                rest = behind;
            }
            _ => plain.push('['),
        }
    }
    plain.push_str(rest);
    plain
}

/// Whether a link leads to an item of a crate.
fn is_item(target: &str) -> bool {
    !target.contains("://") && !target.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_items_become_their_words() {
        assert_eq!(without_item_links("see [`Plan`](crate::Plan::steps()) now"), "see `Plan` now");
        assert_eq!(without_item_links("see [`Plan`], [the plan](super#x)"), "see `Plan`, the plan");
        assert_eq!(without_item_links("refused ([`x`](crate::x)), or not"), "refused (`x`), or not");
    }

    #[test]
    fn other_links_and_brackets_stay() {
        for text in ["[a](https://b.example/c)", "[a](#b)", "an array[0] of [1, 2]", "an open ["] {
            assert_eq!(without_item_links(text), text);
        }
    }
}
