//! The identity of a request in log lines, traces and requests to the authorization server.

use std::future::Future;

use actix_web::http::header::HeaderMap;

use super::trace::TraceContext;
use crate::random::{self, RandomError};
use bff_core::encoding::hex;
use bff_core::request::trace_context::parse_request_id;

tokio::task_local! {
    static CURRENT: RequestContext;
}

/// The identity of a request.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// The request id.
    pub id: RequestId,
    /// The span of the request.
    pub trace: Option<TraceContext>,
}

impl RequestContext {
    /// The context of a new request.
    ///
    /// # Errors
    /// The request needs a new id, and no random bytes are available.
    pub fn of_request(headers: &HeaderMap) -> Result<RequestContext, RandomError> {
        Ok(RequestContext {
            id: RequestId::of_request(headers).map_or_else(RequestId::random, Ok)?,
            trace: TraceContext::of_request(headers),
        })
    }

    /// The context of the request that the current task works for.
    pub fn current() -> Option<RequestContext> {
        CURRENT.try_with(RequestContext::clone).ok()
    }

    /// The span of the request that the current task works for.
    pub fn current_trace() -> Option<TraceContext> {
        CURRENT.try_with(|context| context.trace.clone()).ok().flatten()
    }

    /// Ends the span of the current request, if any. `route` is the path as in the configuration, and `error` is the
    /// error code.
    pub fn end_span(method: &str, route: impl FnOnce() -> String, status: u16, error: Option<&'static str>) {
        if let Some(RequestContext { id, trace: Some(trace) }) = RequestContext::current() {
            trace.end_request(method, route, &id.to_string(), status, error);
        }
    }

    /// Runs `work` for this request.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// Runs `work`, in another task, for the request of the current task, if any.
    pub fn inherit<F: Future>(work: F) -> impl Future<Output = F::Output> {
        let context = RequestContext::current();
        // Boxed: the future of a request to a server is large, and is moved into its task.
        let work = Box::pin(work);
        async move {
            match context {
                Some(context) => context.scope(work).await,
                None => work.await,
            }
        }
    }
}

/// Connects the log lines of one request in Envoy and in this service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestId(String);

impl RequestId {
    /// The id that the proxy in front of the service assigned to a request, if it is safe to log.
    pub fn of_request(headers: &HeaderMap) -> Option<RequestId> {
        RequestId::from_header(headers.get("x-request-id")?.as_bytes())
    }

    /// The id with this text, if it is safe to log.
    fn from_header(value: &[u8]) -> Option<RequestId> {
        parse_request_id(value).map(|id| RequestId(id.to_owned()))
    }

    /// A new id.
    ///
    /// # Errors
    /// No random bytes are available.
    pub fn random() -> Result<RequestId, RandomError> {
        Ok(RequestId(hex::encode(&random::bytes::<16>()?)))
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_of_the_proxy_is_taken_over() {
        let id = RequestId::from_header(b"4c9f2d0e-8a51-4f0e-9b1c-0a2b3c4d5e6f").unwrap();
        assert_eq!(id.to_string(), "4c9f2d0e-8a51-4f0e-9b1c-0a2b3c4d5e6f");
    }

    #[test]
    fn a_request_id_that_could_forge_a_log_line_is_not() {
        for id in [&b""[..], b"a b", b"a\nb", b"\xff", b"<a>", &[b'a'; 65]] {
            assert_eq!(RequestId::from_header(id), None, "{id:?}");
        }
    }
}
