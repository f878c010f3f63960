//! What gateways share in the whole process: the memories of the token stages, and the newest access tokens of sessions
//! with open streams. Stages with the same settings share one memory, at whichever entry point, and it outlives a new
//! version of a configuration.

use std::sync::{Arc, LazyLock};

use bff_core::gateway::cache_key::StageId;
use bff_core::gateway::config::PhantomToken;
use bff_core::gateway::newest_tokens::NewestTokens;
use bff_core::gateway::token_memory::TokenMemory;

use crate::registry::Registry;

/// By stage, maximum size in bytes, and time limit of a callout in milliseconds: no request waits for a callout whose
/// time limit is not its own.
static MEMORIES: Registry<(StageId, usize, u64), TokenMemory> = Registry::new();

static NEWEST_TOKENS: LazyLock<Arc<NewestTokens>> = LazyLock::new(Arc::default);

/// Returns the newest access tokens of sessions with open streams, at whichever entry point.
pub(crate) fn newest_tokens() -> &'static Arc<NewestTokens> {
    &NEWEST_TOKENS
}

/// Returns the memory of a stage, which lives as long as a gateway has it. If nothing is to be shared, it is a new one.
pub(crate) fn of(stage: &PhantomToken) -> Arc<TokenMemory> {
    if stage.shared_cache_bytes == 0 {
        return TokenMemory::of_stage(stage);
    }
    let key = (stage.id(), stage.shared_cache_bytes, stage.timeout_ms);
    MEMORIES.get(key, || TokenMemory::of_process(stage))
}
