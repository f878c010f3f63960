//! Export of spans to an OpenTelemetry collector, by OTLP over HTTP.
//!
//! The configuration is that of OpenTelemetry: the environment variables of its specification. Without
//! `OTEL_EXPORTER_OTLP_ENDPOINT` (or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`) the service creates and exports no spans.
//! `docs/observability.md` lists the variables.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry::trace::TracerProvider;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_http::{Bytes, HttpClient as OtlpClient, HttpError as OtlpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::sync::{mpsc, oneshot};
use url::Url;

use crate::http_client::tls::ClientTls;
use crate::http_client::{Client, HttpError, Limits, Proxy, ServerResponse, Sharing};
use crate::telemetry::trace;

/// The default service name.
const SERVICE_NAME: &str = "bff-service";
/// The samplers of the specification that the SDK supports.
const SAMPLERS: [&str; 6] = [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];
/// Maximum number of queued batches.
const MAX_BATCHES: usize = 4;
/// Maximum length of a response of the collector, in bytes.
const MAX_RESPONSE_BYTES: usize = 256 * 1024;
/// Limits of the connections to the collector.
const LIMITS: Limits = Limits {
    connect_timeout: Duration::from_secs(2),
    request_timeout: Duration::from_secs(5),
    max_connections: 50,
    idle: Duration::from_secs(4),
};

/// The exporter of spans.
pub struct Export {
    provider: SdkTracerProvider,
}

/// If the environment names a collector, starts to export spans. Must run where actix runs, once in a process.
///
/// # Errors
/// A variable has an invalid or unsupported value, or the exporter is already running.
pub fn start(env: impl Fn(&str) -> Option<String>) -> Result<Option<Export>, String> {
    let Some(settings) = OtlpSettings::read(env)? else {
        return Ok(None);
    };
    let tls = ClientTls {
        ca_file: settings.certificate.clone().map(Into::into),
        needs_authorities: settings.endpoint.starts_with("https:"),
        certificate: None,
    };
    let tls = tls.load().map_err(|error| {
        format!(
            "OTEL_EXPORTER_OTLP_CERTIFICATE or OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE: loading the certificate \
             authorities for the collector failed: {error}"
        )
    })?;
    // The proxy is only for the authorization server: a collector is normally in the internal network.
    let http = Client::new(&LIMITS, &tls, &Proxy::default());
    let (requests, queue) = mpsc::channel(MAX_BATCHES);
    actix_web::rt::spawn(send_all(http, queue));
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(&settings.endpoint)
        .with_http_client(ActixOtlpClient {
            requests,
            is_failing: AtomicBool::new(false),
        })
        .build()
        .map_err(|error| {
            format!("starting the span exporter failed: {error}: check the OTEL_EXPORTER_OTLP_ variables")
        })?;
    let mut resource = Resource::builder().with_attribute(KeyValue::new("service.version", crate::version::VERSION));
    if !settings.is_named {
        resource = resource.with_service_name(SERVICE_NAME);
    }
    let provider = SdkTracerProvider::builder()
        .with_resource(resource.build())
        .with_batch_exporter(exporter)
        .build();
    let scope = InstrumentationScope::builder(SERVICE_NAME).with_version(crate::version::VERSION);
    if !trace::install(provider.tracer_with_scope(scope.build())) {
        return Err("starting the span exporter failed: another one is already running".to_owned());
    }
    log::info!("exporting spans to {}", settings.shown());
    Ok(Some(Export { provider }))
}

impl Export {
    /// Exports the remaining spans. Call it after the service has stopped.
    pub async fn finish(self) {
        // `shutdown` waits for a request that this thread sends.
        let finished = actix_web::rt::task::spawn_blocking(move || self.provider.shutdown()).await;
        let error = match finished {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        log::warn!("exporting the last spans failed: {error}: check that the collector is running");
    }
}

/// The settings of the environment.
#[derive(Debug, PartialEq, Eq)]
struct OtlpSettings {
    /// The full URL that spans are posted to.
    endpoint: String,
    certificate: Option<String>,
    /// Whether the environment names the service.
    is_named: bool,
}

impl OtlpSettings {
    fn read(env: impl Fn(&str) -> Option<String>) -> Result<Option<OtlpSettings>, String> {
        let env = |name: &str| {
            env(name)
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty())
        };
        let for_traces = |name: &str| {
            let own = format!("OTEL_EXPORTER_OTLP_TRACES_{name}");
            let common = format!("OTEL_EXPORTER_OTLP_{name}");
            env(&own)
                .map(|text| (own, text))
                .or_else(|| env(&common).map(|text| (common, text)))
        };
        if env("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        match env("OTEL_TRACES_EXPORTER").as_deref() {
            None | Some("otlp") => {}
            Some("none") => return Ok(None),
            Some(other) => {
                return Err(format!(
                    "OTEL_TRACES_EXPORTER: unsupported `{other}`: write `otlp`, or `none` for no export"
                ));
            }
        }
        let Some((variable, text)) = for_traces("ENDPOINT") else {
            return Ok(None);
        };
        // The message must not contain the value, which may contain a password.
        let invalid_url = || {
            format!(
                "{variable}: invalid URL: write the URL of the collector, such as http://collector.example.com:4318"
            )
        };
        let mut endpoint = Url::parse(&text).map_err(|_| invalid_url())?;
        if !matches!(endpoint.scheme(), "http" | "https") || endpoint.host().is_none() {
            return Err(invalid_url());
        }
        if !endpoint.username().is_empty() || endpoint.password().is_some() {
            return Err(format!(
                "{variable}: contains a user name or password: write them as a header in OTEL_EXPORTER_OTLP_HEADERS"
            ));
        }
        if variable == "OTEL_EXPORTER_OTLP_ENDPOINT" {
            let path = format!("{}/v1/traces", endpoint.path().trim_end_matches('/'));
            endpoint.set_path(&path);
        }
        if let Some((variable, protocol)) = for_traces("PROTOCOL").filter(|(_, protocol)| protocol != "http/protobuf") {
            return Err(format!(
                "{variable}: unsupported `{protocol}`: write `http/protobuf`, which collectors accept at port 4318"
            ));
        }
        if let Some(sampler) = env("OTEL_TRACES_SAMPLER").filter(|name| !SAMPLERS.contains(&name.as_str())) {
            return Err(format!(
                "OTEL_TRACES_SAMPLER: unsupported `{sampler}`: write one of {}",
                SAMPLERS.join(", ")
            ));
        }
        let attributes = env("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        Ok(Some(OtlpSettings {
            endpoint: endpoint.into(),
            certificate: for_traces("CERTIFICATE").map(|(_, path)| path),
            is_named: env("OTEL_SERVICE_NAME").is_some() || attributes.contains("service.name="),
        }))
    }

    /// The endpoint for the log, without its query, which may contain a key.
    fn shown(&self) -> &str {
        self.endpoint.split('?').next().unwrap_or_default()
    }
}

type Exchange = (Request<Bytes>, oneshot::Sender<Result<ServerResponse, HttpError>>);

/// The SDK exports from its own thread, but the service's connections belong to a thread that runs actix.
#[derive(Debug)]
struct ActixOtlpClient {
    requests: mpsc::Sender<Exchange>,
    /// Whether the last batch failed: only a change is logged.
    is_failing: AtomicBool,
}

#[async_trait]
impl OtlpClient for ActixOtlpClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, OtlpError> {
        let collector = request
            .uri()
            .authority()
            .map_or("the collector", |host| host.as_str())
            .to_owned();
        let (sender, receiver) = oneshot::channel();
        self.requests.send((request, sender)).await?;
        let outcome = receiver.await?;
        let has_failed = !outcome.as_ref().is_ok_and(|response| response.status == 200);
        if has_failed != self.is_failing.swap(has_failed, Relaxed) {
            match &outcome {
                Ok(response) if has_failed => {
                    log::warn!(
                        "exporting spans to {collector} failed: HTTP {}: see the log of the collector",
                        response.status
                    )
                }
                Ok(_) => log::info!("exported spans to {collector} again"),
                Err(error) => {
                    log::warn!("exporting spans to {collector} failed: {error}: check that the collector is running")
                }
            }
        }
        let response = outcome?;
        Ok(Response::builder().status(response.status).body(response.body)?)
    }
}

async fn send_all(http: Client, mut queue: mpsc::Receiver<Exchange>) {
    while let Some((request, sender)) = queue.recv().await {
        let request = request.map(|body| body.to_vec());
        // The request is not about a user, so the connection may be shared.
        let outcome = http.exchange(&request, Sharing::Shared, MAX_RESPONSE_BYTES).await;
        // Without a receiver the SDK has given up on the batch.
        let _ = sender.send(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<OtlpSettings>, String> {
        OtlpSettings::read(|name| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn without_an_endpoint_or_when_switched_off_nothing_is_exported() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[endpoint, ("OTEL_SDK_DISABLED", "true")]), Ok(None));
        assert_eq!(read(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]), Ok(None));
    }

    #[test]
    fn the_endpoint_for_traces_goes_first_and_is_taken_as_it_is() {
        let endpoint = |variables: &[(&str, &str)]| read(variables).unwrap().unwrap().endpoint;
        let common = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/base/");
        assert_eq!(endpoint(&[common]), "http://collector:4318/base/v1/traces");
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://collector/traces");
        assert_eq!(endpoint(&[common, own]), "https://collector/traces");
    }

    #[test]
    fn what_cannot_be_meant_is_told_with_the_variable_and_what_to_write() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
        for (variables, name, hint) in [
            (
                &[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector")][..],
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                "http://",
            ),
            (
                &[("OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://collector:4317")],
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                "http://",
            ),
            (
                &[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
                "OTEL_EXPORTER_OTLP_PROTOCOL",
                "`http/protobuf`",
            ),
            (
                &[endpoint, ("OTEL_TRACES_EXPORTER", "zipkin")],
                "OTEL_TRACES_EXPORTER",
                "`otlp`",
            ),
            (
                &[endpoint, ("OTEL_TRACES_SAMPLER", "often")],
                "OTEL_TRACES_SAMPLER",
                "parentbased_always_on",
            ),
        ] {
            let error = read(variables).unwrap_err();
            assert!(error.starts_with(name) && error.contains(hint), "{error}");
        }
        let error = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:pass@collector:4318")]).unwrap_err();
        assert!(
            error.contains("OTEL_EXPORTER_OTLP_HEADERS") && !error.contains("pass@"),
            "{error}"
        );
    }
}
