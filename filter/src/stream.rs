//! The context of one request.

use std::rc::Rc;

use bff_core::error_code::Refusal;
use bff_core::gateway::OnResponse;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::host;
use crate::shell::{Fate, Shell};

/// One request.
pub(crate) struct Stream {
    context_id: u32,
    shell: Option<Rc<Shell>>,
    /// Whether the gate may remember it.
    waits: bool,
    /// What matters when its response comes; of one that waits, the shell knows.
    on_response: OnResponse,
}

impl Stream {
    pub(crate) fn new(context_id: u32, shell: Option<Rc<Shell>>) -> Self {
        Self {
            context_id,
            shell,
            waits: false,
            on_response: OnResponse::default(),
        }
    }
}

impl Context for Stream {
    fn on_http_call_response(&mut self, token_id: u32, num_headers: usize, body_size: usize, _num_trailers: usize) {
        if let Some(shell) = &self.shell {
            shell.answer(self.context_id, token_id, num_headers, body_size);
        }
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        let fate = match &self.shell {
            Some(shell) => shell.request(self.context_id, &host::request_head()),
            None => {
                // Without a configuration nobody gets by.
                host::reply(
                    Refusal::ServerError.status(),
                    "there is no configuration",
                    &[("content-type", "application/json")],
                    &Refusal::ServerError.body(),
                );
                Fate::Stays
            }
        };
        match fate {
            Fate::Goes(on_response) => {
                self.on_response = on_response;
                Action::Continue
            }
            Fate::Stays => {
                self.waits = true;
                Action::Pause
            }
        }
    }

    /// Also called for local replies, of which nothing is known.
    fn on_http_response_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        let Some(shell) = &self.shell else {
            return Action::Continue;
        };
        let on_response = match self.waits {
            true => shell.on_response(self.context_id),
            false => std::mem::take(&mut self.on_response),
        };
        match shell.response(&on_response) {
            true => Action::Continue,
            false => Action::Pause,
        }
    }
}

/// However a request that waits ends, the gate is told: its client may have left.
impl Drop for Stream {
    fn drop(&mut self) {
        if self.waits
            && let Some(shell) = &self.shell
        {
            shell.gone(self.context_id);
        }
    }
}
