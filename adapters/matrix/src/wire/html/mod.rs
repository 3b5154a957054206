//! HTML from outside, as a neutral tree: an allow-list by construction, because only what has a name
//! in the tree gets into it.
//!
//! A library tells tags, attributes and entities apart as browsers do. The tree is our own: one that
//! is built as browsers do it can grow with the square of what is sent.

mod line;
mod tree;

#[cfg(test)]
mod tests;

use drawbridge_adapter::{Addressing, Rich, UserId};
use html5gum::{DefaultEmitter, HtmlString, StartTag, Token, Tokenizer};
use ruma::matrix_uri::MatrixId;
use ruma::{MatrixToUri, MatrixUri};

use crate::address::MatrixAddressing;
use line::Span;
use tree::{Container, Tree};

/// What a formatted text holds.
#[derive(Default)]
pub(super) struct Read {
    /// The text, if anything in it is formatted or names anybody, and it keeps to the bounds.
    pub(super) rich: Option<Rich>,
    /// What it quotes of the message that it answers, for clients that show no answers.
    pub(super) quote: Option<String>,
}

/// Reads what clients write as `org.matrix.custom.html`.
pub(super) fn read(html: &str, names: &MatrixAddressing) -> Read {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut reader = Reader { names, tree: Tree::default(), within: Within::Text, quote: None };
    for token in Tokenizer::new_with_emitter(html, emitter) {
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) => reader.start(&tag),
            Token::EndTag(tag) => reader.end(&text_of(&tag.name)),
            Token::String(text) => reader.text(&text_of(&text)),
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
        if reader.tree.is_too_large() {
            break;
        }
    }
    reader.finish();
    // "In reply to @alice:example.org", and what she said on the next line.
    let said = |quote: String| match quote.split_once('\n') {
        Some((_, said)) => said.to_owned(),
        None => quote,
    };
    Read { rich: reader.tree.into_rich(), quote: reader.quote.map(said) }
}

/// What a tag or a text stands in, where other rules hold.
enum Within {
    Text,
    /// Preformatted text: its language, the text so far, and whether this is its very beginning.
    Block(Option<String>, String, bool),
    /// Preformatted text in a line.
    Inline(String),
    /// What is not shown; how many of these stand in each other.
    Hidden(&'static str, usize),
}

struct Reader<'a> {
    names: &'a MatrixAddressing,
    tree: Tree,
    within: Within,
    quote: Option<String>,
}

impl Reader<'_> {
    fn start(&mut self, tag: &StartTag<()>) {
        let name = text_of(&tag.name);
        match &mut self.within {
            Within::Hidden(hidden, depth) => {
                *depth += usize::from(name == *hidden);
                if let ("mx-reply", "br", Some(quote)) = (*hidden, &*name, &mut self.quote) {
                    quote.push('\n');
                }
                return;
            }
            Within::Block(language, text, begins) => {
                *begins = false;
                match &*name {
                    "br" => text.push('\n'),
                    "code" if text.is_empty() && language.is_none() => *language = language_of(tag),
                    _ => {}
                }
                return;
            }
            Within::Inline(text) if name == "br" => return text.push(' '),
            Within::Inline(_) if !is_block(&name) => return,
            Within::Inline(_) => self.end("code"),
            Within::Text => {}
        }
        if let Some(hidden) = HIDDEN.iter().find(|hidden| **hidden == name) {
            if name == "mx-reply" {
                self.quote.get_or_insert_default();
            }
            self.within = Within::Hidden(hidden, 1);
            return;
        }
        let tree = &mut self.tree;
        match &*name {
            "b" | "strong" => tree.open(name, Span::Bold),
            "i" | "em" => tree.open(name, Span::Italic),
            "u" | "ins" => tree.open(name, Span::Underline),
            "s" | "del" | "strike" => tree.open(name, Span::Strike),
            "span" | "font" => match attribute(tag, "data-mx-spoiler") {
                Some(reason) => {
                    if !reason.trim().is_empty() {
                        tree.text(&format!("({}) ", reason.trim()));
                    }
                    tree.open(name, Span::Spoiler);
                }
                None => tree.open(name, Span::Plain),
            },
            "a" => {
                let span = attribute(tag, "href").map_or(Span::Plain, |href| self.link(href));
                self.tree.close("a");
                self.tree.open(name, span);
            }
            "code" => self.within = Within::Inline(String::new()),
            "br" => tree.line_break(),
            "img" => {
                let words = attribute(tag, "alt").or_else(|| attribute(tag, "title"));
                tree.text(&words.unwrap_or_default());
            }
            "hr" => tree.rule(),
            "pre" => {
                tree.end_line();
                self.within = Within::Block(None, String::new(), true);
            }
            "blockquote" => tree.enter(name, Container::Quote),
            "ul" | "dir" | "menu" => tree.enter(name, Container::List(None)),
            "ol" => {
                let from = attribute(tag, "start").and_then(|start| start.trim().parse().ok());
                tree.enter(name, Container::List(Some(from.unwrap_or(1))));
            }
            "li" => tree.enter_item(),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                let level = name.as_bytes()[1] - b'0';
                tree.enter(name, Container::Heading(level));
            }
            _ if is_block(&name) => tree.end_line(),
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        match &mut self.within {
            Within::Hidden(hidden, depth) => {
                *depth -= usize::from(name == *hidden);
                if *depth == 0 {
                    self.within = Within::Text;
                }
            }
            Within::Block(..) if name != "pre" => {}
            Within::Inline(_) if name != "code" && !is_block(name) => {}
            Within::Block(..) => self.finish(),
            Within::Inline(_) => {
                self.finish();
                if name != "code" {
                    self.end(name);
                }
            }
            Within::Text if is_container(name) => self.tree.leave(name),
            Within::Text if is_block(name) => self.tree.end_line(),
            Within::Text => self.tree.close(name),
        }
    }

    fn text(&mut self, text: &str) {
        match &mut self.within {
            Within::Hidden("mx-reply", _) => {
                self.quote.get_or_insert_default().push_str(text);
            }
            Within::Hidden(..) => {}
            // A line break behind the tag is for those who write it.
            Within::Block(_, kept, begins) => {
                let text = text.strip_prefix('\n').filter(|_| *begins).unwrap_or(text);
                *begins = false;
                kept.push_str(text);
            }
            Within::Inline(kept) => kept.push_str(text),
            Within::Text => self.tree.text(text),
        }
    }

    /// Ends what other rules hold for.
    fn finish(&mut self) {
        match std::mem::replace(&mut self.within, Within::Text) {
            Within::Block(language, text, _) => self.tree.code_block(language, &text),
            Within::Inline(text) => self.tree.code(&text),
            Within::Text | Within::Hidden(..) => {}
        }
    }

    fn link(&self, href: String) -> Span {
        if let Some(user) = self.named(&href) {
            return Span::Mention(user);
        }
        if Rich::may_lead_to(&href) { Span::Link(href) } else { Span::Plain }
    }

    /// Whom a link names: a ghost is who stands behind it.
    fn named(&self, href: &str) -> Option<UserId> {
        let id = match MatrixToUri::parse(href) {
            Ok(uri) => uri.id().clone(),
            Err(_) => MatrixUri::parse(href).ok()?.id().clone(),
        };
        let MatrixId::User(mxid) = id else { return None };
        self.names.user_at(mxid.as_str()).or_else(|_| self.names.canonical(mxid.as_str())).ok()
    }
}

/// What is not shown, with all that stands in it.
const HIDDEN: &[&str] =
    &["mx-reply", "script", "style", "title", "template", "iframe", "noembed", "noframes"];

/// What holds blocks, and has an end of its own.
fn is_container(name: &str) -> bool {
    matches!(
        name,
        "blockquote"
            | "ul"
            | "ol"
            | "dir"
            | "menu"
            | "li"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
    )
}

/// What begins on a line of its own.
fn is_block(name: &str) -> bool {
    is_container(name)
        || matches!(
            name,
            "p" | "div"
                | "pre"
                | "hr"
                | "table"
                | "caption"
                | "thead"
                | "tbody"
                | "tfoot"
                | "tr"
                | "details"
                | "summary"
                | "section"
                | "article"
                | "header"
                | "footer"
                | "aside"
                | "figure"
                | "figcaption"
                | "address"
                | "dl"
                | "dt"
                | "dd"
                | "center"
        )
}

/// The language of preformatted text: a word, as highlighters name it.
fn language_of(tag: &StartTag<()>) -> Option<String> {
    let class = attribute(tag, "class")?;
    let mut classes = class.split_ascii_whitespace();
    let language = classes.find_map(|class| class.strip_prefix("language-"))?.to_ascii_lowercase();
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"+#-._".contains(&byte);
    let fits = (1..=32).contains(&language.len()) && language.bytes().all(known);
    fits.then_some(language)
}

fn attribute(tag: &StartTag<()>, name: &str) -> Option<String> {
    tag.attributes.get(name.as_bytes()).map(|value| text_of(value))
}

/// A part of a text that was one.
fn text_of(html: &HtmlString) -> String {
    String::from_utf8_lossy(html).into_owned()
}
