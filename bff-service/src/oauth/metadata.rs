//! The authorization server's metadata (OpenID Connect Discovery 1.0, section 3; RFC 8414, section 2), combined with
//! the configuration. [`examine`] reports all errors, for the log and for `bff-service check`.

use serde::Deserialize;
use url::Url;

use super::negotiation::{Capabilities, Findings, Profile, negotiate};
use crate::config::endpoint_url::check_endpoint;
use crate::config::{Config, ResponseMode};

/// The metadata that this service uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The authorization endpoint.
    pub authorization_endpoint: Url,
    /// The token endpoint.
    pub token_endpoint: Url,
    /// The URL of the JWKS.
    pub jwks_uri: Url,
    /// The userinfo endpoint.
    pub userinfo_endpoint: Option<Url>,
    /// The revocation endpoint (RFC 7009).
    pub revocation_endpoint: Option<Url>,
    /// The end session endpoint (OpenID Connect RP-Initiated Logout 1.0).
    pub end_session_endpoint: Option<Url>,
    /// The pushed authorization request endpoint (RFC 9126).
    pub pushed_authorization_request_endpoint: Option<Url>,
    /// Whether authorization responses contain `iss` (RFC 9207), according to the metadata or the configuration.
    pub iss_parameter_supported: bool,
    /// The negotiated features of the client and the authorization server.
    pub profile: Profile,
}

/// The published document. Members that the service does not use are ignored.
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

/// The endpoints for a client with a certificate (RFC 8705, section 5).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MtlsEndpointAliases {
    token_endpoint: Option<String>,
    userinfo_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    pushed_authorization_request_endpoint: Option<String>,
}

/// The result of examining a document.
#[derive(Debug, Default)]
pub struct MetadataReport {
    /// The metadata, if usable.
    pub metadata: Option<Metadata>,
    /// The errors, one message each.
    pub errors: Vec<String>,
    /// What probably does not work, although the metadata are usable.
    pub warnings: Vec<String>,
    /// Where the configuration deliberately differs from the metadata.
    pub overridden: Vec<String>,
}

/// The metadata without discovery: the configured endpoints.
pub fn from_config(config: &Config, has_secret: bool) -> MetadataReport {
    examine(
        &Document {
            issuer: Some(config.authorization_server.issuer.clone()),
            ..Document::default()
        },
        config,
        has_secret,
    )
}

/// Checks a document and merges the configured endpoints into it. `has_secret` says whether there is a client secret,
/// which a reload may have added or removed.
pub fn examine(document: &Document, config: &Config, has_secret: bool) -> MetadataReport {
    let settings = &config.authorization_server;
    let mut found = Findings::default();
    match document.issuer.as_deref() {
        Some(issuer) if issuer == settings.issuer => {}
        // The metadata of another issuer must not be used (RFC 8414, section 3.3).
        Some(issuer) => found.errors.push(format!(
            "the issuer in the metadata is `{}`, but `authorization_server.issuer` is `{}`: write the issuer of the metadata",
            issuer.escape_debug(),
            settings.issuer
        )),
        None => found.errors.push("missing issuer in the metadata: correct the metadata at the authorization server, or set \
             `authorization_server.discovery` to false and configure the endpoints".to_owned()),
    }
    let configured = config.endpoints();
    let mut endpoint = |name: &str, configured: &Option<Url>, published: Option<&String>, is_required: bool| {
        let url = match (configured, published) {
            (Some(url), _) => return Some(url.clone()),
            (None, Some(url)) => url,
            (None, None) => {
                if is_required {
                    let what = format!("missing {name}: set `authorization_server.{name}`");
                    found.errors.push(what);
                }
                return None;
            }
        };
        check_endpoint(url, config.demo)
            .map_err(|what| {
                found.errors.push(format!(
                    "invalid {name} `{}`: {what}: correct the metadata at the authorization server, or set \
                     `authorization_server.{name}`",
                    url.escape_debug()
                ))
            })
            .ok()
    };
    let aliases = &document.mtls_endpoint_aliases;
    // Only these endpoints request a certificate.
    let or_alias = |published, alias| match (&config.client.certificate_file, alias) {
        (Some(_), Some(alias)) => Some(alias),
        (_, _) => published,
    };
    let authorization = endpoint(
        "authorization_endpoint",
        &configured.authorization,
        document.authorization_endpoint.as_ref(),
        true,
    );
    let token = endpoint(
        "token_endpoint",
        &configured.token,
        or_alias(document.token_endpoint.as_ref(), aliases.token_endpoint.as_ref()),
        true,
    );
    let jwks = endpoint("jwks_uri", &configured.jwks, document.jwks_uri.as_ref(), true);
    let userinfo = endpoint(
        "userinfo_endpoint",
        &configured.userinfo,
        or_alias(document.userinfo_endpoint.as_ref(), aliases.userinfo_endpoint.as_ref()),
        false,
    );
    let revocation = endpoint(
        "revocation_endpoint",
        &configured.revocation,
        or_alias(
            document.revocation_endpoint.as_ref(),
            aliases.revocation_endpoint.as_ref(),
        ),
        false,
    );
    let end_session = endpoint(
        "end_session_endpoint",
        &configured.end_session,
        document.end_session_endpoint.as_ref(),
        false,
    );
    let pushed = endpoint(
        "pushed_authorization_request_endpoint",
        &configured.pushed_authorization_request,
        or_alias(
            document.pushed_authorization_request_endpoint.as_ref(),
            aliases.pushed_authorization_request_endpoint.as_ref(),
        ),
        false,
    );
    let profile = negotiate(&document.capabilities, pushed.is_some(), config, has_secret, &mut found);
    let has_iss = settings.authorization_response_iss_parameter_supported
        || document.authorization_response_iss_parameter_supported == Some(true);
    // A signed response contains its issuer in any case.
    if config.has_shared_redirect_uri() && !has_iss && config.client.response_mode != ResponseMode::Jwt {
        let what = "another application has the same redirect_uri and another issuer, and this authorization server does \
                    not announce `iss` in its responses (RFC 9207), so the service cannot tell which of the two sent a \
                    response: register a redirect URI for each of the two applications, and set it as `client.redirect_uri` or \
                    `navigation.redirect_uri`";
        found.errors.push(what.to_owned());
    }
    let mut report = MetadataReport {
        metadata: None,
        errors: found.errors,
        warnings: found.warnings,
        overridden: found.overridden,
    };
    if report.errors.is_empty()
        && let (Some(authorization_endpoint), Some(token_endpoint), Some(jwks_uri), Some(profile)) =
            (authorization, token, jwks, profile)
    {
        report.metadata = Some(Metadata {
            authorization_endpoint,
            token_endpoint,
            jwks_uri,
            userinfo_endpoint: userinfo,
            revocation_endpoint: revocation,
            end_session_endpoint: end_session,
            pushed_authorization_request_endpoint: pushed,
            iss_parameter_supported: has_iss,
            profile,
        });
    }
    report
}
