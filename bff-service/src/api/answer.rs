//! An endpoint's answer to a request that it fulfilled.

use serde_json::Value;

/// The content of an answer.
#[derive(Debug, Default)]
pub(super) enum Content {
    /// 204.
    #[default]
    None,
    /// 200 with JSON.
    Json(Value),
    /// 302 to this URL.
    Redirect(String),
    /// 200 with an empty page that may stand in a frame of the authorization server, whose origin this is.
    EmptyFrame(String),
}

/// The answer.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// What it says.
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

    /// The same answer with these cookies.
    pub(super) fn with_cookies(self, set_cookies: Vec<String>) -> Answer {
        Answer { set_cookies, ..self }
    }
}
