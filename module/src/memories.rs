//! The memories of the introspection stages: those with the same settings share one, at whichever entry point, and it
//! outlives a new version of a configuration.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bff_core::gateway::cache_key::StageId;
use bff_core::gateway::config::PhantomToken;
use bff_core::gateway::token_memory::TokenMemory;

/// By stage, maximum size in bytes, and time limit of an introspection in milliseconds: nobody waits for the shorter one of
/// somebody else.
type Memories = HashMap<(StageId, usize, u64), Weak<TokenMemory>>;

static MEMORIES: Mutex<Option<Memories>> = Mutex::new(None);

/// Returns the memory of a stage, which lives as long as one of its users. If nothing is to be shared, it is a new one.
pub(crate) fn of(stage: &PhantomToken) -> Arc<TokenMemory> {
    if stage.shared_cache_bytes == 0 {
        return TokenMemory::of_stage(stage);
    }
    let mut memories = MEMORIES.lock().unwrap_or_else(PoisonError::into_inner);
    let memories = memories.get_or_insert_with(HashMap::new);
    memories.retain(|_, memory| memory.strong_count() > 0);
    let memory = memories
        .entry((stage.id(), stage.shared_cache_bytes, stage.timeout_ms))
        .or_default();
    memory.upgrade().unwrap_or_else(|| {
        let created = TokenMemory::of_process(stage);
        *memory = Arc::downgrade(&created);
        created
    })
}
