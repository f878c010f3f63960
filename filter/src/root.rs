//! The root context: configuration, ticks, and callouts on behalf of no request.

use std::rc::Rc;

use bff_core::gateway::config::Config;
use bff_shell::host::Level;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use crate::stream::Stream;
use crate::worker::Worker;
use crate::{environment, host};

/// There is one for each worker and configuration.
pub(crate) struct Root {
    context_id: u32,
    /// `None` until the filter is configured.
    worker: Option<Rc<Worker>>,
}

impl Root {
    pub(crate) fn new(context_id: u32) -> Self {
        Self {
            context_id,
            worker: None,
        }
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token_id: u32, num_headers: usize, body_size: usize, _num_trailers: usize) {
        if let Some(worker) = &self.worker {
            worker.on_callout(self.context_id, token_id, num_headers, body_size);
        }
    }
}

impl RootContext for Root {
    /// With `false`, Envoy rejects the configuration, also with `--mode validate`.
    fn on_configure(&mut self, _plugin_configuration_size: usize) -> bool {
        match Config::parse(&host::plugin_configuration(), environment::read) {
            Ok(config) => {
                for warning in &config.warnings {
                    host::log(Level::Warn, format_args!("bff: bff_token.encryption_key: {warning}"));
                }
                self.worker = Some(Rc::new(Worker::new(config)));
                true
            }
            Err(error) => {
                host::log(Level::Error, format_args!("bff: invalid configuration: {error}"));
                false
            }
        }
    }

    fn on_tick(&mut self) {
        if let Some(worker) = &self.worker {
            worker.on_tick(self.context_id);
        }
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::new(context_id, self.worker.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
