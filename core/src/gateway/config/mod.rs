//! The filter's configuration (`docs/CONTRACT.md`, section 3.1): JSON that is validated as a whole.

mod bff_token;
mod end_streams;
mod endpoint;
mod error;
mod filter;
mod phantom_token;
mod response_format;
#[cfg(feature = "schema")]
mod schema;
mod source;
mod steps;
mod structural_error;
mod token_exchange;

pub use bff_token::{BffToken, EndedSessionsSource};
pub use end_streams::EndStreams;
pub use endpoint::Endpoint;
pub use error::ConfigError;
pub use filter::Config;
pub(crate) use phantom_token::MAX_CACHE_SECONDS;
pub use phantom_token::{ClientAuthentication, PhantomToken};
pub use response_format::{ClaimToHeader, ResponseFormat};
#[cfg(feature = "schema")]
pub use schema::{schema, simplify};
pub use source::{SdsSecret, Secrets};
pub use steps::Steps;
pub(crate) use token_exchange::{ACCESS_TOKEN, JWT};
pub use token_exchange::{RequestedTokenType, TokenExchange};
