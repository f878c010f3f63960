//! The authorization server's metadata: OpenID Connect Discovery 1.0, or RFC 8414.
//!
//! [`examine`] turns a document into [`Metadata`] and says all that is wrong with it, for the log and for
//! `bff-service check`. [`fetch`] gets the document.

use serde::Deserialize;
use url::Url;

use super::http::{Answer, HttpClient, MAX_DOCUMENT_BYTES};
use crate::config::Config;

/// What this service uses of the metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Where the browser signs in.
    pub authorization_endpoint: Url,
    /// Where codes and refresh tokens are exchanged.
    pub token_endpoint: Url,
    /// Where the signature keys are.
    pub jwks_uri: Url,
    /// Where the claims about the user are.
    pub userinfo_endpoint: Option<Url>,
    /// Where refresh tokens are revoked, RFC 7009.
    pub revocation_endpoint: Option<Url>,
    /// Where the browser signs out, OpenID Connect RP-Initiated Logout 1.0.
    pub end_session_endpoint: Option<Url>,
    /// Whether authorization responses carry `iss`, RFC 9207.
    pub iss_parameter_supported: bool,
}

/// The document as it is published. Members that nobody here needs are ignored.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Document {
    issuer: Option<String>,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    jwks_uri: Option<String>,
    userinfo_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
    code_challenge_methods_supported: Option<Vec<String>>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    id_token_signing_alg_values_supported: Option<Vec<String>>,
    response_types_supported: Option<Vec<String>>,
    authorization_response_iss_parameter_supported: Option<bool>,
}

/// What came of looking at a document.
#[derive(Debug, Default)]
pub struct Examined {
    /// The metadata, if they can be used.
    pub metadata: Option<Metadata>,
    /// Why not, one sentence each.
    pub faults: Vec<String>,
    /// What will probably not work, although the metadata can be used.
    pub doubts: Vec<String>,
}

/// Where OpenID Connect Discovery 1.0 section 4 has the metadata of an issuer.
pub fn openid_configuration_url(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}

/// Where RFC 8414 section 3 has them: between host and path.
pub fn oauth_authorization_server_url(issuer: &str) -> Option<String> {
    let mut url = Url::parse(issuer).ok()?;
    let path = format!(
        "/.well-known/oauth-authorization-server{}",
        url.path().trim_end_matches('/')
    );
    url.set_path(&path);
    Some(url.into())
}

/// Gets the document from either place. The error is a sentence.
pub async fn fetch(http: &HttpClient, issuer: &str) -> Result<Document, String> {
    let first = openid_configuration_url(issuer);
    let answer = get(http, &first).await?;
    if answer.status == 200 {
        return parse(&first, &answer);
    }
    let second = oauth_authorization_server_url(issuer).ok_or("the issuer is not a URL")?;
    let other = get(http, &second).await?;
    match other.status {
        200 => parse(&second, &other),
        status => Err(format!(
            "{first} answered {}, and {second} answered {status}",
            answer.status
        )),
    }
}

async fn get(http: &HttpClient, url: &str) -> Result<Answer, String> {
    http.get(url, None, MAX_DOCUMENT_BYTES)
        .await
        .map_err(|error| format!("{url}: {error}"))
}

fn parse(url: &str, answer: &Answer) -> Result<Document, String> {
    serde_json::from_slice(&answer.body).map_err(|error| format!("{url} is not a metadata document: {error}"))
}

/// The metadata where discovery is switched off: the configured endpoints.
pub fn from_config(config: &Config) -> Examined {
    examine(
        &Document {
            issuer: Some(config.authorization_server.issuer.clone()),
            ..Document::default()
        },
        config,
    )
}

/// Checks a document and merges the configured endpoints into it.
pub fn examine(document: &Document, config: &Config) -> Examined {
    let settings = &config.authorization_server;
    let mut examined = Examined::default();
    match document.issuer.as_deref() {
        Some(issuer) if issuer == settings.issuer => {}
        // Another issuer's metadata are not believed in any part (RFC 8414 section 3.3).
        Some(issuer) => examined.faults.push(format!(
            "the metadata are of the issuer `{}`, but `authorization_server.issuer` is `{}`; both must be the same, \
             character for character",
            issuer.escape_debug(),
            settings.issuer
        )),
        None => examined.faults.push("the metadata name no issuer".to_owned()),
    }
    let mut endpoint = |name: &str, configured: &Option<String>, published: &Option<String>, required: bool| {
        let url = match configured.as_ref().or(published.as_ref()) {
            Some(url) => url,
            None if required => {
                let what = format!("there is no {name}; write it as `authorization_server.{name}`");
                examined.faults.push(what);
                return None;
            }
            None => return None,
        };
        match check_endpoint(url, config.demo) {
            Ok(url) => Some(url),
            Err(what) => {
                examined
                    .faults
                    .push(format!("the {name} `{}` {what}", url.escape_debug()));
                None
            }
        }
    };
    let authorization = endpoint(
        "authorization_endpoint",
        &settings.authorization_endpoint,
        &document.authorization_endpoint,
        true,
    );
    let token = endpoint(
        "token_endpoint",
        &settings.token_endpoint,
        &document.token_endpoint,
        true,
    );
    let jwks = endpoint("jwks_uri", &settings.jwks_uri, &document.jwks_uri, true);
    let userinfo = endpoint(
        "userinfo_endpoint",
        &settings.userinfo_endpoint,
        &document.userinfo_endpoint,
        false,
    );
    let revocation = endpoint(
        "revocation_endpoint",
        &settings.revocation_endpoint,
        &document.revocation_endpoint,
        false,
    );
    let end_session = endpoint(
        "end_session_endpoint",
        &settings.end_session_endpoint,
        &document.end_session_endpoint,
        false,
    );
    examine_capabilities(document, config, &mut examined);
    if !examined.faults.is_empty() {
        return examined;
    }
    if let (Some(authorization_endpoint), Some(token_endpoint), Some(jwks_uri)) = (authorization, token, jwks) {
        examined.metadata = Some(Metadata {
            authorization_endpoint,
            token_endpoint,
            jwks_uri,
            userinfo_endpoint: userinfo,
            revocation_endpoint: revocation,
            end_session_endpoint: end_session,
            iss_parameter_supported: document.authorization_response_iss_parameter_supported == Some(true),
        });
    }
    examined
}

/// What the server says that it can do, against what this client needs.
fn examine_capabilities(document: &Document, config: &Config, examined: &mut Examined) {
    let lacks = |published: &Option<Vec<String>>, value: &str| {
        published
            .as_ref()
            .is_some_and(|values| !values.iter().any(|candidate| candidate == value))
    };
    if lacks(&document.code_challenge_methods_supported, "S256") {
        let what = "the authorization server does not support PKCE with S256 (code_challenge_methods_supported)";
        examined.faults.push(what.to_owned());
    }
    if lacks(&document.response_types_supported, "code") {
        examined
            .doubts
            .push("the authorization server does not support response_type `code`".to_owned());
    }
    let method = config.client.authentication.as_str();
    if lacks(&document.token_endpoint_auth_methods_supported, method) {
        examined.doubts.push(format!(
            "the authorization server does not support `client.authentication` = `{method}` \
             (token_endpoint_auth_methods_supported)"
        ));
    }
    if let Some(published) = &document.id_token_signing_alg_values_supported {
        let accepted = &config.authorization_server.id_token_algorithms;
        if !published.iter().any(|algorithm| accepted.contains(algorithm)) {
            examined.doubts.push(format!(
                "none of `authorization_server.id_token_algorithms` ({}) is used by the authorization server \
                 (id_token_signing_alg_values_supported)",
                accepted.join(", ")
            ));
        }
    }
}

/// An endpoint that requests may be sent to. The error ends a sentence.
pub fn check_endpoint(url: &str, demo: bool) -> Result<Url, &'static str> {
    let url = Url::parse(url).map_err(|_| "is not a URL")?;
    match url.scheme() {
        "https" => {}
        "http" if demo => {}
        "http" => return Err("is plain http; it must be https"),
        _ => return Err("is not https"),
    }
    if url.fragment().is_some() {
        return Err("has a fragment");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a user name or a password in it");
    }
    Ok(url)
}
