// oidc-provider's storage (sessions, interactions, grants, codes, tokens) in the `model` table.
import { createHash } from 'node:crypto';

import { errors } from 'oidc-provider';

import { epochTime } from './database.mjs';
import { log } from './log.mjs';

// Identifiers that are credentials: stored as hashes, so that a stolen database holds no usable credential.
const BEARER = new Set([
  'AccessToken',
  'AuthorizationCode',
  'ClientCredentials',
  'RefreshToken',
  'PushedAuthorizationRequest',
]);
// Models that are deleted with their grant.
const GRANTED = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken']);
// Models that may be used once: the first request wins.
const SINGLE_USE = new Set(['AuthorizationCode', 'RefreshToken']);

// The adapter factory that oidc-provider takes: model name → adapter. A used refresh token may be used again during the
// grace period, as some authorization servers allow.
export function adapterFactory(database, refreshGraceSeconds = 0) {
  return (kind) => new Adapter(database, kind, kind === 'RefreshToken' ? refreshGraceSeconds : 0);
}

class Adapter {
  #database;
  #kind;
  #graceSeconds;

  constructor(database, kind, graceSeconds) {
    this.#database = database;
    this.#kind = kind;
    this.#graceSeconds = graceSeconds;
  }

  #key(id) {
    return BEARER.has(this.#kind) ? createHash('sha256').update(id).digest('base64url') : id;
  }

  async upsert(id, payload, expiresIn) {
    const stored = BEARER.has(this.#kind) ? { ...payload, jti: undefined } : payload;
    await this.#database.execute({
      sql: `INSERT OR REPLACE INTO model (kind, id, payload, grant_id, uid, user_code, consumed_at, expires_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      args: [
        this.#kind,
        this.#key(id),
        JSON.stringify(stored),
        (GRANTED.has(this.#kind) && payload.grantId) || null,
        payload.uid ?? null,
        payload.userCode ?? null,
        payload.consumed ?? null,
        Number.isFinite(expiresIn) ? epochTime() + expiresIn : null,
      ],
    });
  }

  async find(id) {
    const payload = await this.#findBy('id', this.#key(id));
    if (payload && BEARER.has(this.#kind)) payload.jti = id;
    return payload;
  }

  async findByUid(uid) {
    return this.#findBy('uid', uid);
  }

  async findByUserCode(userCode) {
    return this.#findBy('user_code', userCode);
  }

  async #findBy(column, value) {
    const { rows: [row] } = await this.#database.execute({
      sql: `SELECT payload, consumed_at FROM model
            WHERE kind = ? AND ${column} = ? AND (expires_at IS NULL OR expires_at > ?)`,
      args: [this.#kind, value, epochTime()],
    });
    if (!row) return undefined;
    const payload = JSON.parse(row.payload);
    if (row.consumed_at !== null && !this.#isInGrace(row)) payload.consumed = row.consumed_at;
    return payload;
  }

  // Reading first and marking later would let two concurrent requests both use a refresh token. So the update itself
  // decides, and the loser is treated like any second use: outside of the grace period, the grant and all of its tokens are
  // revoked (RFC 9700, section 4.14.2).
  async consume(id) {
    const key = this.#key(id);
    const { rowsAffected } = await this.#database.execute({
      sql: 'UPDATE model SET consumed_at = ? WHERE kind = ? AND id = ? AND consumed_at IS NULL',
      args: [epochTime(), this.#kind, key],
    });
    if (rowsAffected > 0 || !SINGLE_USE.has(this.#kind)) return;
    const { rows: [row] } = await this.#database.execute({
      sql: 'SELECT grant_id, consumed_at FROM model WHERE kind = ? AND id = ?',
      args: [this.#kind, key],
    });
    if (row && this.#isInGrace(row)) return;
    if (row?.grant_id) {
      await this.revokeByGrantId(row.grant_id);
      await this.#database.execute({ sql: "DELETE FROM model WHERE kind = 'Grant' AND id = ?", args: [row.grant_id] });
      log('warn', 'grant_revoked', { reason: `${this.#kind} used twice` });
    }
    throw new errors.InvalidGrant('already used');
  }

  #isInGrace(row) {
    return this.#graceSeconds > 0 && row.consumed_at + this.#graceSeconds > epochTime();
  }

  async destroy(id) {
    await this.#database.execute({
      sql: 'DELETE FROM model WHERE kind = ? AND id = ?',
      args: [this.#kind, this.#key(id)],
    });
  }

  async revokeByGrantId(grantId) {
    await this.#database.execute({ sql: 'DELETE FROM model WHERE grant_id = ?', args: [grantId] });
  }
}
