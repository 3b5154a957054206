#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test may panic")]

use minidom::Element;
use proptest::prelude::*;

use super::*;

/// The model as a line of text, so that tables can be read.
fn shown(rich: Option<&Rich>) -> String {
    rich.map_or("-".to_owned(), |rich| show_blocks(&rich.0))
}

fn show_blocks(blocks: &[Block]) -> String {
    let show = |block: &Block| match block {
        Block::Paragraph(inlines) => format!("p({})", show_inlines(inlines)),
        Block::Heading(level, inlines) => format!("h{level}({})", show_inlines(inlines)),
        Block::Quote(blocks) => format!("quote({})", show_blocks(blocks)),
        Block::Code { language, text } => {
            format!("code({}:{text})", language.as_deref().unwrap_or_default())
        }
        Block::List { from, items } => {
            let items: Vec<_> = items.iter().map(|item| show_blocks(item)).collect();
            format!("list({}:{})", from.map(|n| n.to_string()).unwrap_or_default(), items.join("|"))
        }
        Block::Rule => "rule".to_owned(),
    };
    blocks.iter().map(show).collect::<Vec<_>>().join(" ")
}

fn show_inlines(inlines: &[Inline]) -> String {
    let show = |inline: &Inline| match inline {
        Inline::Text(text) => text.clone(),
        Inline::Break => "⏎".to_owned(),
        Inline::Bold(inner) => format!("b[{}]", show_inlines(inner)),
        Inline::Italic(inner) => format!("i[{}]", show_inlines(inner)),
        Inline::Strike(inner) => format!("s[{}]", show_inlines(inner)),
        Inline::Underline(inner) => format!("u[{}]", show_inlines(inner)),
        Inline::Spoiler(inner) => format!("spoiler[{}]", show_inlines(inner)),
        Inline::Code(text) => format!("`{text}`"),
        Inline::Link { url, text } => format!("a<{url}>[{}]", show_inlines(text)),
        Inline::Mention { name, .. } => format!("@{name}"),
    };
    inlines.iter().map(show).collect()
}

fn message(inner: &str) -> Element {
    format!("<message xmlns='jabber:component:accept'>{inner}</message>").parse().unwrap()
}

fn styled(body: &str) -> String {
    shown(read(&message(""), body, true).as_ref())
}

/// What XEP-0393 says of a body; many of them are its own examples.
const STYLED: &[(&str, &str)] = &[
    ("plain", "-"),
    ("", "-"),
    // Spans.
    ("*strong*", "p(b[strong])"),
    ("_emphasis_ ~strike~ `pre`", "p(i[emphasis] s[strike] `pre`)"),
    ("a *b c* d", "p(a b[b c] d)"),
    ("_*both* one_", "p(i[b[both] one])"),
    ("*_`all`_*", "p(b[i[`all`]])"),
    ("*strong*plain*", "p(b[strong]plain*)"),
    ("* plain *strong*", "p(* plain b[strong])"),
    ("* plain *", "-"),
    ("* *plain**", "p(* b[plain]*)"),
    ("not *strong\n*", "-"),
    ("*not \n strong*", "-"),
    ("*not *strong", "-"),
    ("~dis~likes", "p(s[dis]likes)"),
    ("**", "-"),
    ("****", "-"),
    ("***", "-"),
    ("*", "-"),
    ("snake_case_word", "-"),
    ("2 * 3 * 4", "-"),
    ("(*no*)", "-"),
    ("*this *is* strong", "p(b[this *is] strong)"),
    ("*a _b* c_", "p(b[a _b] c_)"),
    ("`*not strong*`", "p(`*not strong*`)"),
    ("*a*\n_b_", "p(b[a]⏎i[b])"),
    ("*a*\n\n\nb", "p(b[a]) p(b)"),
    ("\u{202e}*a*", "-"),
    // Blocks.
    ("> quoted\n> more\nnot", "quote(p(quoted⏎more)) p(not)"),
    (">> twice\n> once", "quote(quote(p(twice)) p(once))"),
    (">no space", "quote(p(no space))"),
    ("> *b*\n>\n> c", "quote(p(b[b]) p(c))"),
    ("a\n> b", "p(a) quote(p(b))"),
    (">  a\n>\u{a0}b", "quote(p( a⏎b))"),
    ("> ```\n>   x\n> ```", "quote(code(:  x))"),
    ("```\nfn *x*\n\n  y\n```\nend", "code(:fn *x*\n\n  y) p(end)"),
    ("```Rust\nlet\n```", "code(rust:let)"),
    ("```\nopen", "code(:open)"),
    ("```not lost```\nb", "code(:not lost```\nb)"),
    ("```\n```", "-"),
    ("> ```\n> code\nout", "quote(code(:code)) p(out)"),
    ("> ```\n> > code\n> ```\n> b", "quote(code(:> code) p(b))"),
    (">>>>>>>>>>>>>>>>>>>>> deep", "-"),
];

#[test]
fn a_body_is_read_by_the_rules_of_the_standard() {
    for (body, expected) in STYLED {
        assert_eq!(styled(body), *expected, "{body}");
    }
}

#[test]
fn a_body_that_says_so_is_taken_by_the_letter() {
    let unstyled = message("<unstyled xmlns='urn:xmpp:styling:0'/>");
    assert!(read(&unstyled, "*a*", true).is_none());
}

fn html(inner: &str) -> String {
    let inner = format!(
        "<html xmlns='http://jabber.org/protocol/xhtml-im'>\
         <body xmlns='http://www.w3.org/1999/xhtml'>{inner}</body></html>"
    );
    shown(read(&message(&inner), "*body*", true).as_ref())
}

/// What XHTML-IM says.
const HTML: &[(&str, &str)] = &[
    ("plain", "-"),
    ("<p>plain</p><p>more<br/>lines</p>", "-"),
    ("<b> </b>", "-"),
    ("<p>a <strong>b</strong> <em>c</em></p>", "p(a b[b] i[c])"),
    ("<b>a</b><i>b</i><u>c</u><s>d</s><del>e</del>", "p(b[a]i[b]u[c]s[d]s[e])"),
    ("<span style='font-weight: bold; color: red'>a</span>", "p(b[a])"),
    ("<p style='font-style:italic'>a</p>b", "p(i[a]) p(b)"),
    ("<span style='text-decoration:line-through'>a</span>", "p(s[a])"),
    ("  a\n  <code> x  y </code>\n", "p(a ` x  y `)"),
    ("<pre>\n a\n  b\n</pre>c", "code(: a\n  b) p(c)"),
    ("<blockquote><p>a</p><p>b</p></blockquote>c", "quote(p(a) p(b)) p(c)"),
    ("<ul><li>a</li><li><p>b</p></li>x</ul>", "list(:p(a)|p(b))"),
    ("<ol start='3'><li>a<ol><li>b</li></ol></li></ol>", "list(3:p(a) list(1:p(b)))"),
    ("<h2>a <b>b</b></h2><hr/>", "h2(a b[b]) rule"),
    ("<a href='https://a.test/?q=1'>here</a>", "p(a<https://a.test/?q=1>[here])"),
    ("<a href='javascript:alert(1)'><b>here</b></a>", "p(b[here])"),
    ("<a href='data:text/html,x'>here</a>", "-"),
    ("<b>a</b><img src='https://a.test/x.png' alt='b'/>", "p(b[a]b)"),
    ("<b onclick='x()'>a</b><script>alert(1)</script><style>b</style>", "p(b[a])"),
    ("<b>a</b><marquee><font>b</font></marquee>", "p(b[a]b)"),
    ("<b>a</b><x xmlns='urn:x'>b</x>", "p(b[a])"),
    ("<b>a<br/></b><p>b</p>", "p(b[a⏎]) p(b)"),
    ("<strong><p>a</p></strong>", "p(b[a])"),
];

#[test]
fn of_xhtml_only_what_is_allowed_is_read() {
    for (inner, expected) in HTML {
        assert_eq!(html(inner), *expected, "{inner}");
    }
    let deep = format!("{}a{}", "<b>".repeat(20), "</b>".repeat(20));
    assert_eq!(html(&deep), "-");
    let in_part = message(
        "<html xmlns='http://jabber.org/protocol/xhtml-im'>\
         <body xmlns='http://www.w3.org/1999/xhtml'><i>a</i></body></html>",
    );
    assert_eq!(shown(read(&in_part, "*a*", false).as_ref()), "p(b[a])");
}

fn text(text: &str) -> Vec<Inline> {
    vec![Inline::Text(text.to_owned())]
}

fn paragraph(inlines: Vec<Inline>) -> Block {
    Block::Paragraph(inlines)
}

fn written(blocks: Vec<Block>) -> (String, bool) {
    let rich = Rich(blocks);
    let Written { body, unstyled } = write(&Text { body: rich.plain(), rich: Some(rich) });
    (body, unstyled)
}

#[test]
fn the_model_is_written_with_the_marks_that_there_are() {
    let bold = |inner: &str| Inline::Bold(text(inner));
    let plain = |inner: &str| Inline::Text(inner.to_owned());
    let link = |url: &str, reads: &str| Inline::Link { url: url.to_owned(), text: text(reads) };
    let mention =
        || Inline::Mention { user: "matrix:@a:b".parse().unwrap(), name: "Ann".to_owned() };
    let code = |language: Option<&str>, text: &str| Block::Code {
        language: language.map(str::to_owned),
        text: text.to_owned(),
    };
    let rows: Vec<(Vec<Block>, &str)> = vec![
        (vec![paragraph(vec![bold("a"), plain(" b")])], "*a* b"),
        (vec![paragraph(vec![bold("a "), plain("b")])], "*a* b"),
        (vec![paragraph(vec![Inline::Italic(vec![bold("a"), plain(" b")])])], "_*a* b_"),
        (
            vec![paragraph(vec![Inline::Strike(vec![Inline::Code("x *y*".to_owned())])])],
            "~`x *y*`~",
        ),
        (
            vec![paragraph(vec![Inline::Bold(vec![plain("a"), Inline::Break, plain("b")])])],
            "*a*\n*b*",
        ),
        // No mark may stand in the middle of a word, or beside another of its kind.
        (vec![paragraph(vec![plain("un"), bold("bold")])], "unbold"),
        (vec![paragraph(vec![bold("a"), plain("b")])], "*a*b"),
        (vec![paragraph(vec![bold("a"), Inline::Italic(text("b"))])], "*a*b"),
        (vec![paragraph(vec![bold(" ")])], " "),
        (
            vec![Block::Quote(vec![paragraph(text("a")), paragraph(vec![bold("b")])])],
            "> a\n>\n> *b*",
        ),
        (vec![Block::Quote(vec![Block::Quote(vec![paragraph(text("a"))])])], "> > a"),
        (
            vec![paragraph(text("a")), code(Some("rust"), "*x*\n\n  y")],
            "a\n\n```rust\n*x*\n\n  y\n```",
        ),
        (vec![Block::Quote(vec![code(None, "x")]), paragraph(text("a"))], "> ```\n> x\n> ```\n\na"),
        (
            vec![paragraph(vec![link("https://a.test", "here"), plain(" "), bold("b")])],
            "here (https://a.test) *b*",
        ),
        (vec![paragraph(vec![link("https://a.test", "https://a.test")])], "https://a.test"),
        (vec![paragraph(vec![mention(), bold("!")])], "Ann!"),
        (
            vec![Block::List {
                from: Some(1),
                items: vec![
                    vec![paragraph(vec![bold("a")])],
                    vec![paragraph(text("b")), Block::Rule],
                ],
            }],
            "1. *a*\n2. b\n\n   ⸻",
        ),
        (vec![Block::Heading(1, text("a")), paragraph(vec![Inline::Spoiler(text("b"))])], "a\n\nb"),
    ];
    for (blocks, expected) in rows {
        assert_eq!(written(blocks), (expected.to_owned(), false), "{expected}");
    }
}

#[test]
fn what_would_be_read_as_a_mark_goes_without_any() {
    let bold = || Inline::Bold(text("a"));
    for (blocks, expected) in [
        (vec![paragraph(vec![bold(), Inline::Text(" *b*".to_owned())])], "a *b*"),
        (vec![paragraph(vec![Inline::Text("> ".to_owned()), bold()])], "> a"),
        (vec![paragraph(text("```")), paragraph(vec![bold()])], "```\n\na"),
        (vec![Block::Code { language: None, text: "x\n```\n*y*".to_owned() }], "x\n```\n*y*"),
    ] {
        let (body, unstyled) = written(blocks);
        assert_eq!(body, expected);
        assert!(unstyled, "{expected}");
    }
    let inside = written(vec![paragraph(vec![Inline::Bold(text("a*b"))])]);
    assert_eq!(inside, ("a*b".to_owned(), false));
    for (body, unstyled) in
        [("*a*", true), ("> a", true), ("a * b", false), ("> ".repeat(30).as_str(), true)]
    {
        let written = write(&Text::plain(body));
        assert_eq!(written, Written { body: body.to_owned(), unstyled });
    }
}

#[test]
fn marks_never_make_a_body_too_long() {
    let quote = |blocks| vec![Block::Quote(blocks)];
    let many: Vec<Inline> =
        (0..2000).flat_map(|_| [Inline::Text("x".repeat(40)), Inline::Break]).collect();
    let deep = (0..14).fold(vec![paragraph(many)], |blocks, _| quote(blocks));
    let rich = Rich(deep);
    assert!(rich.fits() && rich.plain().len() > MAX_BODY);
    let text = Text { body: "x".repeat(MAX_BODY), rich: Some(rich) };
    assert_eq!(write(&text), Written { body: text.body.clone(), unstyled: false });
}

#[test]
fn a_hostile_body_takes_no_time() {
    let began = std::time::Instant::now();
    for body in ["*a ", "*a _b ~c `d ", "*_~`", ">", "> ", "```\n", "*a*", "a*", "**", "> ```\n"] {
        let body = body.repeat(3_000_000 / body.len() / 10);
        let _ = styled(&body);
        let _ = write(&Text::plain(body));
    }
    // A quadratic reader needs minutes.
    assert!(began.elapsed() < std::time::Duration::from_secs(20));
}

fn any_inline() -> impl Strategy<Value = Inline> {
    let leaf = prop_oneof![
        "[ab *_~`>\u{e9}]{1,6}".prop_map(Inline::Text),
        Just(Inline::Break),
        "[a *`]{1,4}".prop_map(Inline::Code),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        let held = prop::collection::vec(inner, 0..4);
        (held, 0..6).prop_map(|(inner, which)| match which {
            0 => Inline::Bold(inner),
            1 => Inline::Italic(inner),
            2 => Inline::Strike(inner),
            3 => Inline::Underline(inner),
            4 => Inline::Spoiler(inner),
            _ => Inline::Link { url: "https://a.test".to_owned(), text: inner },
        })
    })
}

fn any_block() -> impl Strategy<Value = Block> {
    let inlines = || prop::collection::vec(any_inline(), 0..4);
    let leaf = prop_oneof![
        inlines().prop_map(Block::Paragraph),
        inlines().prop_map(|inner| Block::Heading(2, inner)),
        "[a`> \n]{0,8}".prop_map(|text| Block::Code { language: None, text }),
        Just(Block::Rule),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let held = || prop::collection::vec(inner.clone(), 0..3);
        prop_oneof![
            held().prop_map(Block::Quote),
            prop::collection::vec(held(), 0..3)
                .prop_map(|items| Block::List { from: Some(1), items }),
        ]
    })
}

/// The letters alone, each with whether it is bold; quotations aside.
fn bold_letters(rich: &Rich) -> Vec<(char, bool)> {
    fn of_inlines(inlines: &[Inline], bold: bool, out: &mut Vec<(char, bool)>) {
        for inline in inlines {
            match inline {
                Inline::Text(text) | Inline::Code(text) => {
                    out.extend(text.chars().map(|c| (c, bold)));
                }
                Inline::Bold(inner) => of_inlines(inner, true, out),
                other => of_inlines(other.inlines(), bold, out),
            }
        }
    }
    fn of_blocks(blocks: &[Block], out: &mut Vec<(char, bool)>) {
        for block in blocks {
            match block {
                Block::Paragraph(inner) | Block::Heading(_, inner) => of_inlines(inner, false, out),
                Block::Quote(blocks) => of_blocks(blocks, out),
                Block::Code { text, .. } => out.extend(text.chars().map(|c| (c, false))),
                Block::List { items, .. } => items.iter().for_each(|item| of_blocks(item, out)),
                Block::Rule => {}
            }
        }
    }
    let mut out = Vec::new();
    of_blocks(&rich.0, &mut out);
    out.retain(|(c, _)| c.is_alphanumeric());
    out
}

proptest! {
    #[test]
    fn no_body_makes_it_panic(body in "[*_~`> \na]{0,60}|.{0,60}") {
        if let Some(rich) = read(&message(""), &body, true) {
            prop_assert!(rich.fits());
        }
        let written = write(&Text::plain(body.clone()));
        prop_assert_eq!(written.body, body);
    }

    /// What is written is never read as more than was meant.
    #[test]
    fn what_is_written_means_no_more(blocks in prop::collection::vec(any_block(), 0..4)) {
        let rich = Rich(blocks);
        let plain = rich.plain();
        let Written { body, unstyled } =
            write(&Text { body: format!("x{plain}"), rich: Some(rich.clone()) });
        prop_assert!(!body.is_empty());
        if unstyled || !rich.fits() {
            return Ok(());
        }
        let Some(read) = read(&message(""), &body, true) else { return Ok(()) };
        let no_urls = |all: Vec<(char, bool)>| {
            all.into_iter().filter(|(c, _)| matches!(c, 'a' | 'b' | 'é')).collect::<Vec<_>>()
        };
        if rich.texts().iter().any(|text| text.contains("://")) {
            return Ok(());
        }
        let (read, meant) = (no_urls(bold_letters(&read)), no_urls(bold_letters(&rich)));
        prop_assert_eq!(read.len(), meant.len(), "{}", body);
        for (read, meant) in read.iter().zip(&meant) {
            prop_assert!(read.0 == meant.0 && (meant.1 || !read.1), "{}", body);
        }
    }
}
