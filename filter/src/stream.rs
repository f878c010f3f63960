//! The context of one request.

use std::rc::Rc;

use bff_core::gateway::effect::ResponseContext;
use bff_core::gateway::error_code::ErrorCode;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action as FilterHeadersStatus;

use crate::host;
use crate::worker::{Action, Worker};

pub(crate) struct Stream {
    context_id: u32,
    worker: Option<Rc<Worker>>,
    /// Whether the request was paused, and may be waiting in the gateway.
    is_paused: bool,
    /// For the response, unless the request was paused: then the worker has it.
    response: ResponseContext,
}

impl Stream {
    pub(crate) fn new(context_id: u32, worker: Option<Rc<Worker>>) -> Self {
        Self {
            context_id,
            worker,
            is_paused: false,
            response: ResponseContext::default(),
        }
    }
}

impl Context for Stream {
    fn on_http_call_response(&mut self, token_id: u32, num_headers: usize, body_size: usize, _num_trailers: usize) {
        if let Some(worker) = &self.worker {
            worker.on_callout(self.context_id, token_id, num_headers, body_size);
        }
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> FilterHeadersStatus {
        let action = match &self.worker {
            Some(worker) => worker.on_request(self.context_id, &host::request_head()),
            None => {
                // Without a configuration, no request is forwarded.
                host::reply(
                    ErrorCode::ServerError.status(),
                    "the filter has no configuration",
                    &[("content-type", "application/json")],
                    &ErrorCode::ServerError.body(),
                );
                Action::Pause
            }
        };
        match action {
            Action::Continue(response) => {
                self.response = response;
                FilterHeadersStatus::Continue
            }
            Action::Pause => {
                self.is_paused = true;
                FilterHeadersStatus::Pause
            }
        }
    }

    /// Also called for local replies, for which nothing was stored.
    fn on_http_response_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> FilterHeadersStatus {
        let Some(worker) = &self.worker else {
            return FilterHeadersStatus::Continue;
        };
        let response = match self.is_paused {
            true => worker.take_response_context(self.context_id),
            false => std::mem::take(&mut self.response),
        };
        match worker.on_response(&response) {
            true => FilterHeadersStatus::Continue,
            false => FilterHeadersStatus::Pause,
        }
    }
}

/// The gateway must learn of every paused request that ends, since the client may have left.
impl Drop for Stream {
    fn drop(&mut self) {
        if self.is_paused
            && let Some(worker) = &self.worker
        {
            worker.on_stream_end(self.context_id);
        }
    }
}
