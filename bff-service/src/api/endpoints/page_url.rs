//! The authorization response in the URL of the page.

use serde_json::{Map, Value};
use url::{Url, form_urlencoded};

use crate::api::error::ApiError;
use crate::config::ResponseMode;

/// The content of a page's URL.
#[derive(PartialEq, Eq, Debug)]
pub(in crate::api) enum PageUrl {
    /// No authorization response. A `state` may still be present, for example after a logout.
    Ordinary(Option<String>),
    /// The parameters of an authorization response.
    Response(AuthorizationResponse),
    /// The parameters as a JWT that is not verified yet (JARM).
    Signed(String),
}

/// An authorization response. Nothing in it is trusted before its `state` matches a pending login.
#[derive(PartialEq, Eq, Debug)]
pub(in crate::api) struct AuthorizationResponse {
    /// The `state`, which identifies the login.
    pub state: String,
    /// The issuer, if the authorization server sends it (RFC 9207).
    pub iss: Option<String>,
    /// The code, or the error.
    pub result: AuthorizationResult,
}

/// The result of an authorization request.
#[derive(PartialEq, Eq, Debug)]
pub(in crate::api) enum AuthorizationResult {
    /// An authorization code.
    Code(String),
    /// An error code.
    Error(String),
}

impl PageUrl {
    /// Parses the query of `page_url`. In the code flow the fragment has no part of the response, and is ignored.
    pub(in crate::api) fn parse(page_url: &str, mode: ResponseMode) -> Result<PageUrl, ApiError> {
        let url = Url::parse(page_url).map_err(|_| ApiError::invalid("`pageUrl` is not a URL"))?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(ApiError::invalid("`pageUrl` is not a URL of a web page"));
        }
        PageUrl::parse_query(url.query().unwrap_or_default(), mode)
    }

    /// Parses a query. `mode` is the requested response mode: a response in the other mode is refused.
    pub(in crate::api) fn parse_query(query: &str, mode: ResponseMode) -> Result<PageUrl, ApiError> {
        let mut parameters = Parameters::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if let Some(parameter) = parameters.find(&name)
                && parameter.replace(value.into_owned()).is_some()
            {
                return Err(ApiError::invalid("the authorization response has a repeated parameter"));
            }
        }
        match (parameters.response.take(), mode) {
            (Some(response), ResponseMode::Jwt) => Ok(PageUrl::Signed(response)),
            (Some(_), ResponseMode::Query) => Err(ApiError::invalid(
                "the authorization response is a JWT, but none was requested",
            )),
            (None, _) => match (parameters.clone().into_response()?, mode) {
                (None, _) => Ok(PageUrl::Ordinary(parameters.state)),
                (Some(response), ResponseMode::Query) => Ok(PageUrl::Response(response)),
                // Anybody can create such a link: only the signed form proves that the authorization server sent it.
                (Some(_), ResponseMode::Jwt) => Err(ApiError::invalid(
                    "the authorization response is not the JWT that was requested",
                )),
            },
        }
    }
}

impl AuthorizationResponse {
    /// Reads the claims of a response that came as a JWT with a valid signature and issuer (JARM, section 2.1).
    pub(in crate::api) fn of_verified(claims: &Map<String, Value>) -> Result<AuthorizationResponse, ApiError> {
        let string = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let parameters = Parameters {
            state: string("state"),
            iss: string("iss"),
            code: string("code"),
            error: string("error"),
            response: None,
        };
        parameters
            .into_response()?
            .ok_or_else(|| ApiError::invalid("the JWT is not an authorization response"))
    }
}

/// The parameters of an authorization response.
#[derive(Clone, Default)]
struct Parameters {
    state: Option<String>,
    iss: Option<String>,
    code: Option<String>,
    error: Option<String>,
    response: Option<String>,
}

impl Parameters {
    fn find(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            "state" => Some(&mut self.state),
            "iss" => Some(&mut self.iss),
            "code" => Some(&mut self.code),
            "error" => Some(&mut self.error),
            "response" => Some(&mut self.response),
            _ => None,
        }
    }

    fn into_response(self) -> Result<Option<AuthorizationResponse>, ApiError> {
        let (state, result) = match (self.state, self.code, self.error) {
            (Some(state), Some(code), None) => (state, AuthorizationResult::Code(code)),
            (Some(state), None, Some(error)) => (state, AuthorizationResult::Error(error)),
            (Some(_), Some(_), Some(_)) => {
                return Err(ApiError::invalid(
                    "the authorization response has both a code and an error",
                ));
            }
            _ => return Ok(None),
        };
        let iss = self.iss;
        Ok(Some(AuthorizationResponse { state, iss, result }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(page_url: &str) -> Option<AuthorizationResponse> {
        match PageUrl::parse(page_url, ResponseMode::Query).unwrap() {
            PageUrl::Response(response) => Some(response),
            PageUrl::Ordinary(_) => None,
            PageUrl::Signed(_) => panic!("no JWT was requested"),
        }
    }

    #[test]
    fn a_code_is_decoded_whole() {
        let response = parse("https://www.example.com/app?state=s&code=a%26b%2Bc+d%3D%25&iss=https%3A%2F%2Fl#code=x");
        let expected = AuthorizationResponse {
            state: "s".to_owned(),
            iss: Some("https://l".to_owned()),
            result: AuthorizationResult::Code("a&b+c d=%".to_owned()),
        };
        assert_eq!(response, Some(expected));
    }

    #[test]
    fn an_error_is_a_response_too() {
        let response = parse("https://www.example.com/?state=s&error=access_denied").unwrap();
        assert_eq!(response.result, AuthorizationResult::Error("access_denied".to_owned()));
    }

    #[test]
    fn a_page_without_the_parameters_is_an_ordinary_page() {
        for query in [
            "",
            "?",
            "?a=b",
            "?state=s",
            "?code=c",
            "?error=e",
            "?iss=i",
            "#state=s&code=c",
            "?STATE=s&CODE=c",
        ] {
            assert_eq!(parse(&format!("https://www.example.com/{query}")), None, "{query}");
        }
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        for query in [
            "state=s&state=s&code=c",
            "state=s&code=c&code=d",
            "state=s&error=e&error=e",
            "state=s&code=c&iss=i&iss=j",
            "state=s&code=c&error=e",
            "st%61te=s&state=s&code=c",
            "response=r&response=r",
            "response=r",
        ] {
            let page_url = format!("https://www.example.com/?{query}");
            assert!(PageUrl::parse(&page_url, ResponseMode::Query).is_err(), "{query}");
        }
    }

    #[test]
    fn what_is_not_the_url_of_a_page_is_refused() {
        for page_url in [
            "",
            "/?state=s&code=c",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://",
            "file:///x",
        ] {
            assert!(PageUrl::parse(page_url, ResponseMode::Query).is_err(), "{page_url}");
        }
    }

    #[test]
    fn a_response_in_the_mode_that_was_not_asked_for_is_refused() {
        let parse = |query, mode| PageUrl::parse(&format!("https://www.example.com/?{query}"), mode);
        assert_eq!(
            parse("response=a.b.c", ResponseMode::Jwt).unwrap(),
            PageUrl::Signed("a.b.c".to_owned())
        );
        assert_eq!(parse("a=b", ResponseMode::Jwt).unwrap(), PageUrl::Ordinary(None));
        for query in ["state=s&code=c", "state=s&error=e", "state=s&code=c&iss=i"] {
            assert!(parse(query, ResponseMode::Jwt).is_err(), "{query}");
        }
        assert!(parse("response=a.b.c", ResponseMode::Query).is_err());
    }

    #[test]
    fn the_claims_of_a_signed_response_are_the_same_parameters() {
        let claims = |value: serde_json::Value| value.as_object().cloned().unwrap();
        let good =
            AuthorizationResponse::of_verified(&claims(serde_json::json!({"state": "s", "code": "c", "iss": "i"})));
        assert_eq!(good.unwrap().result, AuthorizationResult::Code("c".to_owned()));
        for bad in [
            serde_json::json!({}),
            serde_json::json!({"code": "c"}),
            serde_json::json!({"state": 1, "code": "c"}),
            serde_json::json!({"state": "s", "code": "c", "error": "e"}),
        ] {
            assert!(
                AuthorizationResponse::of_verified(&claims(bad.clone())).is_err(),
                "{bad}"
            );
        }
    }
}
