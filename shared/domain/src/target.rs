//! Policy for outbound requests: which URLs may be fetched.
//!
//! A URL from a user is fetched from inside our network and with our address. Without this policy it could point to the
//! metadata service, to the Lambda runtime's API on loopback, or to a neighbor in the VPC.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Origin, Url};

/// Why a URL must not be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The scheme is not https.
    #[error("must be an https URL")]
    Scheme,
    /// The URL has a user name or a password, which would end up in logs.
    #[error("must not contain a user name or a password")]
    UserInfo,
    /// The URL has no host.
    #[error("must have a host")]
    Host,
    /// A port that a requester's web server does not use.
    #[error("must have port 443 or a port from 1024 up")]
    Port,
    /// The address is not on the public internet.
    #[error("must have a public address")]
    NotPublic,
}

/// An invalid entry in a list of origins.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an origin such as https://hooks.internal.example:8443")]
pub struct InvalidOrigin(String);

/// The targets that requests may go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Targets {
    any: bool,
    private: Vec<Origin>,
}

impl Targets {
    /// Only https to public addresses: the default policy of a deployment.
    pub const fn public_only() -> Self {
        Self {
            any: false,
            private: Vec::new(),
        }
    }

    /// https to public addresses, and also the origins in the comma-separated `list`, whatever their address: for the
    /// operator's own receivers that are not on the public internet. These may use http too.
    ///
    /// # Errors
    /// When an entry has a path or a user name, or is not an http or https URL.
    pub fn public_and(list: &str) -> Result<Self, InvalidOrigin> {
        let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        Ok(Self {
            any: false,
            private: names.map(origin).collect::<Result<_, _>>()?,
        })
    }

    /// Any http or https URL: for local runs and tests.
    pub const fn any() -> Self {
        Self {
            any: true,
            private: Vec::new(),
        }
    }

    /// Whether the client may connect to `host` without checking its address. [`Self::check_url`] has already checked
    /// that the port is the listed one.
    pub fn is_trusted(&self, host: &str) -> bool {
        self.any || self.private.iter().any(|origin| host_of(origin) == Some(host))
    }

    /// Checks whether `url` may be fetched, as far as the URL alone tells. The client checks the address that the host
    /// name resolves to when it connects: if it were checked here, the name could resolve to another address by then.
    ///
    /// # Errors
    /// Why `url` must not be fetched.
    pub fn check_url(&self, url: &Url) -> Result<(), TargetError> {
        if self.any {
            let is_web = matches!(url.scheme(), "http" | "https");
            return if is_web { Ok(()) } else { Err(TargetError::Scheme) };
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::UserInfo);
        }
        if self.private.contains(&url.origin()) {
            return Ok(());
        }
        if url.scheme() != "https" {
            return Err(TargetError::Scheme);
        }
        if !matches!(url.port_or_known_default(), Some(443 | 1024..)) {
            return Err(TargetError::Port);
        }
        match url.host().ok_or(TargetError::Host)? {
            // The parser has already normalized every notation of an IPv4 address (`0x7f.1`, `2130706433`).
            Host::Ipv4(address) if !is_public(address.into()) => Err(TargetError::NotPublic),
            Host::Ipv6(address) if !is_public(address.into()) => Err(TargetError::NotPublic),
            // A listed host, but another port.
            Host::Domain(name) if self.is_trusted(name) => Err(TargetError::NotPublic),
            _ => Ok(()),
        }
    }
}

fn origin(text: &str) -> Result<Origin, InvalidOrigin> {
    let url = Url::parse(text).map_err(|_| InvalidOrigin(text.to_owned()))?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if !bare || !matches!(url.scheme(), "http" | "https") {
        return Err(InvalidOrigin(text.to_owned()));
    }
    Ok(url.origin())
}

fn host_of(origin: &Origin) -> Option<&str> {
    match origin {
        Origin::Tuple(_, Host::Domain(name), _) => Some(name),
        _ => None,
    }
}

/// Whether `address` is on the public internet, according to IANA's registries of special-purpose addresses.
pub const fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

#[expect(clippy::match_same_arms, reason = "one arm for every purpose in the registry")]
const fn is_public_v4(address: Ipv4Addr) -> bool {
    match address.octets() {
        // This network, private, loopback; multicast, reserved and broadcast.
        [0 | 10 | 127 | 224..=255, ..] => false,
        // Carrier-grade NAT.
        [100, 64..=127, ..] => false,
        // Link-local, and with it the metadata service.
        [169, 254, ..] => false,
        // Private.
        [172, 16..=31, ..] | [192, 168, ..] => false,
        // IETF protocol assignments, and the withdrawn 6to4 relays.
        [192, 0, 0, _] | [192, 88, 99, _] => false,
        // Documentation.
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => false,
        // Benchmarking.
        [198, 18 | 19, ..] => false,
        _ => true,
    }
}

const fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // Addresses that embed an IPv4 address are as public as that address: mapped, NAT64, 6to4.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            is_public_v4(Ipv4Addr::new(a, b, c, d))
        }
        // Inside global unicast: IETF protocol assignments (including Teredo) and documentation.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // Global unicast is 2000::/3. The rest is unspecified, loopback, unique-local, link-local, multicast or
        // unassigned.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(url: &str) -> Result<(), TargetError> {
        Targets::public_only().check_url(&Url::parse(url).expect(url))
    }

    #[test]
    fn https_url_of_a_public_host_is_allowed() {
        for url in [
            "https://example.org/hook?x=1#y",
            "https://example.org:443/",
            "https://example.org:8443/",
            "https://93.184.216.34/",
            "https://[2606:2800:220:1:248:1893:25c8:1946]/",
            "https://b\u{fc}cher.example/",
        ] {
            assert_eq!(check(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn forbidden_url_is_refused_with_its_reason() {
        for (url, error) in [
            ("http://example.org/", TargetError::Scheme),
            ("ftp://example.org/", TargetError::Scheme),
            ("file:///etc/passwd", TargetError::Scheme),
            ("https://user@example.org/", TargetError::UserInfo),
            ("https://user:secret@example.org/", TargetError::UserInfo),
            ("https://:secret@example.org/", TargetError::UserInfo),
            ("https://example.org:25/", TargetError::Port),
            ("https://example.org:80/", TargetError::Port),
            ("https://example.org:1023/", TargetError::Port),
            ("https://127.0.0.1:9001/", TargetError::NotPublic),
            ("https://169.254.169.254/latest/meta-data/", TargetError::NotPublic),
            ("https://2130706433/", TargetError::NotPublic),
            ("https://0x7f.1/", TargetError::NotPublic),
            ("https://0177.0.0.1/", TargetError::NotPublic),
            ("https://127.1./", TargetError::NotPublic),
            ("https://\u{ff11}\u{ff12}\u{ff17}.0.0.1/", TargetError::NotPublic),
            ("https://[::1]/", TargetError::NotPublic),
            ("https://[::ffff:10.0.0.1]/", TargetError::NotPublic),
        ] {
            assert_eq!(check(url), Err(error), "{url}");
        }
    }

    #[test]
    fn any_policy_allows_every_http_url_and_nothing_else() {
        let check = |url: &str| Targets::any().check_url(&Url::parse(url).expect(url));
        assert_eq!(check("http://127.0.0.1:8080/hook"), Ok(()));
        assert_eq!(check("https://example.org/"), Ok(()));
        assert_eq!(check("file:///etc/passwd"), Err(TargetError::Scheme));
    }

    #[test]
    fn listed_origin_is_allowed_and_its_neighbors_are_not() {
        let targets =
            Targets::public_and("https://hooks.internal.example:8443, http://10.0.0.7:9000").expect("origins");
        let check = |url: &str| targets.check_url(&Url::parse(url).expect(url));
        assert_eq!(check("https://hooks.internal.example:8443/patchbay"), Ok(()));
        assert_eq!(check("http://10.0.0.7:9000/hook?x=1"), Ok(()));
        assert_eq!(check("https://example.org/"), Ok(()));
        for (url, error) in [
            ("http://hooks.internal.example:8443/", TargetError::Scheme),
            ("https://hooks.internal.example/", TargetError::NotPublic),
            ("https://hooks.internal.example:8444/", TargetError::NotPublic),
            ("https://10.0.0.7:9000/", TargetError::NotPublic),
            ("http://10.0.0.7:9001/", TargetError::Scheme),
            ("http://user@10.0.0.7:9000/", TargetError::UserInfo),
        ] {
            assert_eq!(check(url), Err(error), "{url}");
        }
        assert!(targets.is_trusted("hooks.internal.example"));
        assert!(!targets.is_trusted("example.org"));
    }

    #[test]
    fn empty_list_allows_nothing_more_and_invalid_origins_are_refused() {
        assert_eq!(Targets::public_and(" ,"), Ok(Targets::public_only()));
        for text in [
            "hooks.internal.example",
            "https://a.example/path",
            "https://a.example/?x",
            "https://user@a.example",
            "ftp://a.example",
        ] {
            assert_eq!(Targets::public_and(text), Err(InvalidOrigin(text.to_owned())));
        }
    }

    #[test]
    fn no_special_purpose_address_is_public() {
        let addresses = "0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.1 \
             127.255.255.255 169.254.0.0 169.254.169.254 172.16.0.0 172.31.255.255 192.0.0.0 192.0.0.255 \
             192.0.2.1 192.88.99.1 192.168.0.0 192.168.255.255 198.18.0.0 198.19.255.255 198.51.100.1 \
             203.0.113.255 224.0.0.1 239.255.255.255 240.0.0.0 255.255.255.255 :: ::1 ::7f00:1 \
             ::ffff:127.0.0.1 ::ffff:169.254.169.254 64:ff9b::10.0.0.1 64:ff9b:1::1 100::1 2001::1 \
             2001:1ff::1 2001:2::1 2001:db8::1 2001:db8:ffff::1 2002:7f00:1::1 2002:a9fe:a9fe::1 3fff::1 \
             3fff:fff::1 4000::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 febf::1 fec0::1 ff00::1 ff02::1";
        for text in addresses.split_whitespace() {
            assert!(!is_public(text.parse().expect(text)), "{text}");
        }
    }

    #[test]
    fn neighbors_of_special_purpose_addresses_are_public() {
        let addresses = "1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 \
             169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.0.3.0 192.88.98.255 \
             192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 198.51.99.255 203.0.112.255 203.0.114.0 \
             223.255.255.255 ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2000::1 2001:200::1 2001:db7::1 2001:db9::1 \
             2002:808:808::1 2003::1 3ffe::1 3fff:1000::1";
        for text in addresses.split_whitespace() {
            assert!(is_public(text.parse().expect(text)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn embedded_ipv4_address_is_as_public_as_itself(bits: u32) {
            let v4 = Ipv4Addr::from(bits);
            let (high, low) = ((bits >> 16) as u16, (bits & 0xffff) as u16);
            for v6 in [
                v4.to_ipv6_mapped(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            ] {
                prop_assert_eq!(is_public(v6.into()), is_public(v4.into()), "{} {}", v4, v6);
            }
        }

        #[test]
        fn addresses_that_the_standard_library_calls_special_are_not_public(v4: u32, v6: u128, net in 0_u8..=255) {
            for v4 in [Ipv4Addr::from(v4), Ipv4Addr::from((v4 & 0x00ff_ffff) | (u32::from(net) << 24))] {
                let special = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast()
                    || v4.is_broadcast() || v4.is_documentation() || v4.is_unspecified();
                prop_assert!(!(special && is_public(v4.into())), "{}", v4);
            }
            for v6 in [Ipv6Addr::from(v6), Ipv6Addr::from((v6 >> 8) | (u128::from(net) << 120))] {
                let special = v6.is_loopback() || v6.is_multicast() || v6.is_unspecified() || v6.is_unique_local()
                    || v6.is_unicast_link_local();
                prop_assert!(!(special && is_public(v6.into())), "{}", v6);
            }
        }
    }
}
