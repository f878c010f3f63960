//! The admin listener: for probes and for Prometheus, on an address that browsers do not reach.

use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};

use crate::api::openapi;
use crate::application::Application;
use crate::authorize;

/// Registers `/healthz`, `/readyz`, `/metrics`, `/openapi.json`, the lists of ended sessions and `/authorize` in an actix
/// application.
pub fn configure(applications: Vec<Arc<Application>>) -> impl FnOnce(&mut web::ServiceConfig) {
    move |app| {
        for application in &applications {
            authorize::configure(application, app);
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
                        Some(json) => answer(HttpResponse::Ok(), "application/json", json),
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
                    answer(
                        HttpResponse::Ok(),
                        "application/json",
                        document.unwrap_or_default().to_string(),
                    )
                }
            }),
        );
        let measured = applications.clone();
        let ready = applications;
        app.route(
            "/healthz",
            web::get().to(async || text(HttpResponse::Ok(), "ok\n".to_owned())),
        );
        app.route(
            "/readyz",
            web::get().to(move || {
                let is_ready = ready.iter().all(|application| application.provider.ready());
                async move {
                    match is_ready {
                        true => text(HttpResponse::Ok(), "ready\n".to_owned()),
                        false => text(
                            HttpResponse::ServiceUnavailable(),
                            "the authorization server's metadata or keys are not loaded\n".to_owned(),
                        ),
                    }
                }
            }),
        );
        app.route(
            "/metrics",
            web::get().to(move || {
                let ended = measured.iter().map(|application| application.ended.len()).sum();
                let ready = measured.iter().all(|application| application.provider.ready());
                let metrics = measured.first().map(|application| &application.metrics);
                let metrics = metrics.map(|metrics| metrics.to_text(ended, ready)).unwrap_or_default();
                async move { text(HttpResponse::Ok(), metrics) }
            }),
        );
    }
}

fn text(response: HttpResponseBuilder, body: String) -> HttpResponse {
    answer(response, "text/plain; version=0.0.4; charset=utf-8", body)
}

fn answer(mut response: HttpResponseBuilder, kind: &'static str, body: String) -> HttpResponse {
    response
        .insert_header((CONTENT_TYPE, kind))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(body)
}
