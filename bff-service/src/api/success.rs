//! Successful responses.

use actix_web::http::header::HeaderName;
use serde_json::Value;

/// The content of a response.
#[derive(Debug, Default)]
pub(super) enum Content {
    /// HTTP 204.
    #[default]
    None,
    /// HTTP 200 with JSON.
    Json(Value),
    /// HTTP 302 to this URL.
    Redirect(String),
    /// HTTP 200 with an empty page that may stand in a frame of this origin, the authorization server's.
    EmptyFrame(String),
}

/// The response to a request that succeeded.
#[derive(Debug, Default)]
pub(super) struct Success {
    /// The content.
    pub(super) content: Content,
    /// `Set-Cookie` lines.
    pub(super) set_cookies: Vec<String>,
    /// A further header of the response.
    pub(super) header: Option<(HeaderName, String)>,
}

impl Success {
    /// HTTP 200 with JSON, and no cookies.
    pub(super) fn json(value: Value) -> Success {
        Success {
            content: Content::Json(value),
            ..Success::default()
        }
    }

    /// HTTP 302 to this URL.
    pub(super) fn redirect(url: String) -> Success {
        Success {
            content: Content::Redirect(url),
            ..Success::default()
        }
    }

    /// Sets the `Set-Cookie` lines of the response, in place of earlier ones.
    pub(super) fn with_cookies(self, set_cookies: Vec<String>) -> Success {
        Success { set_cookies, ..self }
    }

    /// Sets the further header of the response.
    pub(super) fn with_header(self, header: Option<(HeaderName, String)>) -> Success {
        Success { header, ..self }
    }
}
