//! A request to the authorization server about an access token, and its response, as every step of the token stage has them.

mod failure;
mod step;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

pub(crate) use self::failure::{failed_with, oauth_error, rejected_client};
pub use self::step::Step;
use super::config::{ClientAuthentication, Endpoint, PhantomToken};
use crate::encoding::form;
use crate::request::trace_context::TraceHeader;

/// Header that tells the authorization server the scheme of its endpoint. A host that itself connects with this scheme
/// omits the header.
pub const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// Maximum length of a response body, in bytes.
pub const MAX_RESPONSE_BYTES: usize = 64 * 1024;

/// A request to the authorization server.
pub struct ServerRequest {
    /// The step for which the request is made.
    pub step: Step,
    /// Pseudo-headers and headers.
    pub headers: Vec<(&'static str, Zeroizing<String>)>,
    /// The parameters, form-encoded.
    pub body: Zeroizing<Vec<u8>>,
}

/// What the host received for a request to the authorization server.
pub enum ServerResponse {
    /// An HTTP response.
    Http {
        /// HTTP status; 0 if there is none.
        status: u16,
        /// Value of `Content-Type`.
        content_type: Vec<u8>,
        /// Values of `Cache-Control`.
        cache_control: Vec<Vec<u8>>,
        /// The body; `None` if it is longer than [`MAX_RESPONSE_BYTES`].
        body: Option<Vec<u8>>,
    },
    /// The connection was reset, or the request could not be sent.
    Failed,
}

/// The form-encoded parameters of a request.
pub(crate) struct Parameters(Zeroizing<Vec<u8>>);

impl Parameters {
    pub(crate) fn new() -> Self {
        Self(Zeroizing::default())
    }

    /// Adds a parameter. The name has only letters and `_`.
    pub(crate) fn add(&mut self, name: &str, value: &[u8]) {
        if !self.0.is_empty() {
            self.0.push(b'&');
        }
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(b'=');
        form::encode(value, &mut self.0);
    }
}

impl ServerRequest {
    /// Creates a request of the stage's client to an endpoint. It propagates the trace context of the request on whose
    /// behalf it is made: `trace` has the headers.
    pub(crate) fn post(
        stage: &PhantomToken,
        (step, endpoint): (Step, &Endpoint),
        accept: &str,
        mut parameters: Parameters,
        trace: impl IntoIterator<Item = TraceHeader>,
    ) -> Self {
        let (id, secret) = (stage.client_id.as_bytes(), stage.client_secret.as_bytes());
        let text = |text: &str| Zeroizing::new(text.to_owned());
        let mut headers = vec![
            (":method", text("POST")),
            (":scheme", text(endpoint.scheme)),
            (":authority", text(&endpoint.authority)),
            (":path", text(&endpoint.path)),
            ("accept", text(accept)),
            // Without this header the response may be compressed (RFC 9110, section 12.5.3), and nothing here
            // decompresses it.
            ("accept-encoding", text("identity")),
            ("content-type", text("application/x-www-form-urlencoded")),
        ];
        if endpoint.scheme == "https" {
            // The cluster may lead to an internal http port of a server that otherwise accepts requests over TLS only.
            headers.push((FORWARDED_PROTO, text("https")));
        }
        match stage.client_authentication {
            ClientAuthentication::ClientSecretBasic => {
                let credentials = Zeroizing::new(STANDARD.encode(&*form::credentials(id, secret)));
                headers.push(("authorization", Zeroizing::new(format!("Basic {}", *credentials))));
            }
            ClientAuthentication::ClientSecretPost => {
                parameters.add("client_id", id);
                parameters.add("client_secret", secret);
            }
        }
        headers.extend(trace);
        Self {
            step,
            headers,
            body: parameters.0,
        }
    }
}

/// Returns the media type of a `Content-Type`, in lower case and without parameters.
pub(crate) fn media_type(content_type: &[u8]) -> Vec<u8> {
    let media_type = content_type.split(|byte| *byte == b';').next();
    media_type.unwrap_or_default().trim_ascii().to_ascii_lowercase()
}
