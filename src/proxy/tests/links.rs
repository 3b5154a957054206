//! What may be fetched, as far as the link's own text tells.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::strings;
use crate::proxy::addresses::is_global;
use crate::proxy::{BadHost, Hosts, Unfetched};

fn hosts(hosts: &[&str]) -> Hosts {
    Hosts::new(&strings(hosts)).unwrap()
}

fn anywhere() -> Hosts {
    hosts(&["*", "*:8443"])
}

#[test]
fn a_listed_host_is_that_host_and_no_other() {
    let listed = hosts(&["example.org", "media.example.org:8443", "*.cdn.example.org"]);
    for link in [
        "https://example.org/a.jpg",
        "https://EXAMPLE.org./a.jpg",
        "https://example.org:443/a.jpg",
        "https://media.example.org:8443/",
        "https://a.cdn.example.org/",
        "https://a.b.cdn.example.org/?x=y#z",
    ] {
        assert!(listed.admits(link), "{link}");
    }
    for link in [
        "http://example.org/",
        "http://example.org:5281/",
        "https://example.org:8443/",
        "https://evilexample.org:5281/",
        "https://example.org:80/",
        "https://media.example.org/",
        "https://media.example.org:84430/",
        "https://cdn.example.org/",
        "https://.cdn.example.org/",
        "https://acdn.example.org/",
        "https://a.cdn.example.org:8443/",
        "https://evilexample.org/",
        "https://example.org.evil.test/",
        "https://example.org%2eevil.test/",
        "https://example.org\\@evil.test/",
        "https://evil.test\\.cdn.example.org/",
        "https://evil.test/.cdn.example.org/",
        "https://evil.test?.cdn.example.org/",
        "https://evil.test#.cdn.example.org/",
        "https://evil.test%00.cdn.example.org/",
        "https://example.org../",
        "https://example.org@evil.test/",
        "https://example.org:x@evil.test/",
        "https://zoe@example.org/",
        "https://zoe:secret@example.org/",
        "https://:secret@example.org/",
        "https://exämple.org/",
        "https://еxample.org/",
        "https://example.org /",
        "https://exam\tple.org/",
        " https://example.org/",
        "https:///",
        "https://",
        "https://./",
        "https://:443/",
        "//example.org/",
        "example.org",
        "",
        "ftp://example.org/",
        "file:///etc/passwd",
        "file://example.org/etc/passwd",
        "data:image/png;base64,AAAA",
        "javascript:alert(1)",
        "blob:https://example.org/x",
        "aesgcm://example.org/a#00",
        "gopher://example.org/",
    ] {
        assert!(!listed.admits(link), "{link}");
    }
    assert!(!listed.admits(&format!("https://example.org/{}", "a".repeat(2048))));
    assert!(!Hosts::default().admits("https://example.org/"));
}

#[test]
fn an_address_in_disguise_is_that_address() {
    for link in [
        "https://127.0.0.1/",
        "https://127.0.0.1./",
        "https://127.0.0.1:8443/",
        "https://127.1/",
        "https://127.0.1/",
        "https://2130706433/",
        "https://017700000001/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.01/",
        "https://0x7f.1./",
        "https://0/",
        "https://0.0.0.0/",
        "https://１２７.０.０.１/",
        "https://127。0。0。1/",
        "https://%31%32%37.0.0.1/",
        "https://10.1.2.3/",
        "https://100.64.0.1/",
        "https://169.254.169.254/",
        "https://168.63.129.16/",
        "https://192.168.0.1/",
        "https://172.16.0.1/",
        "https://172.31.255.255/",
        "https://198.18.0.1/",
        "https://203.0.113.7/",
        "https://224.0.0.251/",
        "https://255.255.255.255/",
        "https://[::1]/",
        "https://[::1]:8443/",
        "https://[0:0:0:0:0:0:0:1]/",
        "https://[::]/",
        "https://[::127.0.0.1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[::ffff:8.8.8.8]/",
        "https://[::ffff:0:127.0.0.1]/",
        "https://[64:ff9b::127.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[64:ff9b:1::808:808]/",
        "https://[2002:7f00:1::]/",
        "https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
        "https://[2001:db8::1]/",
        "https://[3fff::1]/",
        "https://[fc00::1]/",
        "https://[fd12::1]/",
        "https://[fe80::1]/",
        "https://[fe80::1%25eth0]/",
        "https://[fec0::1]/",
        "https://[ff02::1]/",
        "https://[100::1]/",
        "https://1.2.3.4.5/",
        "https://0x7f.1../",
        "https://256.0.0.1/",
        "https://4294967296/",
    ] {
        assert!(!anywhere().admits(link), "{link}");
    }
    for link in [
        "https://93.184.215.14/",
        "https://0x5db8d70e/",
        "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]:8443/",
        "https://[64:ff9b::93.184.215.14]/",
        "https://172.32.0.1/",
        "https://100.128.0.1/",
        "https://192.0.1.1/",
    ] {
        assert!(anywhere().admits(link), "{link}");
    }
}

#[test]
fn any_host_is_one_that_is_the_same_everywhere() {
    assert!(anywhere().admits("https://example.org/"));
    assert!(anywhere().admits("https://xn--bcher-kva.test:8443/"));
    assert!(!anywhere().admits("https://localhost/"));
    assert!(!anywhere().admits("https://intranet./"));
    assert!(!anywhere().admits("https://example.org:22/"));
    assert!(!anywhere().admits("http://example.org/"));
    assert!(hosts(&["intranet"]).admits("https://intranet/"));
    assert!(hosts(&["BÜCHER.test."]).admits("https://xn--bcher-kva.test/"));
    let long = "a".repeat(64);
    assert!(!anywhere().admits(&format!("https://{long}.org/")));
    assert!(!anywhere().admits(&format!("https://{}org/", "abc.".repeat(64))));
}

#[test]
fn a_private_host_may_be_asked_without_tls() {
    let private = ["localhost:5280", "files.lan", "127.0.0.1", "::1", "[fd00::1]:8080"];
    let hosts = Hosts::default().and_private(&strings(&private)).unwrap();
    for link in [
        "http://localhost:5280/x",
        "https://localhost:5280/x",
        "http://files.lan/",
        "https://files.lan/",
        "http://127.1/",
        "https://[0::1]/",
        "http://[fd00::1]:8080/",
    ] {
        assert!(hosts.admits(link), "{link}");
    }
    for link in [
        "http://localhost/",
        "https://localhost/",
        "http://localhost:5281/",
        "http://a.files.lan/",
        "http://files.lan:8080/",
        "http://files.lan:443/",
        "http://127.0.0.1:8080/",
        "http://127.0.0.2/",
        "http://[::ffff:127.0.0.1]/",
        "http://[fd00::1]/",
        "http://zoe@files.lan/",
        "ftp://files.lan/",
    ] {
        assert!(!hosts.admits(link), "{link}");
    }
}

#[test]
fn the_own_domains_are_open_with_what_lies_under_them() {
    let own =
        Hosts::default().and_domains(&strings(&["example.org", "Bücher.test", "127.0.0.1", ""]));
    for link in [
        "https://example.org/",
        "https://upload.example.org/x",
        "https://a.bücher.test/",
        "https://example.org:5443/upload/x",
        "https://upload.example.org:5281/x",
    ] {
        assert!(own.admits(link), "{link}");
    }
    for link in [
        "http://example.org/",
        "https://example.org:8443/",
        "https://evilexample.org/",
        "https://example.org.evil.test/",
        "https://127.0.0.1/",
    ] {
        assert!(!own.admits(link), "{link}");
    }
}

#[test]
fn a_pattern_that_means_nothing_is_named() {
    for bad in [
        "",
        " ",
        ".",
        "https://example.org",
        "example.org/files",
        "zoe@example.org",
        "example.org:",
        "example.org:0",
        "example.org:65536",
        "example.org:https",
        "ex*mple.org",
        "*.*.org",
        "**",
        "*.",
        "*.10.0.0.1",
        "*example.org",
        "exa mple.org",
        "example..org",
        "[::1",
        "127.0.0.1",
        "10.1.1.1:443",
        "[::1]:8443",
        "1.2.3.4.5",
    ] {
        let error = Hosts::new(&strings(&["example.org", bad])).unwrap_err();
        assert_eq!(error.which, 1, "{bad}");
        assert!(!error.why.is_empty());
    }
    let private = Hosts::default().and_private(&strings(&["*"]));
    let why = "a private host has to be named in full, without *";
    assert_eq!(private, Err(BadHost { which: 0, why }));
    assert!(Hosts::default().and_private(&strings(&["*.lan"])).is_err());
}

#[test]
fn what_is_no_link_is_told_from_what_is_not_allowed() {
    let target = |link| hosts(&["example.org"]).target(link).map(|_| ()).unwrap_err();
    assert_eq!(target("https://other.test/"), Unfetched::Denied);
    assert_eq!(target("http://example.org/"), Unfetched::Denied);
    assert_eq!(target("https://10.0.0.1/"), Unfetched::Denied);
    assert_eq!(target("ftp://example.org/"), Unfetched::Malformed);
    assert_eq!(target("https://zoe@example.org/"), Unfetched::Malformed);
    assert_eq!(target("nonsense"), Unfetched::Malformed);
}

/// What IANA keeps for special purposes, as it stands there; `is_global` does not know this list.
const SPECIAL: [(&str, u8); 33] = [
    ("0.0.0.0", 8),
    ("10.0.0.0", 8),
    ("100.64.0.0", 10),
    ("127.0.0.0", 8),
    ("169.254.0.0", 16),
    ("172.16.0.0", 12),
    ("192.0.0.0", 24),
    ("192.0.2.0", 24),
    ("192.88.99.0", 24),
    ("192.168.0.0", 16),
    ("198.18.0.0", 15),
    ("198.51.100.0", 24),
    ("203.0.113.0", 24),
    ("224.0.0.0", 4),
    ("240.0.0.0", 4),
    ("::", 96),
    ("::ffff:0:0", 96),
    ("::ffff:0:0:0", 96),
    ("64:ff9b::7f00:0", 104),
    ("64:ff9b::a00:0", 104),
    ("64:ff9b::c0a8:0", 112),
    ("64:ff9b:1::", 48),
    ("100::", 64),
    ("2001::", 23),
    ("2001:db8::", 32),
    ("2002::", 16),
    ("3fff::", 20),
    ("5f00::", 16),
    ("fc00::", 7),
    ("fe80::", 10),
    ("fec0::", 10),
    ("ff00::", 8),
    ("4000::", 2),
];

/// An address of one of those, anywhere in it.
fn special() -> impl Strategy<Value = IpAddr> {
    (prop::sample::select(&SPECIAL[..]), any::<u128>()).prop_map(|((base, length), any)| match base
        .parse()
        .unwrap()
    {
        IpAddr::V4(base) => {
            let rest = u32::try_from(any >> 96).unwrap() & (u32::MAX >> length);
            IpAddr::V4(Ipv4Addr::from(u32::from(base) | rest))
        }
        IpAddr::V6(base) => {
            IpAddr::V6(Ipv6Addr::from(u128::from(base) | (any & (u128::MAX >> length))))
        }
    })
}

/// The spellings of an address as a host.
fn spelled(address: IpAddr) -> Vec<String> {
    match address {
        IpAddr::V4(address) => {
            let number = u32::from(address);
            let [a, b, c, d] = address.octets();
            let (rest, last) = (number & 0xff_ffff, number & 0xffff);
            vec![
                address.to_string(),
                format!("{address}."),
                format!("{number}"),
                format!("{number:#x}"),
                format!("0{number:o}"),
                format!("{a:#x}.{rest}"),
                format!("0{a:o}.{b}.{last:#X}"),
                format!("{a:#x}.0{b:o}.{c}.{d:#x}"),
            ]
        }
        IpAddr::V6(address) => {
            let parts = address.segments().map(|part| format!("{part:04X}"));
            vec![format!("[{address}]"), format!("[{}]", parts.join(":"))]
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_admitted_or_not(link in "\\PC{0,80}", rest in "[-a-z0-9.:@%/\\\\\\[\\]#?]{0,40}") {
        let hosts = anywhere().and_private(&strings(&["localhost:1"])).unwrap();
        for link in [link, format!("https://{rest}"), format!("http://{rest}")] {
            // What is admitted is what is dialled: it is read the same way once more.
            if let Ok(target) = hosts.target(&link) {
                prop_assert!(hosts.admits(target.url.as_str()), "{}", target.url);
                let safe = target.url.scheme() == "https" || target.is_private;
                prop_assert!(safe, "{}", target.url);
            }
        }
    }

    #[test]
    fn any_pattern_is_one_or_not(pattern in "\\PC{0,40}", rest in "[-a-z0-9.:*\\[\\]]{0,20}") {
        for pattern in [pattern, rest] {
            let list = [pattern];
            let _ = (Hosts::new(&list), Hosts::default().and_private(&list));
            let _ = Hosts::default().and_domains(&list);
        }
    }

    #[test]
    fn no_special_address_is_admitted_but_as_a_private_host(address in special()) {
        prop_assert!(!is_global(address));
        let private = Hosts::default().and_private(&[address.to_string()]).unwrap();
        for host in spelled(address) {
            for port in ["", ":443", ":8443"] {
                let link = format!("https://{host}{port}/");
                prop_assert!(!anywhere().admits(&link), "{}", link);
            }
            let link = format!("http://{host}/");
            prop_assert!(private.admits(&link), "{}", link);
        }
    }

    #[test]
    fn of_any_addresses_only_global_ones_are_admitted(v4: u32, v6: u128) {
        for address in [IpAddr::V4(v4.into()), IpAddr::V6(v6.into())] {
            for host in spelled(address) {
                let link = format!("https://{host}/");
                prop_assert_eq!(anywhere().admits(&link), is_global(address), "{}", link);
            }
        }
    }
}
