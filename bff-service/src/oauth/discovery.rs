//! The authorization server's metadata: OpenID Connect Discovery 1.0, or RFC 8414.
//!
//! [`examine`] turns a document into [`Metadata`] and says all that is wrong with it, for the log and for
//! `bff-service check`. [`fetch`] gets the document.

use serde::Deserialize;
use url::Url;

use super::http::{Answer, HttpClient, MAX_DOCUMENT_BYTES};
use super::negotiation::{self, Capabilities, Profile};
use crate::config::{Config, ResponseMode};
use crate::telemetry::server_endpoint::ServerEndpoint;

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
    /// Where authorization requests are pushed to, RFC 9126.
    pub pushed_authorization_request_endpoint: Option<Url>,
    /// Whether authorization responses carry `iss`, RFC 9207, by the metadata or by the configuration.
    pub iss_parameter_supported: bool,
    /// How this client deals with this server.
    pub profile: Profile,
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
    pushed_authorization_request_endpoint: Option<String>,
    mtls_endpoint_aliases: MtlsEndpointAliases,
    authorization_response_iss_parameter_supported: Option<bool>,
    #[serde(flatten)]
    pub(super) capabilities: Capabilities,
}

/// Where a client that has a certificate finds the same endpoints, RFC 8705 section 5.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MtlsEndpointAliases {
    token_endpoint: Option<String>,
    userinfo_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    pushed_authorization_request_endpoint: Option<String>,
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
    /// Where the configuration says something else than the metadata, on purpose.
    pub overridden: Vec<String>,
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
    http.get(ServerEndpoint::Metadata, url, &[], MAX_DOCUMENT_BYTES)
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
    let mut endpoint = |name: &str, configured: &Option<String>, published: Option<&String>, required: bool| {
        let url = match configured.as_ref().or(published) {
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
    let aliases = &document.mtls_endpoint_aliases;
    // A certificate is asked for at these only.
    let or_alias = |published, alias| match (&config.client.certificate_file, alias) {
        (Some(_), Some(alias)) => Some(alias),
        (_, _) => published,
    };
    let authorization = endpoint(
        "authorization_endpoint",
        &settings.authorization_endpoint,
        document.authorization_endpoint.as_ref(),
        true,
    );
    let token = endpoint(
        "token_endpoint",
        &settings.token_endpoint,
        or_alias(document.token_endpoint.as_ref(), aliases.token_endpoint.as_ref()),
        true,
    );
    let jwks = endpoint("jwks_uri", &settings.jwks_uri, document.jwks_uri.as_ref(), true);
    let userinfo = endpoint(
        "userinfo_endpoint",
        &settings.userinfo_endpoint,
        or_alias(document.userinfo_endpoint.as_ref(), aliases.userinfo_endpoint.as_ref()),
        false,
    );
    let revocation = endpoint(
        "revocation_endpoint",
        &settings.revocation_endpoint,
        or_alias(
            document.revocation_endpoint.as_ref(),
            aliases.revocation_endpoint.as_ref(),
        ),
        false,
    );
    let end_session = endpoint(
        "end_session_endpoint",
        &settings.end_session_endpoint,
        document.end_session_endpoint.as_ref(),
        false,
    );
    let pushed = endpoint(
        "pushed_authorization_request_endpoint",
        &settings.pushed_authorization_request_endpoint,
        or_alias(
            document.pushed_authorization_request_endpoint.as_ref(),
            aliases.pushed_authorization_request_endpoint.as_ref(),
        ),
        false,
    );
    let profile = negotiation::examine(&document.capabilities, pushed.is_some(), config, &mut examined);
    let names_itself = settings.authorization_response_iss_parameter_supported
        || document.authorization_response_iss_parameter_supported == Some(true);
    // A signed response says who it is from in any case.
    if config.shares_redirect_uri() && !names_itself && config.client.response_mode != ResponseMode::Jwt {
        let what = "another application has the same redirect_uri and another issuer, and this authorization server does \
                    not announce `iss` in its responses (RFC 9207): which of the two a response is from could not be told; \
                    give each of the two a redirect_uri of its own";
        examined.faults.push(what.to_owned());
    }
    if !examined.faults.is_empty() {
        return examined;
    }
    if let (Some(authorization_endpoint), Some(token_endpoint), Some(jwks_uri), Some(profile)) =
        (authorization, token, jwks, profile)
    {
        examined.metadata = Some(Metadata {
            authorization_endpoint,
            token_endpoint,
            jwks_uri,
            userinfo_endpoint: userinfo,
            revocation_endpoint: revocation,
            end_session_endpoint: end_session,
            pushed_authorization_request_endpoint: pushed,
            iss_parameter_supported: names_itself,
            profile,
        });
    }
    examined
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
