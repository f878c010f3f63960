//! The endpoints.

use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, COOKIE, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::jwks::KeyStore;
use crate::token::{self, Claims, Validator};

const MAX_BODY_BYTES: usize = 16 * 1024;
const MAX_ECHO_CHARS: usize = 100;
const BFF_PREFIX: &[u8] = b"example-";

/// `/api/data` for callers with a valid access token, `/healthz` for liveness checks.
pub(crate) fn configure(service: &mut web::ServiceConfig) {
    service
        .route(
            "/healthz",
            web::get().to(async || HttpResponse::Ok().json(json!({"status": "ok"}))),
        )
        .route("/api/data", web::route().to(data))
        .default_service(web::route().to(async || Err::<HttpResponse, _>(ApiError::NotFound)));
}

/// The body that the demo's page sends with unsafe methods.
#[derive(Deserialize)]
struct Item {
    item: String,
}

// The access token is checked first, whatever the method or the body. Extractors would not guarantee that order.
async fn data(
    request: HttpRequest,
    body: web::Payload,
    client: web::Data<awc::Client>,
    keys: web::Data<KeyStore>,
    validator: web::Data<Validator>,
) -> Result<HttpResponse, ApiError> {
    let Accepted { claims, token_bytes } = authorize(&request, &client, &keys, &validator)
        .await
        .inspect_err(|error| log::info!("refused {}: {error}", request.path()))?;
    let message = match *request.method() {
        Method::GET | Method::HEAD => format!("Success response from the API, for subject {}", claims.sub),
        Method::POST | Method::PUT | Method::PATCH | Method::DELETE => {
            let bytes = body
                .to_bytes_limited(MAX_BODY_BYTES)
                .await
                .map_err(|_| ApiError::BodyTooLarge)?;
            let item = bytes.ok().and_then(|bytes| serde_json::from_slice::<Item>(&bytes).ok());
            let echo: String = item
                .map(|item| item.item)
                .unwrap_or_default()
                .chars()
                .take(MAX_ECHO_CHARS)
                .collect();
            format!(
                "Success response from the API to {} of \"{echo}\", for subject {}",
                request.method(),
                claims.sub
            )
        }
        _ => return Err(ApiError::MethodNotAllowed),
    };
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(json!({"message": message, "received": received(&request, claims, token_bytes)})))
}

/// What the API knows of the request, for the demo's page: the token's claims, and the names of the headers.
fn received(request: &HttpRequest, claims: Claims, token_bytes: usize) -> Value {
    let mut headers: Vec<&str> = request.headers().keys().map(|name| name.as_str()).collect();
    headers.sort_unstable();
    let mut cookies = request.headers().get_all(COOKIE).map(HeaderValue::as_bytes).peekable();
    let kind = match (cookies.peek().is_some(), cookies.any(has_bff_cookie)) {
        (false, _) => "none",
        (true, false) => "the application's own",
        (true, true) => "the BFF's",
    };
    json!({
        "authorization": format!("Bearer, with a JWT of {token_bytes} bytes"),
        "claims": claims.into_json(),
        "cookies": kind,
        "headers": headers,
    })
}

/// Whether a Cookie header has a cookie with the prefix of the demo's BFF.
fn has_bff_cookie(header: &[u8]) -> bool {
    header.windows(BFF_PREFIX.len()).any(|part| part == BFF_PREFIX)
}

struct Accepted {
    claims: Claims,
    token_bytes: usize,
}

async fn authorize(
    request: &HttpRequest,
    client: &awc::Client,
    keys: &KeyStore,
    validator: &Validator,
) -> Result<Accepted, ApiError> {
    let token = token::bearer_token(request.headers())?;
    let kid = token::key_id(token, &validator.token_type)?;
    let key = keys
        .find(&kid, client)
        .await?
        .ok_or(ApiError::InvalidToken("its key is unknown"))?;
    let claims = validator.validate(token, &key)?;
    Ok(Accepted {
        claims,
        token_bytes: token.len(),
    })
}
