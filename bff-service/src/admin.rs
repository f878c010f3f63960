//! The admin listener: for probes and for Prometheus, on an address that browsers do not reach.

use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpResponse, web};

use crate::service::Service;

/// Registers `/healthz`, `/readyz` and `/metrics` in an actix application.
pub fn configure(service: Arc<Service>) -> impl FnOnce(&mut web::ServiceConfig) {
    move |app| {
        let (ready, counted) = (Arc::clone(&service), service);
        app.route(
            "/healthz",
            web::get().to(async || text(HttpResponse::Ok(), "ok\n".to_owned())),
        );
        app.route(
            "/readyz",
            web::get().to(move || {
                let is_ready = ready.provider.ready();
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
                let metrics = counted.metrics.to_text();
                async move { text(HttpResponse::Ok(), metrics) }
            }),
        );
    }
}

fn text(mut response: actix_web::HttpResponseBuilder, body: String) -> HttpResponse {
    response
        .insert_header((CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(body)
}
