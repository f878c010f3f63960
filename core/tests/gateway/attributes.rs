//! A connection with a client certificate, and a route with metadata.

use bff_core::gateway::Gateway;
use bff_core::gateway::attributes::RequestAttributes;
use bff_core::gateway::authorization_server::ServerResponse;
use bff_core::request::head::RequestHead;

use crate::support::*;

/// A connection with a client certificate, on a route with metadata.
pub(crate) struct TestAttributes {
    pub(crate) certificate: Option<[u8; 32]>,
    pub(crate) scopes: Option<&'static str>,
    pub(crate) audience: Option<&'static str>,
    pub(crate) acr: Option<&'static str>,
    pub(crate) max_auth_age: Option<&'static str>,
}

pub(crate) const NOWHERE: TestAttributes = TestAttributes {
    certificate: None,
    scopes: None,
    audience: None,
    acr: None,
    max_auth_age: None,
};

impl RequestAttributes for TestAttributes {
    fn peer_certificate(&self) -> Option<[u8; 32]> {
        self.certificate
    }

    fn route_metadata(&self, namespace: &str, name: &str) -> Option<Vec<u8>> {
        assert_eq!(namespace, "bff_filter");
        let text = match name {
            "required_scopes" => self.scopes,
            "required_audience" => self.audience,
            "required_acr" => self.acr,
            "max_auth_age" => self.max_auth_age,
            _ => None,
        };
        text.map(|text| text.as_bytes().to_vec())
    }
}

/// Sends a request with a token, answers its introspection, then sends one for which the response is cached.
pub(crate) fn both(
    gateway: &mut Gateway,
    head: &RequestHead,
    attributes: &TestAttributes,
    response: &ServerResponse,
) -> (End, End) {
    let mut effects = asked(gateway, 1, head, attributes, NOW);
    if let Some((_, id)) = flight(&effects) {
        effects = gateway.on_server_response(id, response, NOW);
    }
    let first = ends(&effects).pop().unwrap().1;
    // The second request has the token in the cache, and the third also the opened cookie.
    asked(gateway, 2, head, attributes, NOW);
    let second = ends(&asked(gateway, 3, head, attributes, NOW)).pop().unwrap().1;
    (first, second)
}
