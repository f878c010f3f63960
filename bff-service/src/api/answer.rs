//! The response of an endpoint to a request that succeeded.

use serde_json::Value;

/// The content of a response.
#[derive(Debug, Default)]
pub(super) enum Content {
    /// 204.
    #[default]
    None,
    /// 200 with JSON.
    Json(Value),
    /// 302 to this URL.
    Redirect(String),
    /// 200 with an empty page that may stand in a frame of this origin, the authorization server's.
    EmptyFrame(String),
}

/// A successful response.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The content.
    pub(super) content: Content,
    /// `Set-Cookie` lines.
    pub(super) set_cookies: Vec<String>,
}

impl Answer {
    /// 200 with JSON, and no cookies.
    pub(super) fn json(value: Value) -> Answer {
        Answer {
            content: Content::Json(value),
            set_cookies: Vec::new(),
        }
    }

    /// Adds cookies to the response.
    pub(super) fn with_cookies(self, set_cookies: Vec<String>) -> Answer {
        Answer { set_cookies, ..self }
    }
}
