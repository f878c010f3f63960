//! `bff-service check`: validates the configuration, and checks Redis, the authorization server and the client's
//! credentials.

use std::path::Path;
use std::sync::Arc;

use crate::config::{self, ClientAuthentication, Config, ResponseMode, UserInfoSource};
use crate::jose::jwks::KeySet;
use crate::oauth::AuthorizationServer;
use crate::oauth::discovery;
use crate::oauth::http::{HttpClient, MAX_DOCUMENT_BYTES};
use crate::oauth::metadata::{self, Metadata};
use crate::telemetry::server_endpoint::ServerEndpoint;

mod client;
mod introspection;
mod redis;
mod report;

pub use self::report::Report;

/// Validates the configuration, then connects to Redis and to the authorization server, for each application. Must be
/// called in an actix runtime.
pub async fn check(path: &Path, env: impl Fn(&str) -> Option<String>) -> Report {
    let mut report = Report::default();
    match config::load(path, env) {
        Err(error) => report.errors.extend(error.errors().iter().map(ToString::to_string)),
        Ok(configs) => {
            report.valid.push(format!("{} is valid", path.display()));
            for config in configs {
                let name = config.name().map(str::to_owned);
                let mut own = Report::default();
                own.warnings.extend(config.warnings().iter().cloned());
                redis::check_redis(&config, &mut own).await;
                check_authorization_server(&Arc::new(config), &mut own).await;
                report.add(own, name.as_deref());
            }
        }
    }
    report
}

/// Checks the authorization server of a valid configuration: its metadata, its keys, and whether it accepts the client.
pub async fn check_authorization_server(config: &Arc<Config>, report: &mut Report) {
    let server = match AuthorizationServer::new(config, &Arc::default()) {
        Ok(server) => server,
        Err(error) => {
            report.errors.extend(error.errors().iter().map(ToString::to_string));
            return;
        }
    };
    let http = server.http_client();
    let issuer = &config.authorization_server.issuer;
    report.valid.extend(describe_proxy(config));
    let has_secret = config.client_secret().is_some();
    let examined = match config.authorization_server.discovery {
        false => metadata::from_config(config, has_secret),
        true => match discovery::fetch(&http, issuer).await {
            Ok(document) => metadata::examine(&document, config, has_secret),
            Err(error) => {
                report.errors.push(error);
                return;
            }
        },
    };
    report.errors.extend(examined.errors);
    // The service starts with these, but probably nobody can sign in.
    report.errors.extend(examined.warnings);
    report.warnings.extend(examined.overridden);
    let Some(metadata) = examined.metadata else { return };
    report.valid.push(match config.authorization_server.discovery {
        true => format!("loaded metadata of {issuer}"),
        false => format!("read the endpoints of {issuer} from the configuration"),
    });
    describe(config, &metadata, report);
    check_endpoints(config, &metadata, report);
    introspection::check_encoding(config, &metadata, report);
    check_keys(config, &http, &metadata, report).await;
    introspection::check_introspection(config, &http, report).await;
    client::check_credentials(config, server, report).await;
    report.not_tested.push(
        "whether `client.redirect_uri` and `client.post_logout_redirect_uri` are registered at the authorization server: \
         sign in and out once"
            .to_owned(),
    );
}

/// Describes whether the service connects to the authorization server through the proxy that the environment names.
fn describe_proxy(config: &Config) -> Option<String> {
    let proxy = config.proxy().server()?;
    let issuer = config.issuer_url();
    let is_used = issuer.scheme() == "https" && {
        let port = issuer.port_or_known_default()?;
        config.proxy().server_for(issuer.host_str()?, port).is_some()
    };
    Some(match is_used {
        true => format!("connections to the authorization server: through the proxy {proxy}"),
        false => format!(
            "connections to the authorization server: without the proxy {proxy} (the issuer uses http, is on this machine, or \
             is in NO_PROXY)"
        ),
    })
}

/// Adds the negotiated features of the client and the authorization server.
fn describe(config: &Config, metadata: &Metadata, report: &mut Report) {
    let profile = &metadata.profile;
    let mut how = vec![format!("client authentication: {}", profile.authentication.as_str())];
    how.push(match (profile.push, profile.request_object) {
        (false, None) => "authorization requests: front channel (no PAR)".to_owned(),
        (true, None) => "authorization requests: pushed (PAR)".to_owned(),
        (false, Some(algorithm)) => format!("authorization requests: signed with {algorithm:?}, front channel"),
        (true, Some(algorithm)) => format!("authorization requests: signed with {algorithm:?} and pushed (PAR)"),
    });
    if config.client.response_mode == ResponseMode::Jwt {
        how.push("authorization responses: signed (JARM)".to_owned());
    }
    if config.client_keys().dpop.is_some() {
        how.push("tokens: bound to a key (DPoP)".to_owned());
    }
    report.valid.push(how.join("; "));
}

fn check_endpoints(config: &Config, metadata: &Metadata, report: &mut Report) {
    if config.userinfo_source == UserInfoSource::UserinfoEndpoint && metadata.userinfo_endpoint.is_none() {
        report.errors.push(
            "userinfo_source: missing `userinfo_endpoint` in the metadata: set \
             `authorization_server.userinfo_endpoint`, or write `id_token`"
                .to_owned(),
        );
    }
    match &metadata.end_session_endpoint {
        None => report.warnings.push(
            "missing `end_session_endpoint`, so after a logout the user is still signed in at the authorization server: if \
             that server has one, set `authorization_server.end_session_endpoint`"
                .to_owned(),
        ),
        Some(_) if !config.client.send_id_token_hint => report.warnings.push(
            "logout sends no `id_token_hint`, so most authorization servers ask the user whether to sign out, and some \
             refuse the request: if an ID token in a URL is acceptable, set `client.send_id_token_hint` to true"
                .to_owned(),
        ),
        Some(_) => {}
    }
    if metadata.revocation_endpoint.is_none() {
        report.warnings.push(
            "missing `revocation_endpoint`, so after a logout the refresh token stays valid until it expires: if the \
             authorization server has one, set `authorization_server.revocation_endpoint`"
                .to_owned(),
        );
    }
    // A signed response (JARM) has its issuer.
    if !metadata.iss_parameter_supported && config.client.response_mode != ResponseMode::Jwt {
        report.warnings.push(
            "the authorization server does not announce `iss` in its responses (RFC 9207): write a `client.redirect_uri` \
             that is registered at no other authorization server"
                .to_owned(),
        );
    }
    if metadata.profile.authentication == ClientAuthentication::ClientSecretPost
        && !introspection::has_credentials_to_encode(config)
    {
        report.warnings.push(
            "the client authentication method is `client_secret_post`, which RFC 6749, section 2.3.1, does not \
             recommend: if the authorization server supports `client_secret_basic`, set `client.authentication` to it"
                .to_owned(),
        );
    }
}

async fn check_keys(config: &Config, http: &HttpClient, metadata: &Metadata, report: &mut Report) {
    const CHECK_URL: &str = "check `jwks_uri` of the metadata, or set `authorization_server.jwks_uri`";
    let url = metadata.jwks_uri.as_str();
    let response = match http.get(ServerEndpoint::Jwks, url, &[], MAX_DOCUMENT_BYTES).await {
        Ok(response) if response.status == 200 => response,
        Ok(response) => {
            report.errors.push(format!(
                "fetching the JWKS failed: {url}: HTTP {}: {CHECK_URL}",
                response.status
            ));
            return;
        }
        Err(error) => {
            report
                .errors
                .push(format!("fetching the JWKS failed: {url}: {error}: {CHECK_URL}"));
            return;
        }
    };
    match KeySet::parse(&response.body) {
        Err(error) => report.errors.push(format!("invalid JWKS: {url}: {error}: {CHECK_URL}")),
        Ok(keys) if keys.has_key_for_any(config.id_token_algorithms()) => {
            report.valid.push(format!("loaded JWKS from {url} (usable signing keys: {})", keys.len()));
        }
        Ok(_) => report.errors.push(format!(
            "no key of the JWKS at {url} fits `authorization_server.id_token_algorithms`: add an algorithm of these keys"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(issuer: &str, no_proxy: &str) -> Option<String> {
        let text = format!(
            "demo = true
            trusted_web_origins = ['https://www.example.com']
            authorization_server.issuer = '{issuer}'
            client = {{id = 'a', secret = 'b', redirect_uri = 'https://www.example.com/', scope = 'openid'}}
            keys.ring = '8f0f3f7c0e5d4b6a9c2e1d3b5a7f9e8d6c4b2a1f0e9d8c7b6a5f4e3d2c1b0a98'"
        );
        let variables = |name: &str| match name {
            "HTTPS_PROXY" => Some("http://user:passphrase@proxy.example.com:3128".to_owned()),
            "NO_PROXY" => Some(no_proxy.to_owned()),
            _ => None,
        };
        describe_proxy(&Config::parse(&text, variables).unwrap())
    }

    #[test]
    fn whether_the_proxy_is_used_is_said_without_its_credentials() {
        for (issuer, no_proxy, is_used) in [
            ("https://login.example.com", "", true),
            ("https://login.example.com", "example.com", false),
            ("https://login.example.com:8443", "login.example.com:443", true),
            ("https://login.example.localhost:8443", "", false),
            ("http://login.example.com", "", false),
        ] {
            let said = described(issuer, no_proxy).unwrap();
            let expected = match is_used {
                true => "through the proxy http://proxy.example.com:3128 (HTTPS_PROXY)",
                false => "without the proxy http://proxy.example.com:3128 (HTTPS_PROXY)",
            };
            assert!(
                said.contains(expected) && !said.contains("passphrase"),
                "{issuer}: {said}"
            );
        }
    }
}
