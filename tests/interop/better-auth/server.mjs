// Better Auth as an authorization server, with one user and a sign-in page. A second listener acts for its administrator:
// POST /end-sessions ends all sessions of the user, POST /new-key signs with a new key, POST /limit?on=1 and on=0 sets a low
// limit for token requests.
//
// Environment: PORT, ADMIN_PORT, ORIGIN, SETTINGS (the module with the options and clients), DATABASE, USERNAME, PASSWORD.
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';

import Database from 'better-sqlite3';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { toNodeHandler } from 'better-auth/node';
import { admin, jwt, username } from 'better-auth/plugins';
import { oauthProvider } from '@better-auth/oauth-provider';

const { PORT, ADMIN_PORT, ORIGIN, SETTINGS, DATABASE, USERNAME, PASSWORD } = process.env;
const ADMINISTRATOR = 'administrator';
const { provider, signing, clients, resources } = await import(SETTINGS);

// To verify an ID token hint, Better Auth fetches its own keys by their public URL, which does not resolve in the tests.
const realFetch = globalThis.fetch;
globalThis.fetch = (input, init) => {
  const url = String(input?.url ?? input);
  return realFetch(url.startsWith(`${ORIGIN}/`) ? url.replace(ORIGIN, `http://127.0.0.1:${PORT}`) : input, init);
};

let isLimited = false;
const auth = betterAuth({
  baseURL: ORIGIN,
  secret: createHash('sha256').update(DATABASE).digest('hex'),
  database: new Database(DATABASE),
  emailAndPassword: { enabled: true },
  telemetry: { enabled: false },
  disabledPaths: ['/token'],
  advanced: { useSecureCookies: true },
  rateLimit: {
    enabled: true,
    customRules: {
      '/oauth2/token': () => isLimited && { window: 10, max: 2 },
      '/**': () => false,
    },
  },
  plugins: [username(), admin(), jwt(signing), oauthProvider(provider)],
});

async function prepare() {
  await (await getMigrations(auth.options)).runMigrations();
  const { adapter, internalAdapter } = await auth.$context;
  for (const [name, role] of [[USERNAME, 'user'], [ADMINISTRATOR, 'admin']]) {
    const email = `${name}@example.com`;
    if (await internalAdapter.findUserByEmail(email)) continue;
    await auth.api.signUpEmail({ body: { email, password: PASSWORD, name, username: name } });
    const { user } = await internalAdapter.findUserByEmail(email);
    await internalAdapter.updateUser(user.id, { role, emailVerified: true });
  }
  // Better Auth's API chooses clients' ids and secrets itself, and refuses loopback addresses.
  for (const { clientSecret, ...client } of clients) {
    const where = [{ field: 'clientId', value: client.clientId }];
    if (await adapter.findOne({ model: 'oauthClient', where })) continue;
    const now = new Date();
    const hash = createHash('sha256').update(clientSecret).digest('base64url');
    const data = { disabled: false, createdAt: now, updatedAt: now, ...client, clientSecret: hash };
    await adapter.create({ model: 'oauthClient', data });
    for (const resourceId of resources) {
      await adapter.create({ model: 'oauthClientResource', data: { clientId: client.clientId, resourceId, createdAt: now } });
    }
  }
}

/** A request to Better Auth's own API, as its client in a browser makes it. */
async function ask(path, body, headers = {}) {
  return auth.handler(new Request(`${ORIGIN}/api/auth${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json', origin: ORIGIN, ...headers },
    body: JSON.stringify(body),
  }));
}

const escaped = (text) => text.replace(/[&<>"]/g, (one) => `&#${one.codePointAt(0)};`);

function form(response, query, status = 200) {
  response.writeHead(status, { 'content-type': 'text/html' }).end(`<!doctype html><title>Sign in</title>
    <form method="post" action="/login"><input type="hidden" name="oauth_query" value="${escaped(query)}">
    <input name="username"><input name="password" type="password"><button type="submit">Sign in</button></form>`);
}

async function signIn(request, response) {
  let text = '';
  for await (const part of request) text += part;
  const sent = Object.fromEntries(new URLSearchParams(text));
  const received = await ask('/sign-in/username', sent, { cookie: request.headers.cookie ?? '' });
  if (!received.ok) return form(response, sent.oauth_query ?? '', received.status);
  const { url } = await received.json();
  response.writeHead(303, { location: url ?? '/', 'set-cookie': received.headers.getSetCookie() }).end();
}

const actions = {
  async '/end-sessions'() {
    const signedIn = await ask('/sign-in/username', { username: ADMINISTRATOR, password: PASSWORD });
    const cookie = signedIn.headers.getSetCookie().map((line) => line.split(';')[0]).join('; ');
    const { internalAdapter } = await auth.$context;
    const { user } = await internalAdapter.findUserByEmail(`${USERNAME}@example.com`);
    const ended = await ask('/admin/revoke-user-sessions', { userId: user.id }, { cookie });
    if (!ended.ok) throw new Error(`ending the sessions failed: HTTP ${ended.status}`);
  },
  // The key expires, as it does after rotationInterval, and stays published for gracePeriod.
  async '/new-key'() {
    const { adapter } = await auth.$context;
    for (const { id } of await adapter.findMany({ model: 'jwks' })) {
      const expiresAt = new Date(Date.now() - 1000);
      await adapter.update({ model: 'jwks', where: [{ field: 'id', value: id }], update: { expiresAt } });
    }
  },
  async '/limit'(query) {
    isLimited = query.get('on') === '1';
  },
};

await prepare();
const handler = toNodeHandler(auth);
createServer((request, response) => {
  const url = new URL(request.url, ORIGIN);
  if (url.pathname !== '/login') return handler(request, response);
  if (request.method === 'GET') return form(response, url.search.slice(1));
  return signIn(request, response).catch((error) => {
    console.error(error);
    response.writeHead(500).end();
  });
}).listen(PORT, '127.0.0.1');
createServer(async (request, response) => {
  const url = new URL(request.url, ORIGIN);
  try {
    await actions[url.pathname](url.searchParams);
    response.writeHead(204).end();
  } catch (error) {
    console.error(error);
    response.writeHead(500).end();
  }
}).listen(ADMIN_PORT, '127.0.0.1');
