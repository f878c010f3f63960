//! Negotiates the features of the client and the authorization server. The configuration decides, and for the fields
//! that it leaves out, the metadata.

use serde::Deserialize;

use crate::config::{ClientAuthentication, Config, ResponseMode};
use crate::jose::algorithm::{Algorithm, NamedAlgorithm};

/// The members of the metadata with the capabilities of the authorization server.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    code_challenge_methods_supported: Option<Vec<String>>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    token_endpoint_auth_signing_alg_values_supported: Option<Vec<String>>,
    id_token_signing_alg_values_supported: Option<Vec<String>>,
    response_types_supported: Option<Vec<String>>,
    response_modes_supported: Option<Vec<String>>,
    request_object_signing_alg_values_supported: Option<Vec<String>>,
    dpop_signing_alg_values_supported: Option<Vec<String>>,
    require_pushed_authorization_requests: Option<bool>,
    require_signed_request_object: Option<bool>,
}

/// The negotiated features.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The client authentication method.
    pub authentication: ClientAuthentication,
    /// The algorithm of client assertions, if the client has a key that fits.
    pub assertion: Option<NamedAlgorithm>,
    /// Whether authorization requests are pushed (PAR).
    pub push: bool,
    /// The algorithm of request objects (JAR), if authorization requests are signed.
    pub request_object: Option<NamedAlgorithm>,
    /// The algorithm of DPoP proofs, if the metadata determine one.
    pub dpop: Option<NamedAlgorithm>,
}

/// Findings, one message each.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Why the metadata are unusable.
    pub(super) errors: Vec<String>,
    /// What probably does not work.
    pub(super) warnings: Vec<String>,
    /// Where the configuration deliberately differs from the metadata.
    pub(super) overridden: Vec<String>,
}

/// Negotiates the features, and adds conflicts to `found`.
pub(super) fn negotiate(
    published: &Capabilities,
    has_push_endpoint: bool,
    config: &Config,
    has_secret: bool,
    found: &mut Findings,
) -> Option<Profile> {
    let (client, keys) = (&config.client, config.client_keys());
    if is_missing(&published.code_challenge_methods_supported, "S256") {
        let what = "the authorization server does not support PKCE with S256 (code_challenge_methods_supported): \
                    enable it there for this client";
        found.errors.push(what.to_owned());
    }
    if is_missing(&published.response_types_supported, "code") {
        let what = "the authorization server does not support response_type `code` (response_types_supported): \
                    enable the authorization code flow there";
        found.warnings.push(what.to_owned());
    }
    if client.response_mode == ResponseMode::Jwt
        && is_missing(&published.response_modes_supported, "jwt")
        && is_missing(&published.response_modes_supported, "query.jwt")
    {
        let what = "`client.response_mode` is `jwt`, which the authorization server does not support \
                    (response_modes_supported): remove `client.response_mode`";
        found.errors.push(what.to_owned());
    }
    if let Some(names) = &published.id_token_signing_alg_values_supported {
        let accepted = &config.authorization_server.id_token_algorithms;
        let is_accepted = |name: &String| {
            Algorithm::of(name).is_some_and(|algorithm| config.id_token_algorithms().contains(&algorithm))
        };
        if !names.iter().any(is_accepted) {
            found.warnings.push(format!(
                "none of `authorization_server.id_token_algorithms` ({}) is used by the authorization server \
                 (id_token_signing_alg_values_supported): add the algorithm of its ID tokens",
                accepted.join(", ")
            ));
        }
    }
    if let Some(key) = &keys.dpop {
        let names = published.dpop_signing_alg_values_supported.as_deref();
        match names {
            None => found.warnings.push(
                "`client.dpop_key_file` is set, but the authorization server does not say that it supports DPoP \
                 (dpop_signing_alg_values_supported): if sign-ins fail, remove the field"
                    .to_owned(),
            ),
            Some(names) if key.choose(Some(names)).is_none() => found.errors.push(format!(
                "the key of `client.dpop_key_file` fits none of the authorization server's algorithms ({}): write a \
                 key for one of them",
                names.join(", ")
            )),
            Some(_) => {}
        }
    }
    let authentication = authentication(published, config, has_secret, found);
    let assertion = algorithm(
        config,
        published.token_endpoint_auth_signing_alg_values_supported.as_deref(),
    );
    if authentication == Some(ClientAuthentication::PrivateKeyJwt) && assertion.is_none() {
        let what = "the first key of `client.signing_key_files` fits none of the algorithms that the authorization \
                    server accepts for `private_key_jwt` (token_endpoint_auth_signing_alg_values_supported): \
                    put a key for one of them first";
        found.errors.push(what.to_owned());
    }
    let push = client
        .pushed_authorization_requests
        .unwrap_or(published.require_pushed_authorization_requests == Some(true));
    if push && !has_push_endpoint {
        let what = "missing `pushed_authorization_request_endpoint` for pushed authorization requests: set \
                    `client.pushed_authorization_requests` to false, or name the endpoint as \
                    `authorization_server.pushed_authorization_request_endpoint`";
        found.errors.push(what.to_owned());
    }
    if !push && published.require_pushed_authorization_requests == Some(true) {
        let what = "`client.pushed_authorization_requests` is false, but the authorization server requires pushed \
                    authorization requests: remove the field";
        found.errors.push(what.to_owned());
    }
    let request_object = request_object(published, config, found);
    let dpop_names = published.dpop_signing_alg_values_supported.as_deref();
    Some(Profile {
        authentication: authentication?,
        assertion,
        push,
        request_object,
        dpop: keys.dpop.as_ref().and_then(|key| key.choose(Some(dpop_names?))),
    })
}

/// The configured method. Without one, the strongest that the client has credentials for and the authorization server
/// supports.
fn authentication(
    published: &Capabilities,
    config: &Config,
    has_secret: bool,
    found: &mut Findings,
) -> Option<ClientAuthentication> {
    let is_supported = |method: &ClientAuthentication| {
        // The default is `client_secret_basic` (RFC 8414, section 2).
        match &published.token_endpoint_auth_methods_supported {
            Some(names) => names.iter().any(|name| name == method.as_str()),
            None => *method == ClientAuthentication::ClientSecretBasic,
        }
    };
    if let Some(method) = config.client.authentication {
        if published.token_endpoint_auth_methods_supported.is_some() && !is_supported(&method) {
            // An authorization server may support more than it publishes, which is why the field exists.
            found.overridden.push(format!(
                "`client.authentication` is `{}`, which the authorization server does not list \
                 (token_endpoint_auth_methods_supported), and it is used as configured: if the authorization server answers \
                 `invalid_client`, remove the field",
                method.as_str()
            ));
        }
        return Some(method);
    }
    let possible: Vec<ClientAuthentication> = ClientAuthentication::ALL
        .into_iter()
        .filter(|method| match method {
            ClientAuthentication::PrivateKeyJwt => !config.client_keys().signing.is_empty(),
            ClientAuthentication::TlsClientAuth | ClientAuthentication::SelfSignedTlsClientAuth => {
                config.client.certificate_file.is_some()
            }
            ClientAuthentication::ClientSecretBasic | ClientAuthentication::ClientSecretPost => has_secret,
        })
        .collect();
    let chosen = possible.iter().copied().find(is_supported);
    if chosen.is_none() {
        let names: Vec<&str> = possible.iter().map(|method| method.as_str()).collect();
        found.errors.push(format!(
            "this client has credentials for {}, and the metadata of the authorization server list none of these \
             methods (token_endpoint_auth_methods_supported): if the authorization server supports one of them, set \
             `client.authentication` to it",
            names.join(", ")
        ));
    }
    chosen
}

/// The algorithm of request objects, if authorization requests are signed.
fn request_object(published: &Capabilities, config: &Config, found: &mut Findings) -> Option<NamedAlgorithm> {
    let required = published.require_signed_request_object == Some(true);
    let wanted = config.client.signed_request_objects;
    if required && wanted == Some(false) {
        let what = "`client.signed_request_objects` is false, but the authorization server requires signed request \
                    objects: remove the field";
        found.errors.push(what.to_owned());
    }
    if !wanted.unwrap_or(required) {
        return None;
    }
    let chosen = algorithm(config, published.request_object_signing_alg_values_supported.as_deref());
    if chosen.is_none() {
        let what = "authorization requests are signed, but the first key of `client.signing_key_files` is missing or \
                    fits none of the authorization server's algorithms \
                    (request_object_signing_alg_values_supported): put a key for one of them first";
        found.errors.push(what.to_owned());
    }
    chosen
}

fn algorithm(config: &Config, published: Option<&[String]>) -> Option<NamedAlgorithm> {
    let keys = config.client_keys();
    let key = keys.signing.first()?;
    keys.algorithm.or_else(|| key.choose(published))
}

/// Whether the authorization server publishes values, without this one.
fn is_missing(published: &Option<Vec<String>>, value: &str) -> bool {
    published
        .as_ref()
        .is_some_and(|values| !values.iter().any(|candidate| candidate == value))
}
