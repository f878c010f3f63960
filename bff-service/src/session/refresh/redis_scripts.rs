//! What the replicas do to Redis for one exchange, each step in one script: nobody sees half of one.
//!
//! All of them have the same three keys: the outcome, the lock, and the mark of an exchange that was begun and is not known to
//! have ended. A lock holds its holder's fencing token, which is random: nobody had it before, and nobody gets it again.

/// `ARGV`: a new fencing token; the lock's life in milliseconds; the mark's life in seconds; 1, or 0 where the caller must not
/// lead. Returns the outcome (a text); or 1 where the caller holds the lock now, 2 where it does so in the place of another
/// one that did not finish; or nothing while somebody else holds it.
pub const JOIN: &str = "
    local outcome = redis.call('GET', KEYS[1])
    if outcome then return outcome end
    if ARGV[4] == '0' or redis.call('EXISTS', KEYS[2]) == 1 then return false end
    local begun = redis.call('EXISTS', KEYS[3])
    redis.call('SET', KEYS[3], ARGV[1], 'EX', ARGV[3])
    redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
    return 1 + begun";

/// `ARGV`: as for [`JOIN`], without the last. Prolongs the lock; takes it again where it is gone and nobody has taken the
/// holder's place: Redis has lost its memory, or was away. Returns 1, or 0 where somebody else has the lock, or has finished.
pub const KEEP: &str = "
    local holder = redis.call('GET', KEYS[2])
    if holder == ARGV[1] then return redis.call('PEXPIRE', KEYS[2], ARGV[2]) end
    if holder or redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
    redis.call('SET', KEYS[3], ARGV[1], 'EX', ARGV[3])
    redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
    return 1";

/// `ARGV`: fencing token, outcome, its life in milliseconds. Publishes for the lock's holder, or where nobody else has taken its
/// place, so that an old outcome never replaces a newer one. Returns 1, or 0 where somebody has.
pub const PUBLISH: &str = "
    local holder = redis.call('GET', KEYS[2])
    if holder ~= ARGV[1] and (holder or redis.call('EXISTS', KEYS[1]) == 1) then return 0 end
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
    redis.call('DEL', KEYS[2], KEYS[3])
    return 1";

/// `ARGV`: an outcome that is for nobody who comes now. Takes it away, if it is still there.
pub const DISCARD: &str = "
    if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
    return 0";
