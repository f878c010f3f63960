//! The authorization response in the URL of the page that the browser came back to.

use url::Url;

use super::errors::Failure;

/// What the authorization server sent back, as it stands in the page's URL. Nothing of it is to be believed before its
/// `state` has been matched.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct AuthorizationResponse {
    /// Which login it answers.
    pub state: String,
    /// The issuer, where the server names itself (RFC 9207).
    pub iss: Option<String>,
    /// Its result.
    pub result: AuthorizationResult,
}

/// The outcome of a login at the authorization server.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum AuthorizationResult {
    /// An authorization code.
    Code(String),
    /// An error code.
    Error(String),
}

impl AuthorizationResponse {
    /// Reads the query of `page_url`; the fragment never reaches a server in OAuth's code flow and is ignored.
    /// `Ok(None)`: an ordinary page, without an authorization response.
    pub(super) fn parse(page_url: &str) -> Result<Option<AuthorizationResponse>, Failure> {
        let url = Url::parse(page_url).map_err(|_| Failure::invalid("pageUrl is not a URL"))?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(Failure::invalid("pageUrl is not a URL of a web page"));
        }
        let (mut state, mut iss, mut code, mut error, mut response) = (None, None, None, None, None);
        for (name, value) in url.query_pairs() {
            let parameter = match name.as_ref() {
                "state" => &mut state,
                "iss" => &mut iss,
                "code" => &mut code,
                "error" => &mut error,
                "response" => &mut response,
                _ => continue,
            };
            if parameter.replace(value.into_owned()).is_some() {
                return Err(Failure::invalid(
                    "pageUrl repeats a parameter of the authorization response",
                ));
            }
        }
        if response.is_some() {
            return Err(Failure::invalid(
                "pageUrl holds a JARM response, which was not asked for",
            ));
        }
        let (state, result) = match (state, code, error) {
            (Some(state), Some(code), None) => (state, AuthorizationResult::Code(code)),
            (Some(state), None, Some(error)) => (state, AuthorizationResult::Error(error)),
            (Some(_), Some(_), Some(_)) => return Err(Failure::invalid("pageUrl holds both a code and an error")),
            _ => return Ok(None),
        };
        Ok(Some(AuthorizationResponse { state, iss, result }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(page_url: &str) -> Option<AuthorizationResponse> {
        AuthorizationResponse::parse(page_url).unwrap()
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
            assert!(AuthorizationResponse::parse(&page_url).is_err(), "{query}");
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
            assert!(AuthorizationResponse::parse(page_url).is_err(), "{page_url}");
        }
    }
}
