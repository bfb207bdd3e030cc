//! YAML to a tree that remembers lines. One document, no surprises: duplicate keys, tags and deep or huge
//! documents are refused, and aliases count as what they stand for.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// A document is at most this long, in bytes.
pub const BYTES_MAX: usize = 1 << 20;
/// Lists and maps may be nested this deep.
pub const DEPTH_MAX: usize = 16;
/// Scalars, lists and maps in a document, aliases expanded.
pub const NODES_MAX: usize = 200_000;

/// Something of a document, and the line it begins in, from 1.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Node {
    /// The line.
    pub line: usize,
    /// What it is.
    pub body: Body,
}

/// What a node is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Body {
    /// A scalar as written. Only plain ones can be numbers, truth values and null.
    Scalar {
        /// The text, quotes and escapes resolved.
        text: String,
        /// It stood without quotes.
        plain: bool,
    },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in its order.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Key {
    /// Its text.
    pub text: String,
    /// Its line.
    pub line: usize,
}

/// Why a document is not accepted, and in which line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refused {
    /// The line, from 1; 0 for the whole.
    pub line: usize,
    /// Why.
    pub why: String,
}

impl Node {
    /// A plain scalar that is in no document.
    pub fn plain(text: &str) -> Self {
        Self { line: 0, body: Body::Scalar { text: text.to_owned(), plain: true } }
    }

    /// Whether it says that there is nothing: `null`, `~` or no text at all.
    pub fn is_null(&self) -> bool {
        matches!(&self.body, Body::Scalar { text, plain: true } if ["", "~", "null"].contains(&&text[..]))
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.body {
            Body::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// A member of a map.
    pub fn member(&self, key: &str) -> Option<&Self> {
        match &self.body {
            Body::Map(members) => {
                members.iter().find(|(name, _)| name.text == key).map(|(_, node)| node)
            }
            _ => None,
        }
    }

    fn size(&self) -> usize {
        match &self.body {
            Body::Scalar { .. } => 1,
            Body::List(items) => 1 + items.iter().map(Self::size).sum::<usize>(),
            Body::Map(members) => {
                1 + members.iter().map(|(_, node)| 1 + node.size()).sum::<usize>()
            }
        }
    }
}

/// Reads a document. An empty one is an empty map.
///
/// # Errors
/// The line and what is wrong in it.
pub fn parse(text: &str) -> Result<Node, Refused> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > BYTES_MAX {
        return Err(Refused { line: 0, why: format!("longer than {BYTES_MAX} bytes") });
    }
    // The parser names the line before, where the text began that the tab is taken for a part of.
    let indent = |line: &str| {
        line.len() > line.trim().len()
            && line[..line.len() - line.trim_start().len()].contains('\t')
    };
    if let Some((line, _)) = (1..).zip(text.lines()).find(|(_, line)| indent(line)) {
        return Err(Refused { line, why: "a tab in the indentation; use spaces".into() });
    }
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Refused {
            line: error.marker().line(),
            why: error.info().to_owned(),
        })?;
        builder.take(event, span)?;
    }
    Ok(builder.root.unwrap_or(Node { line: 1, body: Body::Map(Vec::new()) }))
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    nodes: usize,
    /// Finished nodes that have an anchor, with their sizes.
    anchors: HashMap<usize, (Node, usize)>,
}

/// A list or map that is not finished.
struct Open {
    node: Node,
    key: Option<Key>,
    anchor: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Refused> {
        let line = span.start.line();
        let refuse = |why: &str| Err(Refused { line, why: why.to_owned() });
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return refuse("a second document; a file has one");
                }
                Ok(())
            }
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => refuse("tags are not used here"),
            Event::Scalar(text, style, anchor, None) => {
                let plain = style == ScalarStyle::Plain;
                let body = Body::Scalar { text: text.into_owned(), plain };
                self.finished(Node { line, body }, anchor)
            }
            Event::SequenceStart(anchor, None) => {
                self.begin(Node { line, body: Body::List(Vec::new()) }, anchor)
            }
            Event::MappingStart(anchor, None) => {
                self.begin(Node { line, body: Body::Map(Vec::new()) }, anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open { key: Some(key), .. }) => {
                    Err(Refused { line: key.line, why: format!("{:?} has no value", key.text) })
                }
                Some(Open { node, anchor, .. }) => self.placed(node, anchor),
                None => refuse("ends what did not begin"),
            },
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
                    return refuse("an alias of what contains it");
                };
                self.count(size, line)?;
                self.placed(Node { line, ..node }, 0)
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, nodes: usize, line: usize) -> Result<(), Refused> {
        self.nodes += nodes;
        if self.nodes > NODES_MAX {
            let why = format!("more than {NODES_MAX} values, aliases expanded");
            return Err(Refused { line, why });
        }
        Ok(())
    }

    fn begin(&mut self, node: Node, anchor: usize) -> Result<(), Refused> {
        self.count(1, node.line)?;
        if self.open.len() >= DEPTH_MAX {
            let why = format!("nested deeper than {DEPTH_MAX}");
            return Err(Refused { line: node.line, why });
        }
        self.open.push(Open { node, key: None, anchor });
        Ok(())
    }

    fn finished(&mut self, node: Node, anchor: usize) -> Result<(), Refused> {
        self.count(1, node.line)?;
        self.placed(node, anchor)
    }

    /// Puts a whole node where it belongs.
    fn placed(&mut self, node: Node, anchor: usize) -> Result<(), Refused> {
        if anchor > 0 {
            let size = node.size();
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.node.body {
            Body::List(items) => items.push(node),
            Body::Map(members) => match open.key.take() {
                Some(key) => members.push((key, node)),
                None => {
                    let key = key_of(node)?;
                    if let Some((first, _)) = members.iter().find(|(k, _)| k.text == key.text) {
                        let why = format!("{:?} again; first in line {}", key.text, first.line);
                        return Err(Refused { line: key.line, why });
                    }
                    open.key = Some(key);
                }
            },
            Body::Scalar { .. } => {}
        }
        Ok(())
    }
}

fn key_of(node: Node) -> Result<Key, Refused> {
    match node.body {
        Body::Scalar { text, plain } if !(plain && text == "<<") => {
            Ok(Key { text, line: node.line })
        }
        Body::Scalar { .. } => {
            Err(Refused { line: node.line, why: "merge keys (<<) are not used here".into() })
        }
        _ => Err(Refused { line: node.line, why: "a key that is a list or a map".into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept() {
        let node = parse("a: 1\nb:\n  - x\n  - {c: 'true'}\n").unwrap();
        assert_eq!(node.member("a").unwrap().line, 1);
        let Body::List(items) = &node.member("b").unwrap().body else { panic!("a list") };
        assert_eq!((items[0].line, items[1].line), (3, 4));
        let quoted = items[1].member("c").unwrap();
        assert_eq!(quoted.body, Body::Scalar { text: "true".into(), plain: false });
        assert_eq!(parse("").unwrap().body, Body::Map(vec![]));
        assert!(parse("a: &x 1\nb: *x\n").unwrap().member("b").unwrap().text() == Some("1"));
    }

    #[test]
    fn what_is_refused() {
        for (text, line, part) in [
            ("a: 1\nb: 2\na: 3\n", 3, "again; first in line 1"),
            ("a: 1\n\tb: 2\n", 2, ""),
            ("a: !!int 1\n", 1, "tags"),
            ("a: 1\n---\nb: 2\n", 2, "second document"),
            ("a: [1\n", 2, ""),
            ("[a]: 1\n", 1, "a key that is"),
            ("a: {<<: b}\n", 1, "merge"),
            ("a: &x [*x]\n", 1, "alias"),
        ] {
            let refused = parse(text).unwrap_err();
            assert_eq!(refused.line, line, "{text:?}: {refused:?}");
            assert!(refused.why.contains(part), "{refused:?}");
        }
        let deep = format!("a: {}", "[".repeat(50));
        assert!(parse(&deep).unwrap_err().why.contains("nested deeper"));
    }

    /// Ten lists of ten of the one before: 10^9 values in 300 bytes.
    #[test]
    fn a_bomb_of_aliases_is_refused() {
        let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..9 {
            let ten = vec![format!("*a{}", level - 1); 10].join(",");
            text += &format!("a{level}: &a{level} [{ten}]\n");
        }
        assert!(parse(&text).unwrap_err().why.contains("aliases expanded"));
    }

    proptest::proptest! {
        #[test]
        fn any_text(text: String) {
            let _ = parse(&text);
        }
    }
}
