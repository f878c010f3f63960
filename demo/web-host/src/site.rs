//! The site: the application's files, its runtime configuration, and the fallback for deep links.

use actix_files::{Files, NamedFile};
use actix_web::dev::{ServiceRequest, ServiceResponse, fn_service};
use actix_web::http::Method;
use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::config::Config;
use crate::control;

/// Routes for the folder that `config` names.
pub(crate) fn configure(config: &Config) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
    let directory = config.content_dir.clone();
    let control = config.control.clone();
    move |service| {
        if let Some(control) = control {
            control::configure(control)(service);
        }
        let index = directory.join("index.html");
        let files = Files::new("/", directory)
            .index_file("index.html")
            .disable_content_disposition()
            .default_handler(fn_service(move |request: ServiceRequest| {
                fallback(request, index.clone())
            }));
        service
            .route("/config.json", web::get().to(runtime_config))
            .service(files);
    }
}

/// The page's runtime configuration, so that one build serves every domain.
async fn runtime_config(config: web::Data<Config>) -> HttpResponse {
    let api_origin = &config.api_origin;
    HttpResponse::Ok().json(json!({
        "bffBaseUrl": format!("{api_origin}/bff"),
        "apiBaseUrl": format!("{api_origin}/api"),
        "cookieNamePrefix": "example",
        "takesCommands": config.control.is_some(),
    }))
}

/// The response if there is no such file. GET of a path that could be a view of the application gets the application's page.
/// GET of any other path gets HTTP 404: the response for a missing script must not be a page. Another method gets HTTP 405.
async fn fallback(request: ServiceRequest, index: std::path::PathBuf) -> Result<ServiceResponse, actix_web::Error> {
    let (request, _) = request.into_parts();
    let response = if !matches!(*request.method(), Method::GET | Method::HEAD) {
        HttpResponse::MethodNotAllowed().finish()
    } else if is_view(request.path()) {
        NamedFile::open(index)?
            .disable_content_disposition()
            .into_response(&request)
    } else {
        HttpResponse::NotFound().finish()
    };
    Ok(ServiceResponse::new(request, response))
}

fn is_view(path: &str) -> bool {
    !path.starts_with("/assets/")
        && path
            .rsplit('/')
            .next()
            .is_some_and(|last| !last.contains(['.', '%', '\\']))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use actix_web::http::{StatusCode, header};
    use actix_web::middleware::from_fn;
    use actix_web::{App, test};
    use serde_json::Value;

    use super::*;

    const SCRIPT: &str = "script script script script script script script script script script";

    /// A folder with a page, an asset, a hidden file, and a secret beside the folder.
    fn site() -> (tempfile::TempDir, Config) {
        let directory = tempfile::tempdir().expect("a folder");
        let content_dir = directory.path().join("dist");
        fs::create_dir_all(content_dir.join("assets")).expect("a folder");
        for (name, text) in [
            ("dist/index.html", "<!doctype html>page"),
            ("dist/assets/index-abc.js", SCRIPT),
            ("dist/.env", "hidden"),
            ("secret.txt", "secret"),
        ] {
            fs::write(directory.path().join(name), text).expect("a file");
        }
        let config = Config {
            host: String::new(),
            port: 0,
            content_dir,
            api_origin: "https://api.example.localhost:8443".to_owned(),
            control: None,
        };
        (directory, config)
    }

    async fn request(method: Method, path: &str) -> (StatusCode, header::HeaderMap, String) {
        let (status, headers, body) = request_accepting(method, path, "").await;
        (status, headers, String::from_utf8_lossy(&body).into_owned())
    }

    async fn request_accepting(
        method: Method,
        path: &str,
        encodings: &str,
    ) -> (StatusCode, header::HeaderMap, Vec<u8>) {
        let (_directory, config) = site();
        let compressed = crate::compressed::Compressed::of(&config.content_dir).expect("compressed");
        let app = App::new()
            .wrap(from_fn(crate::compressed::serve))
            .wrap(from_fn(crate::headers::add))
            .configure(configure(&config))
            .app_data(web::Data::new(compressed))
            .app_data(web::Data::new(config));
        let mut request = test::TestRequest::default().method(method).uri(path);
        if !encodings.is_empty() {
            request = request.insert_header((header::ACCEPT_ENCODING, encodings));
        }
        let request = request.to_request();
        let response = test::call_service(&test::init_service(app).await, request).await;
        let (status, headers) = (response.status(), response.headers().clone());
        (status, headers, test::read_body(response).await.to_vec())
    }

    async fn get(path: &str) -> (StatusCode, header::HeaderMap, String) {
        request(Method::GET, path).await
    }

    #[actix_web::test]
    async fn the_page_is_served_at_the_root_and_at_deep_links_and_never_from_a_cache_unasked() {
        for path in ["/", "/index.html", "/orders/42", "/orders/?code=a.b", "/callback"] {
            let (status, headers, body) = get(path).await;
            assert_eq!(
                (status, body.as_str()),
                (StatusCode::OK, "<!doctype html>page"),
                "{path}"
            );
            assert_eq!(
                headers.get(header::CACHE_CONTROL).map(|v| v.as_bytes()),
                Some(&b"no-cache"[..])
            );
            assert!(
                headers
                    .get(header::CONTENT_TYPE)
                    .is_some_and(|value| value.as_bytes().starts_with(b"text/html"))
            );
        }
    }

    #[actix_web::test]
    async fn assets_may_be_cached_for_ever() {
        let (status, headers, _) = get("/assets/index-abc.js").await;
        assert_eq!(status, StatusCode::OK);
        let cache = headers.get(header::CACHE_CONTROL).and_then(|value| value.to_str().ok());
        assert!(cache.is_some_and(|text| text.contains("immutable")));
    }

    #[actix_web::test]
    async fn a_script_is_compressed_for_those_who_take_it_and_caches_are_told() {
        let text = |headers: &header::HeaderMap, name: header::HeaderName| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.map(str::to_owned)
        };
        for (accepted, is_compressed) in [
            ("gzip, deflate, br, zstd", true),
            ("gzip;q=0.5", true),
            ("", false),
            ("br", false),
            ("gzip;q=0", false),
            ("identity", false),
        ] {
            let (status, headers, body) = request_accepting(Method::GET, "/assets/index-abc.js", accepted).await;
            assert_eq!(status, StatusCode::OK);
            let script = match is_compressed {
                true => {
                    let mut script = String::new();
                    let mut decoder = flate2::read::GzDecoder::new(body.as_slice());
                    std::io::Read::read_to_string(&mut decoder, &mut script).expect("gzip");
                    assert!(body.len() < SCRIPT.len());
                    script
                }
                false => String::from_utf8(body).expect("text"),
            };
            assert_eq!(script, SCRIPT, "{accepted}");
            let encoding = text(&headers, header::CONTENT_ENCODING);
            assert_eq!(encoding.as_deref(), is_compressed.then_some("gzip"), "{accepted}");
            assert_eq!(text(&headers, header::VARY).as_deref(), Some("accept-encoding"));
            assert!(text(&headers, header::CACHE_CONTROL).is_some_and(|cache| cache.contains("immutable")));
            assert!(text(&headers, header::CONTENT_TYPE).is_some_and(|kind| kind.contains("javascript")));
        }
        let (status, headers, _) = request_accepting(Method::POST, "/assets/index-abc.js", "gzip").await;
        assert!(status.is_client_error() && !headers.contains_key(header::CONTENT_ENCODING));
    }

    #[actix_web::test]
    async fn what_is_missing_is_not_found_and_not_cached() {
        for path in [
            "/assets/index-old.js",
            "/assets/none",
            "/favicon.ico",
            "/.env",
            "/orders/42.json",
        ] {
            let (status, headers, body) = get(path).await;
            assert!(status.is_client_error(), "{path}");
            assert_eq!(
                headers.get(header::CACHE_CONTROL).map(|v| v.as_bytes()),
                Some(&b"no-cache"[..])
            );
            assert!(!body.contains("page") && !body.contains("hidden"), "{path}");
        }
    }

    #[actix_web::test]
    async fn paths_do_not_leave_the_folder() {
        for path in [
            "/../secret.txt",
            "/assets/../../secret.txt",
            "/%2e%2e/secret.txt",
            "/..%2fsecret.txt",
            "/%2e%2e%2fsecret.txt",
            "/..%5csecret.txt",
            "//secret.txt",
            "/assets/%00",
        ] {
            let (status, _, body) = get(path).await;
            assert!(status.is_client_error(), "{path}: {status}");
            assert!(!body.contains("secret"), "{path}");
        }
    }

    #[actix_web::test]
    async fn every_response_carries_the_security_headers() {
        for path in [
            "/",
            "/assets/index-abc.js",
            "/config.json",
            "/none.js",
            "/..%2fsecret.txt",
        ] {
            let (_, headers, _) = get(path).await;
            let header = |name: &str| {
                headers
                    .get(name)
                    .and_then(|value| value.to_str().ok())
                    .unwrap_or_default()
            };
            let policy = header("content-security-policy");
            assert!(
                policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"),
                "{path}: {policy}"
            );
            assert!(policy.contains("connect-src 'self' https://api.example.localhost:8443;"));
            assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
            assert_eq!(header("x-content-type-options"), "nosniff");
            assert_eq!(header("referrer-policy"), "no-referrer");
            assert_eq!(header("cross-origin-opener-policy"), "same-origin");
            assert!(header("strict-transport-security").starts_with("max-age="));
        }
    }

    #[actix_web::test]
    async fn the_runtime_configuration_names_the_api() {
        let (status, headers, body) = get("/config.json").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(
            headers.get(header::CONTENT_TYPE).map(|v| v.as_bytes()),
            Some(&b"application/json"[..])
        );
        let config: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(config["bffBaseUrl"], "https://api.example.localhost:8443/bff");
        assert_eq!(config["apiBaseUrl"], "https://api.example.localhost:8443/api");
        assert_eq!(config["cookieNamePrefix"], "example");
    }

    #[actix_web::test]
    async fn there_is_nothing_to_post_to() {
        for path in ["/", "/orders/42"] {
            assert_eq!(request(Method::POST, path).await.0, StatusCode::METHOD_NOT_ALLOWED);
        }
    }
}
