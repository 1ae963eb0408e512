//! Sessions of browsers: which cookie, from which page, and from which address.

use std::net::IpAddr;

use http::{HeaderMap, Method, header};
use oriel_access::csrf_fits;
use oriel_model::ErrorCode;

use super::Edge;
use crate::problem::Problem;

impl Edge {
    /// The value of the session's cookie.
    pub(super) fn session_cookie<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        cookie(headers, self.app.session_cookie())
    }

    /// Refuses what another site made a browser send. Reading is left to the browser's own rules: nothing that reads changes
    /// anything, and no other origin gets to see the reply.
    ///
    /// Two things are asked, so that a fault in one is not a hole: that the browser says the request comes from this very origin,
    /// and that the page knows the token of the session.
    pub(super) fn check_origin(&self, method: &Method, headers: &HeaderMap, cookie: &str) -> Result<(), Problem> {
        if method.is_safe() {
            return Ok(());
        }
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let refuse = |detail: &str| Err(Problem::new(ErrorCode::CrossSite, detail));
        match (text("sec-fetch-site"), text("origin")) {
            (Some("same-origin"), _) => {}
            (Some(other), _) => return refuse(&format!("`Sec-Fetch-Site` is `{other}`, not `same-origin`")),
            (None, Some(origin)) if origin == self.app.public_url => {}
            (None, Some(_)) => return refuse("`Origin` is not this server's address"),
            (None, None) => return refuse("neither `Sec-Fetch-Site` nor `Origin` says from where the request comes"),
        }
        match text("x-oriel-csrf") {
            Some(token) if csrf_fits(cookie, token) => Ok(()),
            Some(_) => refuse("`X-Oriel-CSRF` is not the token of this session"),
            None => refuse("`X-Oriel-CSRF` is missing"),
        }
    }

    /// From where a request comes: the last address that no trusted proxy added.
    pub(super) fn client(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        let trusted = &self.app.config.trusted_proxies.0;
        let mut client = peer.to_canonical();
        if trusted.is_empty() {
            return client;
        }
        let all = headers.get_all("x-forwarded-for").iter().rev();
        let hops = all.filter_map(|value| value.to_str().ok()).flat_map(|value| value.rsplit(','));
        for hop in hops {
            if !trusted.iter().any(|network| network.contains(&client)) {
                break;
            }
            // What cannot be read was not written by a proxy of ours.
            let Ok(before) = hop.trim().parse::<IpAddr>() else { break };
            client = before.to_canonical();
        }
        client
    }
}

/// The value of the cookie of this name.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}
