// A browser that has cookies of an earlier configuration, or of a sibling domain, beside ours or alone.
//
// Environment besides that of lib.mjs: CONTROL (restarts the service with other settings), COOKIE_KEYS_FILE.
import assert from 'node:assert/strict';
import { createCipheriv, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';

import { inBrowser } from './context.mjs';
import { API, LOGIN, USER, WWW, bffCookies, fillIn } from './lib.mjs';

const DOMAIN = new URL(API).hostname.replace(/^api\./, '');
const SECOND_USER = { ...USER, username: 'seconduser' };

async function control(path, body) {
  const response = await fetch(`${process.env.CONTROL}${path}`, { method: 'POST', body });
  assert.equal(response.status, 200);
  return response.text();
}

const configure = (lines) => control('/configure', lines.join('\n'));

/** A page of the application without its script: it does nothing by itself. */
async function blankPage(page) {
  await page.route(`${WWW}/**`, (route) => (route.request().resourceType() === 'script' ? route.abort() : route.continue()));
  await page.goto(WWW);
}

/** A call of that page. */
function call(page, method, path, { csrf, body } = {}) {
  return page.evaluate(async ([url, method, csrf, body]) => {
    const headers = {};
    if (csrf) headers['x-example-csrf'] = csrf;
    if (body) headers['content-type'] = 'application/json';
    const response = await fetch(url, { method, headers, body, credentials: 'include' });
    const text = await response.text();
    return { status: response.status, json: text ? JSON.parse(text) : {} };
  }, [`${API}${path}`, method, csrf, body && JSON.stringify(body)]);
}

/** Signs in with the existing cookies. Returns the CSRF value. */
async function signIn(page, prefix, user = USER) {
  const start = await call(page, 'POST', `${prefix}/login/start`);
  assert.equal(start.status, 200, JSON.stringify(start));
  await page.goto(start.json.authorizationRequestUrl);
  if (new URL(page.url()).origin === LOGIN) {
    await fillIn(page, user);
    await page.waitForURL((url) => url.origin === WWW);
  }
  const end = await call(page, 'POST', `${prefix}/login/end`, { body: { pageUrl: page.url() } });
  assert.deepEqual([end.status, end.json.isLoggedIn], [200, true], JSON.stringify(end));
  return end.json.csrf;
}

const session = async (page, prefix) => (await call(page, 'GET', `${prefix}/session`)).json;

/** Fails unless the user is or can be signed in, refreshes succeed, and signing out removes all cookies. */
async function assertContinues(page, prefix, what) {
  let { isLoggedIn, csrf } = await session(page, prefix);
  for (let round = 0; round < 2; round += 1) {
    const refresh = isLoggedIn && await call(page, 'POST', `${prefix}/refresh`, { csrf });
    if (refresh?.status !== 204) {
      assert.equal(round, 0, `${what}: a session that had continued has ended: ${JSON.stringify(refresh)}`);
      csrf = await signIn(page, prefix);
    }
    isLoggedIn = (await session(page, prefix)).isLoggedIn;
    assert.equal(isLoggedIn, true, what);
  }
  const logout = await call(page, 'POST', `${prefix}/logout`, { csrf });
  assert.equal(logout.status, 200, what);
  assert.deepEqual(places(await bffCookies(page.context())), [], what);
  // As the client does. Otherwise the session and its grant at the authorization server continue. The revocation, for which
  // nobody waits, then also revokes a code that the server has issued for the grant meanwhile.
  await page.evaluate((url) => { location.href = url; }, logout.json.url);
  await page.waitForURL(({ origin, searchParams: query }) => origin === WWW && query.has('state') && !query.has('code'));
}

const places = (cookies) => cookies.map(({ name, domain, path }) => `${name} ${domain}${path}`);

const FORMER = 'former_endpoints_prefixes = ["/bff/v2"]';
const CHANGES = [
  ['cookie_domain', ['/bff', []], ['/bff', [`cookie_domain = "${DOMAIN}"`]]],
  ['cookie_domain with plain names', ['/bff', ['cookie_hardening = "none"']],
    ['/bff', ['cookie_hardening = "none"', `cookie_domain = "${DOMAIN}"`]]],
  ['endpoints_prefix', ['/bff', [FORMER]], ['/bff/v2', ['endpoints_prefix = "/bff/v2"']]],
  ['cookie_paths', ['/bff', []], ['/bff', ['cookie_paths = "root"']]],
  ['cookie_paths below a domain', ['/bff', [`cookie_domain = "${DOMAIN}"`]],
    ['/bff', [`cookie_domain = "${DOMAIN}"`, 'cookie_paths = "root"']]],
  ['cookie_hardening', ['/bff', []], ['/bff', ['cookie_hardening = "none"']]],
  ['cookie_hardening to the prefixes of older browsers', ['/bff', []], ['/bff', ['cookie_hardening = "secure"']]],
];

for (const [name, one, other] of CHANGES) {
  test(`a user who was signed in before ${name} changed goes on, there and back`, inBrowser(async (page) => {
    await blankPage(page);
    await configure(one[1]);
    await signIn(page, one[0]);
    await configure(other[1]);
    await assertContinues(page, other[0], `${name}, changed`);
    await signIn(page, other[0]);
    await configure(one[1]);
    await assertContinues(page, one[0], `${name}, changed back`);
  }));
}

test('a session in the cookies of an OAuth agent goes on as one of ours, and signing out leaves nothing', inBrowser(async (page) => {
  await blankPage(page);
  await configure(['cookie_hardening = "none"', 'accept_v1_cookies = true']);
  await signIn(page, '/bff');
  const context = page.context();
  const ours = Object.fromEntries((await bffCookies(context)).map(({ name, value }) => [name.replace('example-', ''), value]));
  await context.clearCookies({ name: /^example-/ });
  const key = Buffer.from(readFileSync(process.env.COOKIE_KEYS_FILE, 'utf8').trim().split(',')[0], 'hex');
  const version1 = (text) => {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    return Buffer.concat([Buffer.of(1), nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]).toString('base64url');
  };
  const paths = { at: '/', csrf: '/', auth: '/bff/refresh', id: '/bff/claims' };
  let csrf;
  for (const [name, path] of Object.entries(paths)) {
    const opened = await control(`/open/${name}`, ours[name]);
    const value = name === 'auth' ? JSON.parse(opened).refresh_token : opened;
    if (name === 'csrf') csrf = value;
    await context.addCookies([{
      name: `example-${name}`, value: version1(value), domain: new URL(API).hostname, path, httpOnly: true, secure: true, sameSite: 'Strict',
    }]);
  }
  assert.equal((await call(page, 'POST', '/bff/refresh', { csrf })).status, 204);
  await assertContinues(page, '/bff', 'from version 1');
}));

let evil;
let planted = [];

before(async () => {
  evil = createServer((request, response) => {
    response.writeHead(200, { 'content-type': 'text/html', 'set-cookie': planted });
    response.end('<!doctype html>');
  });
  await new Promise((resolve) => evil.listen(0, '127.0.0.1', resolve));
});

after(() => evil.close());

/** A page of a sibling domain sets this cookie for the whole domain, at these paths. Returns whether the browser stored it. */
async function plant(page, name, value, paths) {
  planted = paths.map((path) => `${name}=${value}; Domain=${DOMAIN}; Path=${path}; Secure; HttpOnly; SameSite=Lax`);
  const visit = await page.context().newPage();
  await visit.goto(`http://evil.${DOMAIN}:${evil.address().port}/`);
  await visit.close();
  const cookies = await page.context().cookies();
  return cookies.some((cookie) => cookie.name === name && cookie.domain === `.${DOMAIN}`);
}

/** The cookies of a session of the second user, and of a pending login. */
async function ofSecondUser(browser) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await blankPage(page);
  await signIn(page, '/bff', SECOND_USER);
  assert.equal((await call(page, 'POST', '/bff/login/start')).status, 200);
  const cookies = await bffCookies(context);
  assert.equal(cookies.length, 5, places(cookies).join());
  await context.close();
  return cookies;
}

const PATHS = ['/', '/bff', '/bff/', '/bff/session', '/bff/refresh', '/bff/login/end', '/api/data'];

/** Fails unless the session is the user's own and continues. */
async function assertUsersOwn(page, csrf, what) {
  const { isLoggedIn, claims, csrf: received } = await session(page, '/bff');
  assert.deepEqual([isLoggedIn, claims?.given_name], [true, 'Demo'], what);
  assert.equal(received, csrf, what);
  assert.equal((await call(page, 'POST', '/bff/refresh', { csrf })).status, 204, what);
  assert.equal((await call(page, 'GET', '/bff/claims')).json.given_name, 'Demo', what);
}

test('cookies that a sibling domain plants, each alone and beside the user\'s own, change nothing', inBrowser(async (page) => {
  await configure([]);
  const cookies = await ofSecondUser(page.context().browser());
  await blankPage(page);
  let stored = 0;
  for (const { name, value } of cookies) {
    const took = await plant(page, name, value, PATHS);
    assert.equal(took, !name.startsWith('__Host-'), name);
    stored += took ? 1 : 0;
    assert.deepEqual(await session(page, '/bff'), { isLoggedIn: false }, `${name} alone`);
    assert.equal((await call(page, 'GET', '/api/data')).status, 401, `${name} alone`);
  }
  assert.equal(stored, 2, 'refresh and ID token');
  const csrf = await signIn(page, '/bff');
  await assertUsersOwn(page, csrf, 'all, from before');
  for (const { name, value } of cookies) {
    await plant(page, name, value, PATHS);
    await assertUsersOwn(page, csrf, `${name} beside`);
    assert.equal((await call(page, 'GET', '/api/data')).status, 200, `${name} beside`);
    assert.equal((await call(page, 'POST', '/api/data', { csrf })).status, 200, `${name} beside`);
  }
  for (const { name, value } of cookies) await plant(page, name, value, ['/', '/bff']);
  assert.equal((await call(page, 'POST', '/bff/logout', { csrf })).status, 200);
  assert.deepEqual(places(await bffCookies(page.context())).filter((place) => !/\/(session|refresh|login\/end|api\/data)$/.test(place)), []);
}));

test('where a sibling domain can plant them all, signing in heals', inBrowser(async (page) => {
  await configure([`cookie_domain = "${DOMAIN}"`]);
  const cookies = await ofSecondUser(page.context().browser());
  await blankPage(page);
  await signIn(page, '/bff');
  for (const { name, value } of cookies) {
    assert.equal(await plant(page, name, value, ['/bff', '/bff/login/end']), true, name);
    const { claims } = await session(page, '/bff');
    assert.notEqual(claims?.given_name, 'Second', `${name} beside`);
    await assertUsersOwn(page, await signIn(page, '/bff'), `after ${name} was planted`);
  }
}));
