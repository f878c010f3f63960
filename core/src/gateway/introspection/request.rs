//! The introspection request (RFC 7662, section 2.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::encoding::form;
use crate::gateway::config::{ClientAuthentication, PhantomToken, ResponseFormat};
use crate::request::trace_context::TraceHeader;

/// Header that tells the server the scheme of its endpoint. A host that connects with this scheme itself omits it.
pub const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// A request to the introspection endpoint.
pub struct IntrospectionRequest {
    /// Pseudo-headers and headers.
    pub headers: Vec<(&'static str, Zeroizing<String>)>,
    /// The parameters, form-encoded.
    pub body: Zeroizing<Vec<u8>>,
}

/// Creates the introspection request for a token. It propagates the trace context of the request that needs it: `trace` has
/// the headers.
pub fn request(
    stage: &PhantomToken,
    token: &[u8],
    trace: impl IntoIterator<Item = TraceHeader>,
) -> IntrospectionRequest {
    let mut body = Zeroizing::new(b"token_type_hint=access_token&token=".to_vec());
    form::encode(token, &mut body);
    let (id, secret) = (stage.client_id.as_bytes(), stage.client_secret.as_bytes());
    let text = |text: &str| Zeroizing::new(text.to_owned());
    let accept = match stage.response {
        // No second media type: Keycloak compares the whole header. A server without this form responds with JSON
        // anyway.
        ResponseFormat::Jwt => "application/jwt",
        ResponseFormat::Claims(_) => "application/json",
        ResponseFormat::Rfc9701 { .. } => "application/token-introspection+jwt",
    };
    let mut headers = vec![
        (":method", text("POST")),
        (":scheme", text(stage.scheme)),
        (":authority", text(&stage.authority)),
        (":path", text(&stage.path)),
        ("accept", text(accept)),
        // Without it the server may compress the response (RFC 9110, section 12.5.3), and nothing here decompresses it.
        ("accept-encoding", text("identity")),
        ("content-type", text("application/x-www-form-urlencoded")),
    ];
    if stage.scheme == "https" {
        // The cluster may lead to an internal http port of a server that otherwise accepts requests over TLS only.
        headers.push((FORWARDED_PROTO, text("https")));
    }
    match stage.client_authentication {
        ClientAuthentication::ClientSecretBasic => {
            let credentials = Zeroizing::new(STANDARD.encode(&*form::credentials(id, secret)));
            headers.push(("authorization", Zeroizing::new(format!("Basic {}", *credentials))));
        }
        ClientAuthentication::ClientSecretPost => {
            body.extend_from_slice(b"&client_id=");
            form::encode(id, &mut body);
            body.extend_from_slice(b"&client_secret=");
            form::encode(secret, &mut body);
        }
    }
    headers.extend(trace);
    IntrospectionRequest { headers, body }
}
