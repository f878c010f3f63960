//! The ways in which a server's settings and ours are combined.

use bff_tests::echoing_api::EchoingApi;
use bff_tests::setup;
use demo_system::{Component, System, files};
use serde_json::Value;

use crate::gateway;
use crate::page::Page;
use crate::servers::Server;
use crate::site::Site;

/// The workers of Envoy in a variant with token exchange.
pub(crate) const WORKERS: u32 = 4;

/// One of the ways.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variant {
    /// What is different, for the terminal and the notes.
    pub(crate) what: &'static str,
    /// The block of the filter's stage for opaque access tokens. `None`: there is no such stage at the entry point "web".
    pub(crate) filter: Option<&'static str>,
    /// What the filter forwards.
    pub(crate) form: Form,
    /// Settings of the service beside those of the page: names of environment variables, and values.
    pub(crate) service: &'static [(&'static str, &'static str)],
    /// Parameters of each authorization request.
    pub(crate) parameters: &'static [(&'static str, &'static str)],
    /// Whether the claims of `/userInfo` come from the userinfo endpoint.
    pub(crate) userinfo_endpoint: bool,
    /// Whether a logout sends the ID token.
    pub(crate) hint: bool,
    /// Whether the stage has no introspection endpoint, although the block has one.
    pub(crate) without_introspection: bool,
    /// Whether the filter is the native module.
    pub(crate) native: bool,
}

impl Variant {
    /// The defaults of a variant.
    pub(crate) const PLAIN: Variant = Variant {
        what: "",
        filter: None,
        form: Form::Jwt,
        service: &[],
        parameters: &[],
        userinfo_endpoint: false,
        hint: false,
        without_introspection: false,
        native: false,
    };
}

/// What the filter makes of an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// It forwards the JWT that introspection returns.
    Exchanged,
    /// It forwards the access token itself, a JWT that introspection has found active.
    Checked,
    /// It forwards the access token itself, a JWT, without introspection.
    Jwt,
    /// It forwards claims in headers, to an API that shows what it receives.
    Claims,
    /// It forwards an access token of the API's audience, by token exchange (RFC 8693).
    TokenExchange,
}

/// The settings of the page and of a variant together.
pub(crate) struct Settings {
    service: Vec<(String, String)>,
    pub(crate) stage: Option<Value>,
    /// The stage for bearer tokens, which are always introspected before an exchange.
    bearer_stage: Option<Value>,
}

impl Settings {
    /// Combines the settings of a variant with those of the page.
    pub(crate) fn of(variant: &Variant, page: &Page) -> Result<Settings, String> {
        let mut service = page.service()?;
        let mut set = |name: &str, value: &str| service.push((name.to_owned(), value.to_owned()));
        if variant.userinfo_endpoint {
            set("BFF_USERINFO_SOURCE", "userinfo_endpoint");
        }
        set("BFF_CLIENT__SEND_ID_TOKEN_HINT", &variant.hint.to_string());
        for (name, value) in variant.service {
            set(name, value);
        }
        let bearer_stage = variant.filter.map(|block| page.stage(block)).transpose()?;
        let mut stage = bearer_stage.clone();
        if variant.without_introspection
            && let Some(stage) = &mut stage
        {
            let mut remove = |pointer: &str, name: &str| {
                let members = stage.pointer_mut(pointer).and_then(Value::as_object_mut);
                members.and_then(|members| members.remove(name));
            };
            remove("", gateway::INTROSPECTION_ENDPOINT);
            remove("", "ignore_cache_control");
            remove("/token_exchange", "subject_audience");
        }
        Ok(Settings {
            service,
            stage,
            bearer_stage,
        })
    }

    /// The audience of the API's tokens, if the filter requests it.
    fn audience(&self) -> Option<&str> {
        self.stage.as_ref()?["token_exchange"]["audience"].as_str()
    }

    /// A setting of the service, by the name of its environment variable.
    pub(crate) fn service(&self, name: &str) -> Option<&str> {
        let last = self.service.iter().rev().find(|(found, _)| found == name);
        last.map(|(_, value)| value.as_str())
    }
}

/// Starts the system, without an authorization server of its own.
pub(crate) fn start(
    site: &Site,
    server: &dyn Server,
    variant: &Variant,
    settings: &Settings,
) -> Result<System, String> {
    let mut options = site.options();
    let mut artifacts = setup::artifacts();
    if variant.native {
        artifacts.filter = setup::native_module();
    }
    let secrets = options.directory.join("secrets");
    files::create_dir(&secrets)?;
    files::write(&secrets.join("client-secret"), site.client_secret())?;
    let gateway = site.secret_of(settings.stage.as_ref(), settings.service("BFF_CLIENT__ID"));
    files::write(&secrets.join("gateway-client-secret"), gateway)?;
    let template = files::read(&artifacts.envoy_config)?;
    let mut template = gateway::with_stages(&template, settings.stage.as_ref(), settings.bearer_stage.as_ref())?;
    if let Some(address) = server.introspection(site) {
        template = gateway::with_introspection_at(&template, address)?;
    }
    artifacts.envoy_config = options.directory.join("envoy-template.yaml");
    files::write(&artifacts.envoy_config, template)?;
    options.without.push(Component::AuthorizationServer);
    if variant.form == Form::Claims {
        options.dial_api = Some(EchoingApi::start().1);
    }
    if variant.form == Form::TokenExchange {
        options.envoy_concurrency = Some(WORKERS);
    }
    let service = settings.service.iter();
    options
        .environment
        .extend(service.map(|(name, value)| (Component::Bff, name.clone(), value.clone())));
    let jwks = format!("http://{}{}", server.keys(site), server.jwks_path());
    let issuer = settings.service("BFF_AUTHORIZATION_SERVER__ISSUER").unwrap_or_default();
    options.environment.extend([
        (Component::Api, "ISSUER".to_owned(), issuer.to_owned()),
        (Component::Api, "JWKS_URI".to_owned(), jwks),
        (
            Component::Api,
            "AUDIENCE".to_owned(),
            settings.audience().map_or_else(|| server.audience(site), str::to_owned),
        ),
        (Component::Api, "TOKEN_TYPE".to_owned(), server.token_type().to_owned()),
    ]);
    System::start(&artifacts, options).map_err(|error| error.to_string())
}
