// Calls to the API: what the client sends to which server, and what follows HTTP 401.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BffError } from '../dist/index.js';
import { client } from './client.mjs';
import { API, FakeBff, WWW, fakePage } from './fake-page.mjs';

const DATA = `${API}/api/data`;
const POST = { method: 'POST', body: 'an order' };

async function loggedIn(options) {
  const page = fakePage();
  page.bff.logIn();
  const bff = client(options);
  await bff.onPageLoad();
  page.bff.requests = [];
  return { page, bff, server: page.bff };
}

test('an API call carries credentials, and the CSRF header where it changes something', async () => {
  const { bff, server } = await loggedIn();
  await bff.fetch(DATA);
  await bff.fetch(DATA, POST);
  assert.deepEqual(
    server.requests.map(({ line, csrf, credentials }) => [line, csrf, credentials]),
    [['GET /api/data', null, 'include'], ['POST /api/data', 'csrf of alice', 'include']],
  );
});

test('with requireHeader reading calls carry the CSRF header as well', async () => {
  const { bff, server } = await loggedIn({ requireHeader: true });
  await bff.fetch(DATA);
  assert.equal(server.requests[0].csrf, 'csrf of alice');
});

test('neither CSRF header nor credentials go to an origin that is no API, however it is spelled', async () => {
  const { bff, server } = await loggedIn();
  for (const url of [
    'https://evil.example/api/data', 'https://api.example.com.evil.example/', 'http://api.example.com/api/data', 'https://api.example.com:8443/',
    'https://evil.example/https://api.example.com/', '/same-origin-as-the-page', new URL('https://evil.example/'),
    new Request('https://evil.example/', POST),
  ]) {
    await bff.fetch(url, url instanceof Request ? undefined : POST);
    const { csrf, credentials, init } = server.requests.at(-1);
    assert.deepEqual([csrf, credentials], [null, 'same-origin'], String(url));
    assert.equal(init?.headers, undefined);
  }
});

test('an origin that is configured is an API', async () => {
  const { bff, server } = await loggedIn({ apiOrigins: [`${API}/api`, 'https://orders.example.com'] });
  await bff.fetch('https://orders.example.com/1', POST);
  assert.equal(server.requests[0].csrf, 'csrf of alice');
});

test('a redirect is not followed with the CSRF header, unless the caller says so', async () => {
  const { bff, server } = await loggedIn();
  const redirectOf = async (...call) => {
    await bff.fetch(...call);
    return server.requests.at(-1).redirect;
  };
  assert.equal(await redirectOf(DATA, POST), 'error');
  assert.equal(await redirectOf(new Request(DATA, POST)), 'error');
  assert.equal(await redirectOf(new Request(DATA, { ...POST, redirect: 'manual' })), 'manual');
  assert.equal(await redirectOf(DATA, { ...POST, redirect: 'follow' }), 'follow');
  assert.equal(await redirectOf(DATA), 'follow', 'no header could leak');
});

test('the caller’s headers are kept, a Request’s own included', async () => {
  const { page, bff } = await loggedIn();
  const seen = [];
  const { fetch } = globalThis;
  globalThis.fetch = (input, init) => {
    seen.push(Object.fromEntries(init.headers));
    return fetch(input, init);
  };
  await bff.fetch(DATA, { ...POST, headers: { 'content-type': 'text/x', 'x-mine': '1' } });
  await bff.fetch(new Request(DATA, { ...POST, headers: { 'content-type': 'text/x', 'x-mine': '2' } }));
  assert.deepEqual(seen, [1, 2].map((x) => ({ 'content-type': 'text/x', 'x-mine': String(x), 'x-example-csrf': 'csrf of alice' })));
  assert.equal(page.warnings.length, 0);
});

test('calls at once that meet an expired token lead to one refresh, and all succeed', async () => {
  const { bff, server } = await loggedIn();
  const tabs = [bff, client(), client()];
  await Promise.all(tabs.map((tab) => tab.onPageLoad()));
  server.isTokenValid = false;
  const calls = tabs.flatMap((tab) => [tab.fetch(DATA), tab.fetch(DATA, POST), tab.fetch(new Request(DATA, POST))]);
  const responses = await Promise.all(calls);
  assert.deepEqual(responses.map(({ status }) => status), Array(9).fill(200));
  assert.equal(server.count('POST /bff/refresh'), 1);
  assert.equal((await responses[2].json()).body, 'an order', 'the body was sent again');
});

test('without Web Locks each tab refreshes at most once, and all calls succeed', async () => {
  for (const locks of [undefined, { request: () => Promise.reject(new DOMException('opaque origin', 'SecurityError')) }]) {
    const page = fakePage({ locks });
    navigator.locks = locks;
    page.bff.logIn();
    const tabs = [client(), client()];
    await Promise.all(tabs.map((tab) => tab.onPageLoad()));
    page.bff.isTokenValid = false;
    const responses = await Promise.all(tabs.flatMap((tab) => [tab.fetch(DATA), tab.fetch(DATA, POST)]));
    assert.deepEqual(responses.map(({ status }) => status), Array(4).fill(200));
    const refreshes = page.bff.count('POST /bff/refresh');
    assert.ok(refreshes >= 1 && refreshes <= 2, `${refreshes}`);
  }
});

test('an answer 401 after the retry is the caller’s', async () => {
  const { bff, server } = await loggedIn();
  server.isApiClosed = true;
  const response = await bff.fetch(DATA);
  assert.equal(response.status, 401);
  assert.equal((await response.json()).code, 'unauthorized');
  assert.deepEqual([server.count('GET /api/data'), server.count('POST /bff/refresh')], [2, 1]);
  assert.equal(bff.current.isLoggedIn, true);
});

test('an API’s own 401 costs no second refresh while the access token is new', async (context) => {
  const { bff, server } = await loggedIn();
  context.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  server.isApiClosed = true;
  for (let call = 0; call < 10; call++) assert.equal((await bff.fetch(DATA)).status, 401);
  assert.deepEqual([server.count('GET /api/data'), server.count('POST /bff/refresh')], [11, 1]);
  context.mock.timers.tick(10_000);
  server.session.seconds -= 10;
  assert.equal((await bff.fetch(DATA)).status, 401);
  assert.equal(server.count('POST /bff/refresh'), 2);
  assert.equal(bff.current.isLoggedIn, true);
});

test('an access token that has expired is refreshed however new it is', async () => {
  const { bff, server } = await loggedIn();
  await bff.refresh();
  server.isTokenValid = false;
  assert.equal((await bff.fetch(DATA)).status, 200);
  assert.equal(server.count('POST /bff/refresh'), 2);
});

test('an access token that another tab has just obtained is not refreshed for an API’s own 401', async () => {
  const { bff, server } = await loggedIn();
  const other = client();
  await other.onPageLoad();
  await other.refresh();
  await bff.session();
  server.isApiClosed = true;
  assert.equal((await bff.fetch(DATA)).status, 401);
  assert.equal(server.count('POST /bff/refresh'), 1);
});

test('a stream cannot be sent again: the session is renewed and the 401 is the caller’s', async () => {
  const { bff, server } = await loggedIn();
  server.isTokenValid = false;
  const stream = () => ({ method: 'POST', body: new Blob(['an order']).stream(), duplex: 'half' });
  assert.equal((await bff.fetch(DATA, stream())).status, 401);
  assert.equal(server.count('POST /api/data'), 1);
  assert.equal((await bff.fetch(DATA, stream())).status, 200);
  assert.equal(server.count('POST /bff/refresh'), 1);
});

test('a refresh that the server is too busy for logs nobody out, and is not tried again before the time it says', async (context) => {
  const { bff, server } = await loggedIn();
  const events = [];
  bff.subscribe((event) => events.push(event));
  context.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  server.isTokenValid = false;
  const body = JSON.stringify({ code: 'authorization_server_error', message: 'Busy.' });
  server.refreshFault = () => new Response(body, { status: 503, headers: { 'retry-after': '20' } });
  const isBusy = (error) => error instanceof BffError && error.status === 503 && error.retryAfter === 20;
  for (let call = 0; call < 10; call++) await assert.rejects(bff.fetch(DATA), isBusy);
  await assert.rejects(bff.refresh(), isBusy);
  assert.equal(server.count('POST /bff/refresh'), 1);
  assert.equal(bff.current.isLoggedIn, true);
  server.refreshFault = undefined;
  context.mock.timers.tick(19_999);
  await assert.rejects(bff.fetch(DATA), isBusy);
  context.mock.timers.tick(1);
  assert.equal((await bff.fetch(DATA)).status, 200);
  assert.deepEqual([server.count('POST /bff/refresh'), events], [2, []]);
});

test('a refresh that fails for now rejects the call and logs nobody out', async () => {
  for (const [fault, status, code] of [
    [FakeBff.unavailable, 502, 'authorization_server_error'],
    [() => { throw new TypeError('Failed to fetch'); }, 0, 'unreachable'],
    [() => new Response('<html>', { status: 503 }), 503, 'unusable_answer'],
    [() => new Response('<html>', { status: 401 }), 401, 'unusable_answer'],
  ]) {
    const { bff, server } = await loggedIn();
    const events = [];
    bff.subscribe((event) => events.push(event));
    server.isTokenValid = false;
    server.refreshFault = fault;
    await assert.rejects(bff.fetch(DATA), (error) => error instanceof BffError && error.status === status && error.code === code
      && (error.cause instanceof TypeError) === (code === 'unreachable'));
    assert.equal(bff.current.isLoggedIn, true);
    server.refreshFault = undefined;
    assert.equal((await bff.fetch(DATA)).status, 200);
    assert.deepEqual(events, []);
  }
});

test('a session that cannot be renewed ends, in all tabs, and the 401 is the caller’s', async () => {
  const { bff, server } = await loggedIn();
  const other = client();
  await other.onPageLoad();
  const events = [];
  bff.subscribe((event, session) => events.push([event, session]));
  const heard = new Promise((resolve) => { other.subscribe((event, { ended }) => resolve([event, ended])); });
  server.isTokenValid = false;
  server.refreshFault = FakeBff.expired(server);
  assert.equal((await bff.fetch(DATA)).status, 401);
  assert.deepEqual(events, [['session_expired', { isLoggedIn: false, ended: 'session_expired' }]]);
  assert.deepEqual(await heard, ['session_expired', 'session_expired']);
  server.requests = [];
  assert.equal((await bff.fetch(DATA)).status, 401);
  assert.deepEqual(server.requests.map(({ line }) => line), ['GET /api/data'], 'nothing more is tried');
});

test('a session that is over at the BFF is not refreshed', async () => {
  const { bff, server } = await loggedIn();
  server.session = undefined;
  assert.equal((await bff.fetch(DATA, POST)).status, 401);
  assert.equal(server.count('POST /bff/refresh'), 0);
  assert.equal(bff.current.ended, 'session_expired');
});

test('what one user meant to do is not done as another', async () => {
  const { bff, server } = await loggedIn();
  const events = [];
  bff.subscribe((event, { claims }) => events.push([event, claims.sub]));
  server.logIn('bob');
  assert.equal((await bff.fetch(DATA, POST)).status, 401);
  assert.equal(server.count('POST /api/data'), 1);
  assert.deepEqual(events, [['logged_in', 'bob']]);
  assert.equal((await bff.fetch(DATA, POST)).status, 200);
});

test('the same user with another CSRF value goes on without a refresh', async () => {
  const { bff, server } = await loggedIn();
  server.logIn('alice', 'another value');
  assert.equal((await bff.fetch(DATA, POST)).status, 200);
  assert.equal(server.count('POST /bff/refresh'), 0);
});

test('an aborted call ends at once, and the refresh that it began goes on for the others', async () => {
  const { bff, server } = await loggedIn();
  server.isTokenValid = false;
  const controller = new AbortController();
  const reason = new Error('the view is gone');
  server.before['POST /bff/refresh'] = () => controller.abort(reason);
  const calls = [bff.fetch(DATA, { signal: controller.signal }), bff.fetch(new Request(DATA))];
  await assert.rejects(calls[0], reason);
  assert.equal((await calls[1]).status, 200);
  await assert.rejects(bff.fetch(DATA, { signal: controller.signal }), reason);
  await assert.rejects(bff.fetch(new Request(DATA, { signal: controller.signal })), reason);
  assert.equal(server.count('POST /bff/refresh'), 1);
});

test('a call before the page load asks for the CSRF value first', async () => {
  const page = fakePage();
  page.bff.logIn();
  assert.equal((await client().fetch(DATA, POST)).status, 200);
  assert.deepEqual(page.bff.requests.map(({ line }) => line), ['GET /bff/session', 'POST /api/data']);
});

test('a call during a page load waits until the sign-in has ended', async () => {
  const page = fakePage({ path: '/?code=c&state=s' });
  const bff = client();
  const load = bff.onPageLoad();
  assert.equal((await bff.fetch(DATA, POST)).status, 200);
  assert.deepEqual(page.bff.requests.map(({ line }) => line), ['POST /bff/login/end', 'GET /bff/session', 'POST /api/data']);
  assert.equal((await load).isLoggedIn, true);
});

test('who is logged out gets the 401 and nothing is asked of the BFF', async () => {
  const page = fakePage();
  const bff = client();
  await bff.onPageLoad();
  page.bff.requests = [];
  assert.equal((await bff.fetch(DATA, POST)).status, 401);
  assert.deepEqual(page.bff.requests.map(({ line, csrf }) => [line, csrf]), [['POST /api/data', null]]);
});

test('a page that is no secure context is told why nothing will work', () => {
  const page = fakePage({ isSecureContext: false });
  client().subscribe(() => {});
  assert.match(page.warnings[0], /secure context/);
  const secure = fakePage();
  client().subscribe(() => {});
  assert.deepEqual(secure.warnings, []);
  assert.equal(location.origin, WWW);
});
