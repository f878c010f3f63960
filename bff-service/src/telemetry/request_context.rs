//! What a request is followed by through the log, the traces and the requests that it causes.

use std::future::Future;

use super::trace::TraceContext;
use crate::random::{self, RandomError};
use bff_core::encoding::hex;
use bff_core::request::trace_context::parse_request_id;

tokio::task_local! {
    static CURRENT: RequestContext;
}

/// What a request is known by, in its log lines and at the authorization server.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// Its id.
    pub id: RequestId,
    /// Its place in a trace.
    pub trace: Option<TraceContext>,
}

impl RequestContext {
    /// That of the request that the current task works for.
    pub fn current() -> Option<RequestContext> {
        CURRENT.try_with(RequestContext::clone).ok()
    }

    /// The place in a trace of the request that the current task works for.
    pub fn current_trace() -> Option<TraceContext> {
        CURRENT.try_with(|context| context.trace.clone()).ok().flatten()
    }

    /// The request was answered: ends its span, where there is one. `route` is its path as the configuration has it; `error`
    /// the code of a refusal.
    pub fn answered(method: &str, route: impl FnOnce() -> String, status: u16, error: Option<&'static str>) {
        if let Some(RequestContext { id, trace: Some(trace) }) = RequestContext::current() {
            trace.answered(method, route, &id.to_string(), status, error);
        }
    }

    /// Runs `work` for this request.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// Runs `work` for the request that the current task works for, if any: for a task of its own.
    pub fn inherit<F: Future>(work: F) -> impl Future<Output = F::Output> {
        let context = RequestContext::current();
        // What talks to a server takes much room, and is moved from here into its task.
        let work = Box::pin(work);
        async move {
            match context {
                Some(context) => context.scope(work).await,
                None => work.await,
            }
        }
    }
}

/// Ties the log lines of one request together, across Envoy and this service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestId(String);

impl RequestId {
    /// The id that the proxy in front gave to the request, if it is fit for a log.
    pub fn from_header(value: &[u8]) -> Option<RequestId> {
        parse_request_id(value).map(|id| RequestId(id.to_owned()))
    }

    /// A new id.
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
