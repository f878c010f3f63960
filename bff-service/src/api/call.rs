//! A request on its way to its endpoint.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::header::HeaderMap;
use actix_web::web::Bytes;

use crate::application::Application;
use crate::oauth::OAuthClient;
use crate::session::cookies::request::RequestCookies;

/// What one worker thread needs to answer the requests of one application.
#[derive(Clone)]
pub struct Worker {
    /// Shared by all workers.
    pub application: Arc<Application>,
    /// The connections of this worker to the authorization server.
    pub client: Rc<OAuthClient>,
}

/// A request that has passed the general checks.
pub(super) struct Call<'a> {
    pub(super) worker: &'a Worker,
    pub(super) headers: &'a HeaderMap,
    pub(super) cookies: RequestCookies<'a>,
    pub(super) query: &'a str,
    pub(super) body: Bytes,
    /// Whether this is a HEAD request: it changes nothing, and its response sets no cookie.
    pub(super) is_head: bool,
    /// The time of the request, in seconds since 1970.
    pub(super) now: u64,
}
