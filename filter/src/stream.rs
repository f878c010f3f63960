//! The context of one request.

use std::rc::Rc;

use bff_core::gateway::effect::ResponseContext;
use bff_core::request::head::RequestHead;
use bff_shell::local_reply::{self, RejectionTexts};
use bff_shell::worker::Action;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action as FilterHeadersStatus;

use crate::worker::Worker;
use crate::{abi, host};

pub(crate) struct Stream {
    context_id: u32,
    worker: Option<Rc<Worker>>,
    /// Whether the gateway must learn of the end of this request: it was paused, or the gateway may end it.
    is_known: bool,
    /// For the response; `None` if the request was paused: then the worker has it.
    response: Option<ResponseContext>,
}

impl Stream {
    pub(crate) fn new(context_id: u32, worker: Option<Rc<Worker>>) -> Self {
        Self {
            context_id,
            worker,
            is_known: false,
            response: Some(ResponseContext::default()),
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
        let Some(worker) = &self.worker else {
            host::reply(&RejectionTexts::new(&local_reply::reject_without_configuration()).reply());
            return FilterHeadersStatus::Pause;
        };
        // If the host does not provide the head, it is empty, and nothing is forwarded for an empty one.
        let bytes = abi::request_header_map().unwrap_or_default();
        let head = RequestHead::from_proxy_wasm(&bytes).unwrap_or_default();
        match worker.on_request(self.context_id, head) {
            Action::Continue(response) => {
                self.is_known = response.may_be_ended;
                self.response = Some(response);
                FilterHeadersStatus::Continue
            }
            Action::Pause => {
                self.is_known = true;
                self.response = None;
                FilterHeadersStatus::Pause
            }
            Action::Answered => FilterHeadersStatus::Pause,
        }
    }

    /// Also called for local replies, for which nothing was stored.
    fn on_http_response_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> FilterHeadersStatus {
        let Some(worker) = &self.worker else {
            return FilterHeadersStatus::Continue;
        };
        match worker.on_response(self.context_id, self.response.take()) {
            true => FilterHeadersStatus::Continue,
            false => FilterHeadersStatus::Pause,
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.is_known
            && let Some(worker) = &self.worker
        {
            worker.on_stream_end(self.context_id);
        }
    }
}
