//! What the environment says about proxies.

use std::net::IpAddr;

use super::{BadProxy, ProxyHop, Secret, url};

/// The variables that concern proxies.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ProxyEnvironment {
    /// `NCAT_PROXY_AUTH`: `user:password`.
    pub auth: Option<Secret>,
    /// `ALL_PROXY`, or `all_proxy`: a URL, or `host:port` of an HTTP proxy.
    pub all_proxy: Option<Secret>,
    /// `NO_PROXY`, or `no_proxy`: hosts reached without, with commas between them.
    pub no_proxy: Option<String>,
}

impl ProxyEnvironment {
    /// The proxy for connections to `host`, if there is one.
    pub(super) fn proxy_for(&self, host: &str) -> Result<Option<ProxyHop>, BadProxy> {
        let Some(proxy) = self.all_proxy.as_ref().filter(|proxy| !proxy.reveal().is_empty()) else {
            return Ok(None);
        };
        if self.excepts(host) {
            return Ok(None);
        }
        let text = proxy.reveal();
        let hop = match url::is_url(text) {
            true => url::parse(text),
            false => url::parse(&format!("http://{text}")),
        };
        hop.map(Some).map_err(|error| format!("{error}\n  from ALL_PROXY (--proxy-env)"))
    }

    /// Whether `NO_PROXY` names the host: `*`, its name, a domain it is in (with a dot before it or
    /// not), its address, or a network it is in.
    fn excepts(&self, host: &str) -> bool {
        let list = self.no_proxy.as_deref().unwrap_or_default();
        let ip: Option<IpAddr> = host.parse().ok();
        list.split([',', ' ']).map(str::trim).filter(|item| !item.is_empty()).any(|item| {
            if item == "*" {
                return true;
            }
            match (ip, item.parse::<ipnet::IpNet>(), item.parse::<IpAddr>()) {
                (Some(ip), Ok(net), _) => net.contains(&ip),
                (Some(ip), _, Ok(other)) => ip == other,
                (Some(_), ..) => false,
                (None, ..) => {
                    let domain = item.trim_start_matches("*.").trim_matches('.');
                    let host = host.trim_end_matches('.').to_ascii_lowercase();
                    let domain = domain.to_ascii_lowercase();
                    host == domain || host.strip_suffix(&domain).is_some_and(|h| h.ends_with('.'))
                }
            }
        })
    }
}
