// The login page: oidc-provider redirects the browser here when the user must act, and receives the result.
import { errors } from 'oidc-provider';

import { authenticate } from './accounts.mjs';
import { log } from './log.mjs';
import { errorPage, loginPage } from './pages.mjs';
import { Throttle } from './throttle.mjs';
import { readForm } from './web.mjs';

const INTERACTION = /^\/interaction\/([A-Za-z0-9_-]+)(\/cancel)?$/;

export const ACR_PASSWORD = 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport';

export function interactionUrl(ctx, interaction) {
  return `/interaction/${interaction.uid}`;
}

export function loginRoutes(config, database, provider) {
  const throttle = new Throttle();

  return async (ctx, next) => {
    const [, uid, cancel] = INTERACTION.exec(ctx.path) ?? [];
    if (!uid) return next();
    ctx.set('Cache-Control', 'no-store');
    try {
      // Bound to this browser by its interaction cookie, so that another site cannot submit a login of its own.
      const interaction = await provider.interactionDetails(ctx.req, ctx.res);
      if (interaction.uid !== uid) throw new errors.SessionNotFound('interaction of another tab');
      if (ctx.method === 'GET') await (cancel ? finishCancelled(ctx) : show(ctx, interaction));
      else if (ctx.method === 'POST' && !cancel) await submit(ctx, interaction);
      else ctx.throw(405);
    } catch (error) {
      refuse(ctx, error);
    }
  };

  async function show(ctx, interaction) {
    // The client is first-party: if it requests consent (prompt=consent), consent is granted without a page.
    if (interaction.prompt.name === 'consent') return finish(ctx, { consent: {} });
    return render(ctx, interaction, { username: interaction.params.login_hint });
  }

  async function submit(ctx, interaction) {
    const origin = ctx.get('Origin');
    if (origin && origin !== config.issuer) ctx.throw(403);
    const form = await readForm(ctx);
    const username = (form.get('username') ?? '').slice(0, 128);
    const password = (form.get('password') ?? '').slice(0, 256);

    const seconds = throttle.retryAfter(username);
    if (seconds > 0) {
      ctx.status = 429;
      ctx.set('Retry-After', String(seconds));
      return render(ctx, interaction, { username, error: `Too many attempts. Try again in ${seconds} seconds.` });
    }
    const sub = await authenticate(database, username, password);
    if (!sub) {
      throttle.recordFailure(username);
      log('warn', 'login_refused');
      ctx.status = 403;
      return render(ctx, interaction, { username, error: 'The username or password is incorrect.' });
    }
    throttle.recordSuccess(username);
    log('info', 'login', { sub });
    // Not remembered: the session's cookie expires when the browser closes.
    return finish(ctx, { login: { accountId: sub, acr: ACR_PASSWORD, amr: ['pwd'], remember: false } });
  }

  function finishCancelled(ctx) {
    return finish(ctx, { error: 'access_denied', error_description: 'the user cancelled' });
  }

  async function finish(ctx, result) {
    const returnTo = await provider.interactionResult(ctx.req, ctx.res, result);
    ctx.status = 303;
    ctx.redirect(returnTo);
  }

  async function render(ctx, interaction, { username, error }) {
    const client = await provider.Client.find(interaction.params.client_id);
    ctx.type = 'html';
    ctx.body = loginPage({
      clientName: client?.clientName ?? interaction.params.client_id,
      username,
      error,
      cancelUrl: `/interaction/${interaction.uid}/cancel`,
    });
  }

  function refuse(ctx, error) {
    const expired = error instanceof errors.SessionNotFound;
    if (!expired && !error.expose) log('error', 'login_page_failed', { error: error.message });
    ctx.status = expired ? 400 : error.status ?? 500;
    ctx.type = 'html';
    ctx.body = errorPage({
      error: expired ? 'login_expired' : 'request_refused',
      description: expired ? 'This sign-in has expired or belongs to another browser. Please start again.' : undefined,
      applicationUrl: `${config.spaOrigin}/`,
    });
  }
}
