// For administrators: ends all sessions of a user, and notifies those of their clients that registered for back-channel logout.
// It also shows or changes the lifetime of access tokens that are issued from now on.
import { createHash, timingSafeEqual } from 'node:crypto';

import { log } from './log.mjs';
import { readForm } from './web.mjs';

const MAX_ACCESS_TOKEN_SECONDS = 86_400;

export function adminRoutes(config, database, provider, lifetimes) {
  const actions = {
    async '/admin/end-sessions'(ctx, form) {
      const { rows: [account] } = await database.execute({
        sql: 'SELECT sub FROM account WHERE username = ?',
        args: [form.get('username') ?? ''],
      });
      if (!account) ctx.throw(404);
      return { sessions: await endSessions(database, provider, account.sub) };
    },
    async '/admin/access-tokens'(ctx, form) {
      if (form.has('seconds')) {
        const seconds = Number(form.get('seconds'));
        if (!Number.isInteger(seconds) || seconds < 1 || seconds > MAX_ACCESS_TOKEN_SECONDS) ctx.throw(400);
        lifetimes.accessTokenSeconds = seconds;
      }
      return { seconds: lifetimes.accessTokenSeconds };
    },
  };
  return async (ctx, next) => {
    const action = Object.hasOwn(actions, ctx.path) && actions[ctx.path];
    if (!action || ctx.method !== 'POST') return next();
    if (!isAuthorized(ctx.get('authorization'), config.adminToken)) ctx.throw(401);
    const body = await action(ctx, await readForm(ctx));
    ctx.status = 200;
    ctx.body = body;
  };
}

async function endSessions(database, provider, sub) {
  const { rows } = await database.execute("SELECT id, payload FROM model WHERE kind = 'Session'");
  const sessions = rows.filter((row) => JSON.parse(row.payload).accountId === sub);
  for (const { id, payload } of sessions) {
    for (const [clientId, { sid, grantId }] of Object.entries(JSON.parse(payload).authorizations ?? {})) {
      await database.execute({ sql: 'DELETE FROM model WHERE grant_id = ?', args: [grantId] });
      await database.execute({ sql: "DELETE FROM model WHERE kind = 'Grant' AND id = ?", args: [grantId] });
      const client = await provider.Client.find(clientId);
      if (client?.backchannelLogoutUri) await tell(client, sub, sid);
    }
    await database.execute({ sql: "DELETE FROM model WHERE kind = 'Session' AND id = ?", args: [id] });
  }
  return sessions.length;
}

async function tell(client, sub, sid) {
  try {
    await client.backchannelLogout(sub, sid);
    log('info', 'backchannel_logout', { client: client.clientId });
  } catch (error) {
    log('warn', 'backchannel_logout_failed', { client: client.clientId, error: error.message });
  }
}

function isAuthorized(header, token) {
  const digest = (text) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(header), digest(`Bearer ${token}`));
}
