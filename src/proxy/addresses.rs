//! Which addresses may be dialled: what was checked is what is dialled.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// How many addresses of one name are tried.
const MOST: usize = 8;

/// Where the addresses of a name are asked for.
#[async_trait]
pub(super) trait Names: Send + Sync + 'static {
    /// The addresses of a name, good or bad.
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;

    /// What is dialled for an address; port 0 stands for the link's own.
    fn dial(&self, address: IpAddr) -> SocketAddr {
        SocketAddr::new(address, 0)
    }
}

/// As the machine resolves names.
pub(super) struct System;

#[async_trait]
impl Names for System {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// Tells the client only of such addresses as may be dialled.
pub(super) struct Guard {
    pub(super) names: Arc<dyn Names>,
    pub(super) may: fn(IpAddr) -> bool,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (names, may) = (Arc::clone(&self.names), self.may);
        Box::pin(async move {
            let found = names.addresses(name.as_str()).await.map_err(|_| Unresolved::Unknown)?;
            if found.is_empty() {
                return Err(Unresolved::Unknown.into());
            }
            let good = found.into_iter().filter(|address| may(*address)).take(MOST);
            let good: Vec<_> = good.map(|address| names.dial(address)).collect();
            if good.is_empty() {
                return Err(Unresolved::Forbidden.into());
            }
            Ok(Box::new(good.into_iter()) as Addrs)
        })
    }
}

/// Why a name has no address for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unresolved {
    /// None is known now.
    Unknown,
    /// None that may be dialled.
    Forbidden,
}

impl Unresolved {
    /// What lies at the bottom of this error, if it is one of these.
    pub(super) fn within(error: &reqwest::Error) -> Option<Self> {
        let mut at: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(error) = at {
            if let Some(found) = error.downcast_ref() {
                return Some(*found);
            }
            at = error.source();
        }
        None
    }
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "the name has no address",
            Self::Forbidden => "the name has no address that may be dialled",
        })
    }
}

impl Error for Unresolved {}

/// Whether an address is one of the open internet (IANA's special-purpose registries).
pub(super) fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_global_v4(address),
        IpAddr::V6(address) => is_global_v6(address),
    }
}

/// Whether a name that the operator called private may have this address.
///
/// Not those of the link, where clouds keep the secrets of their machines.
pub(super) fn is_global_or_private(address: IpAddr) -> bool {
    is_global(address)
        || match address {
            IpAddr::V4(address) => {
                let [a, b, ..] = address.octets();
                address.is_loopback() || address.is_private() || (a == 100 && b & 0xc0 == 64)
            }
            IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
        }
}

fn is_global_v4(address: Ipv4Addr) -> bool {
    let special = match address.octets() {
        // This network, private, loopback, multicast, reserved, broadcast.
        [0 | 10 | 127 | 224..=255, ..]
        // Link-local, private.
        | [169, 254, ..] | [192, 168, ..]
        // Protocol assignments, documentation, relays of 6to4.
        | [192, 0, 0 | 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [192, 88, 99, _]
        // Benchmarking.
        | [198, 18 | 19, ..]
        // Azure's own services for its machines: seen from there alone.
        | [168, 63, 129, 16] => true,
        // Carriers' own.
        [100, b, ..] => b & 0xc0 == 64,
        // Private.
        [172, b, ..] => b & 0xf0 == 16,
        _ => false,
    };
    !special
}

fn is_global_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // NAT64, by which machines without IPv4 reach it.
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            let [.., a, b, c, d] = address.octets();
            is_global_v4(Ipv4Addr::new(a, b, c, d))
        }
        // Protocol assignments with Teredo and benchmarking, documentation, 6to4.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // Nothing else is given out: not IPv4 in another form, local, multicast.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}
