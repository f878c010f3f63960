//! The admin listener, on an address that browsers must not reach: for health checks, metrics, the OpenAPI description,
//! ended sessions and `/authorize`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};

use crate::api::{end_sessions, openapi};
use crate::application::Application;
use crate::authorize;
use crate::session::cookies::keys;

const READY_WITHOUT_REDIS: &str = "ready, but Redis is unavailable: replicas do not share ended sessions, and without session affinity \
                                   some refreshes get HTTP 503 refresh_unavailable: check that Redis is running at redis.url\n";

/// The state of the service.
#[derive(Clone, Default)]
pub struct ServiceState {
    /// Whether the service has received SIGTERM and is draining.
    pub is_draining: Arc<AtomicBool>,
    /// Whether the reloaded configuration is invalid.
    pub has_reload_failed: Arc<AtomicBool>,
}

/// Registers `/healthz`, `/readyz`, `/metrics`, `/openapi.json`, the lists of ended sessions, `/end-sessions` and
/// `/authorize` in actix's `App`.
pub fn configure(applications: Vec<Arc<Application>>, state: ServiceState) -> impl FnOnce(&mut web::ServiceConfig) {
    move |app| {
        for application in &applications {
            authorize::configure(application, app);
            end_sessions::configure(application, app);
            let path = match application.config.name() {
                Some(name) => format!("/ended-sessions/{name}"),
                None => "/ended-sessions".to_owned(),
            };
            let application = Arc::clone(application);
            let list = move |request: HttpRequest| {
                let query = request.query_string();
                let known = query.strip_prefix("known=").unwrap_or_default();
                let list = application.ended.to_json(known);
                async move {
                    match list {
                        Some(json) => respond(HttpResponse::Ok(), "application/json", json),
                        None => HttpResponse::NoContent()
                            .insert_header((CACHE_CONTROL, "no-store"))
                            .finish(),
                    }
                }
            };
            app.route(&path, web::get().to(list));
        }
        let described = applications.first().cloned();
        app.route(
            "/openapi.json",
            web::get().to(move || {
                let document = described.as_ref().map(|application| openapi::document(application));
                async move {
                    respond(
                        HttpResponse::Ok(),
                        "application/json",
                        document.unwrap_or_default().to_string(),
                    )
                }
            }),
        );
        let measured = applications.clone();
        let is_draining = state.is_draining;
        let ready = applications;
        app.route(
            "/healthz",
            web::get().to(async || respond_with_text(HttpResponse::Ok(), "ok\n".to_owned())),
        );
        app.route(
            "/readyz",
            web::get().to(move || {
                let is_ready = ready
                    .iter()
                    .all(|application| application.authorization_server.is_ready());
                let is_draining = is_draining.load(Relaxed);
                let is_redis_unavailable = ready.iter().any(|application| application.is_redis_unavailable());
                async move {
                    match (is_draining, is_ready) {
                        (true, _) => {
                            respond_with_text(HttpResponse::ServiceUnavailable(), "shutting down\n".to_owned())
                        }
                        // Without Redis a replica serves almost everything: not being ready would end all of it.
                        (false, true) if is_redis_unavailable => {
                            respond_with_text(HttpResponse::Ok(), READY_WITHOUT_REDIS.to_owned())
                        }
                        (false, true) => respond_with_text(HttpResponse::Ok(), "ready\n".to_owned()),
                        (false, false) => respond_with_text(
                            HttpResponse::ServiceUnavailable(),
                            "authorization server metadata and JWKS are not loaded\n".to_owned(),
                        ),
                    }
                }
            }),
        );
        app.route(
            "/metrics",
            web::get().to(move || {
                let ended = measured.iter().map(|application| application.ended.len()).sum();
                let ready = measured.iter().all(|application| application.authorization_server.is_ready());
                let redis_unavailable = measured.iter().any(|application| application.is_redis_unavailable());
                let metrics = measured.first().map(|application| &application.metrics);
                let mut metrics = metrics
                    .map(|metrics| metrics.to_text(ended, ready, redis_unavailable))
                    .unwrap_or_default();
                let keys = measured.iter().map(|of| (of.config.name(), &*of.live.cookie_keys));
                metrics.push_str(&keys::metrics(keys));
                metrics.push_str(&format!(
                    "# HELP bff_reread_refused Whether the reloaded configuration is invalid and the previous one stays in force: 1 or 0.\n\
                     # TYPE bff_reread_refused gauge\nbff_reread_refused {}\n",
                    u8::from(state.has_reload_failed.load(Relaxed))
                ));
                async move { respond_with_text(HttpResponse::Ok(), metrics) }
            }),
        );
    }
}

fn respond_with_text(response: HttpResponseBuilder, body: String) -> HttpResponse {
    respond(response, "text/plain; version=0.0.4; charset=utf-8", body)
}

fn respond(mut response: HttpResponseBuilder, kind: &'static str, body: String) -> HttpResponse {
    response
        .insert_header((CONTENT_TYPE, kind))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(body)
}
