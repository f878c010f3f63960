// The login and consent app that Ory Hydra needs, for one user. It serves /ui/login, /ui/consent, /ui/logout and
// /ui/error, and forwards everything else to Hydra, so that both have one origin.
//
// Environment: PORT, HYDRA_PUBLIC, HYDRA_ADMIN (origins), USERNAME, PASSWORD.
import { createServer, request as httpRequest } from 'node:http';

const { PORT, HYDRA_PUBLIC, HYDRA_ADMIN, USERNAME, PASSWORD } = process.env;
const SUBJECT = 'user-1001';
/** How long Hydra remembers the user, in seconds, for `prompt=none`. */
const REMEMBER_SECONDS = 3600;

const CLAIMS = {
  profile: { preferred_username: USERNAME, given_name: 'Demo', family_name: 'User' },
  email: { email: 'demo@example.com', email_verified: true },
};

const routes = {
  'GET /ui/login': async (query) => {
    const challenge = query.get('login_challenge');
    const request = await ask('GET', 'login', challenge);
    // Hydra has checked `prompt` and `max_age`. If its session suffices, it says so.
    return request.skip ? acceptLogin(challenge) : form(challenge);
  },
  'POST /ui/login': async (query, body) => {
    const challenge = body.get('login_challenge');
    const isUser = body.get('username') === USERNAME && body.get('password') === PASSWORD;
    return isUser ? acceptLogin(challenge) : form(challenge, 401);
  },
  'GET /ui/consent': async (query) => {
    const challenge = query.get('consent_challenge');
    const request = await ask('GET', 'consent', challenge);
    const scopes = request.requested_scope ?? [];
    return accept('consent', challenge, {
      grant_scope: scopes,
      grant_access_token_audience: request.requested_access_token_audience ?? [],
      remember: true,
      session: { id_token: Object.assign({}, ...scopes.map((scope) => CLAIMS[scope])) },
    });
  },
  'GET /ui/logout': async (query) => accept('logout', query.get('logout_challenge')),
  'GET /ui/error': async (query) => ({ status: 400, html: `<p>${escaped(query.get('error_description') ?? 'error')}</p>` }),
};

const acceptLogin = (challenge) => accept('login', challenge, { subject: SUBJECT, remember: true, remember_for: REMEMBER_SECONDS });

async function accept(kind, challenge, body) {
  return { location: (await ask('PUT', kind, challenge, body)).redirect_to };
}

/** Reads or accepts a request of Hydra's. */
async function ask(method, kind, challenge, body) {
  const action = method === 'PUT' ? '/accept' : '';
  const url = `${HYDRA_ADMIN}/admin/oauth2/auth/requests/${kind}${action}?${kind}_challenge=${encodeURIComponent(challenge)}`;
  const response = await fetch(url, { method, body: body && JSON.stringify(body), headers: { 'content-type': 'application/json' } });
  if (!response.ok) throw new Error(`${method} ${kind}${action} failed: HTTP ${response.status}: ${await response.text()}`);
  return response.json();
}

function form(challenge, status = 200) {
  const hidden = `<input type="hidden" name="login_challenge" value="${escaped(challenge)}">`;
  return {
    status,
    html: `<form method="post" action="/ui/login">${hidden}<input name="username"><input name="password" type="password">
      <button type="submit">Sign in</button></form>`,
  };
}

const escaped = (text) => text.replace(/[&<>"]/g, (one) => `&#${one.codePointAt(0)};`);

async function read(request) {
  let text = '';
  for await (const part of request) text += part;
  return new URLSearchParams(text);
}

function forward(request, response) {
  const { hostname, port } = new URL(HYDRA_PUBLIC);
  const options = { hostname, port, method: request.method, path: request.url, headers: request.headers };
  const forwarded = httpRequest(options, (received) => {
    response.writeHead(received.statusCode, received.rawHeaders);
    received.pipe(response);
  });
  forwarded.on('error', () => response.writeHead(503).end());
  request.pipe(forwarded);
}

createServer(async (request, response) => {
  const url = new URL(request.url, 'http://localhost');
  const route = routes[`${request.method} ${url.pathname}`];
  if (!route) return forward(request, response);
  try {
    const { status = 302, location, html } = await route(url.searchParams, request.method === 'POST' && await read(request));
    response.writeHead(status, location ? { location } : { 'content-type': 'text/html' });
    response.end(html && `<!doctype html><title>Sign in</title>${html}`);
  } catch (error) {
    console.error(error);
    response.writeHead(500).end();
  }
}).listen(PORT, '127.0.0.1');
