// The page load, sign-in and the messages between tabs.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BffError, takePageUrl } from '../dist/index.js';
import { client, heard, lines } from './client.mjs';
import { API, WWW, fakePage } from './fake-page.mjs';

const DATA = `${API}/api/data`;

test('a page load without an answer finds the session by one call', async () => {
  const page = fakePage({ path: '/orders?page=2#top' });
  page.bff.logIn();
  const pageLoad = await client().onPageLoad();
  assert.deepEqual(pageLoad, {
    isLoggedIn: true, claims: { iss: 'i', sub: 'alice' }, handled: false, returnTo: undefined, error: undefined,
  });
  assert.deepEqual(lines(page), ['GET /bff/session']);
  assert.deepEqual(page.shown, []);
});

test('code and state are out of the address before anything is sent, and nothing else is', async () => {
  const page = fakePage({ path: '/?mine=1&code=c&state=s&iss=i&session_state=x#here' });
  const pending = client().onPageLoad();
  assert.equal(location.href, `${WWW}/?mine=1#here`);
  assert.deepEqual(page.bff.requests, []);
  assert.equal((await pending).handled, true);
  assert.equal(JSON.parse(page.bff.requests[0].body).pageUrl, `${WWW}/?mine=1&code=c&state=s&iss=i&session_state=x#here`);
  assert.equal(history.state.router, 1, 'what a router keeps stays');
});

test('a signed answer is recognised, and a parameter of the application that is named like it is not', async () => {
  fakePage({ path: '/?response=eyJh.eyJi.c2ln' });
  assert.equal(takePageUrl(), `${WWW}/?response=eyJh.eyJi.c2ln`);
  assert.equal(location.href, `${WWW}/`);
  for (const path of ['/?response=yes', '/?code=1', '/?error=x']) {
    fakePage({ path });
    assert.equal(takePageUrl(), undefined, path);
    assert.equal(location.href, WWW + path);
  }
});

test('with a redirectPath other pages keep their parameters', async () => {
  const page = fakePage({ path: '/map?code=berlin&state=be' });
  await client({ redirectPath: '/' }).onPageLoad();
  assert.equal(location.search, '?code=berlin&state=be');
  assert.deepEqual(lines(page), ['GET /bff/session']);
});

test('an answer is used once, however often the page load is asked for', async () => {
  const page = fakePage({ path: '/?code=c&state=s' });
  const bff = client();
  const [one, two] = await Promise.all([bff.onPageLoad(), bff.onPageLoad()]);
  assert.equal(one, two);
  assert.equal(one.isLoggedIn, true);
  assert.deepEqual(lines(page), ['POST /bff/login/end', 'GET /bff/session']);
});

test('a sign-in that failed says why, and leaves the session that there is', async () => {
  const page = fakePage({ path: '/?error=access_denied&state=s' });
  page.bff.logIn();
  const { error, handled, isLoggedIn } = await client().onPageLoad();
  assert.ok(error instanceof BffError);
  assert.deepEqual([error.status, error.code, handled, isLoggedIn], [400, 'access_denied', true, true]);
  assert.equal(location.href, `${WWW}/`);
});

test('the error of a sign-in stays for those who look at the session later', async () => {
  const page = fakePage({ path: '/?error=access_denied&state=s' });
  const bff = client();
  const events = [];
  bff.subscribe((event, { error }) => events.push([event, error?.code]));
  await bff.onPageLoad();
  assert.deepEqual(events, [['loaded', undefined], ['failed', 'access_denied']]);
  assert.deepEqual([bff.current.isLoggedIn, bff.current.error.code], [false, 'access_denied']);
  page.bff.logIn();
  await bff.session();
  assert.deepEqual([bff.current.isLoggedIn, bff.current.error], [true, undefined]);
});

test('an authorization response that was used before is no error for a user who is signed in', async () => {
  for (const [isLoggedIn, expected] of [[true, undefined], [false, 'invalid_request']]) {
    const page = fakePage({ path: '/?error=invalid_request&state=s' });
    if (isLoggedIn) page.bff.logIn();
    const { error, handled } = await client().onPageLoad();
    assert.deepEqual([error?.code, handled], [expected, true]);
    assert.equal(location.href, `${WWW}/`);
  }
});

test('a page load without a BFF rejects, and nothing is said of the session', async () => {
  const page = fakePage();
  const { fetch } = globalThis;
  globalThis.fetch = () => Promise.reject(new TypeError('Failed to fetch'));
  const bff = client();
  const failed = heard(bff, 'failed');
  await assert.rejects(bff.onPageLoad(), { name: 'BffError', status: 0, code: 'unreachable' });
  assert.equal(bff.current.isLoggedIn, undefined);
  assert.equal((await failed).error, bff.current.error);
  assert.equal(bff.current.error.cause.message, 'Failed to fetch');
  globalThis.fetch = fetch;
  page.bff.logIn();
  await bff.onPageLoad();
  assert.deepEqual([bff.current.isLoggedIn, bff.current.error], [true, undefined]);
});

test('where there is no page a client can be made, and says so if it is used', async () => {
  const page = fakePage();
  delete globalThis.document;
  const bff = client({ bffUrl: '/bff' });
  assert.deepEqual(bff.current, { isLoggedIn: undefined });
  for (const use of [() => bff.subscribe(() => {}), () => bff.session(), () => bff.login(), () => bff.logout(), () => bff.fetch('/api')]) {
    await assert.rejects(async () => use(), /there is no page/);
  }
  assert.deepEqual([page.bff.requests, page.warnings], [[], []]);
});

test('a page of a host or a portal in the place of the BFF’s answer is an error and ends no session, in no tab', async () => {
  const page = fakePage();
  const html = (status) => new Response('<!doctype html><title>Welcome</title>', { status, headers: { 'content-type': 'text/html' } });
  page.bff.logIn();
  const [one, other] = [client(), client()];
  await one.onPageLoad();
  await other.onPageLoad();
  const events = [];
  for (const tab of [one, other]) tab.subscribe((event) => events.push(event));
  for (const instead of [() => html(200), () => html(401), () => html(511), () => Response.json([]), () => Response.json('no')]) {
    page.bff.instead = instead;
    const isUnusable = (error) => error instanceof BffError && error.code === 'unusable_answer';
    await assert.rejects(one.session(), isUnusable);
    await assert.rejects(client().onPageLoad(), isUnusable);
    await assert.rejects(one.login(), isUnusable);
    await assert.rejects(one.refresh(), isUnusable);
    assert.equal(one.current.isLoggedIn && other.current.isLoggedIn, true);
  }
  page.bff.instead = () => Response.json({});
  await assert.rejects(one.session(), (error) => error.code === 'unusable_answer', 'an object that does not say it');
  page.bff.instead = () => html(200);
  await assert.rejects(one.logout(), (error) => error.code === 'unusable_answer', 'the session is not reported as ended');
  page.bff.instead = undefined;
  assert.equal((await one.fetch(DATA)).status, 200);
  assert.deepEqual(events, []);
});

test('login goes to the authorization server, and the page comes back to where it was', async () => {
  const page = fakePage({ path: '/orders/42?page=2#top' });
  let to;
  const bff = client({ navigate: (url) => { to = url; } });
  await bff.login({ extraParams: { prompt: 'login' } });
  assert.equal(to, 'https://login.example.com/authorize?x=1');
  assert.deepEqual(JSON.parse(page.bff.requests[0].body), { extraParams: [{ key: 'prompt', value: 'login' }] });
  location.href = `${WWW}/?code=c&state=s`;
  const { returnTo } = await bff.onPageLoad();
  assert.equal(returnTo, '/orders/42?page=2#top');
  assert.equal(location.href, `${WWW}/orders/42?page=2#top`);
});

test('calls of login at once begin one login, and a later one another', async () => {
  const page = fakePage();
  const targets = [];
  const bff = client({ navigate: (url) => targets.push(url) });
  await Promise.all([bff.login(), bff.login(), bff.login()]);
  assert.deepEqual([page.bff.count('POST /bff/login/start'), targets.length], [1, 1]);
  page.bff.authorizationRequestUrl = 'javascript:alert(1)';
  await assert.rejects(bff.login(), BffError);
  page.bff.authorizationRequestUrl = undefined;
  await bff.login();
  assert.deepEqual([page.bff.count('POST /bff/login/start'), targets.length], [3, 2]);
});

test('nobody is sent to anything but a web address', async () => {
  for (const url of ['javascript:alert(1)', 'data:text/html,x', 'nonsense', 7]) {
    const page = fakePage();
    page.bff.authorizationRequestUrl = url;
    await assert.rejects(client({ navigate: () => assert.fail('left') }).login(), { code: 'unusable_answer' });
  }
});

test('nobody comes back to another origin', async () => {
  for (const returnTo of ['//evil.example', '/\\evil.example', 'https://evil.example/', 'javascript:alert(1)']) {
    fakePage();
    const bff = client();
    await bff.login({ returnTo });
    location.href = `${WWW}/?code=c&state=s`;
    assert.equal((await bff.onPageLoad()).returnTo, undefined);
    assert.equal(location.href, `${WWW}/`);
  }
});

test('signing in in one tab is seen in the others', async () => {
  const page = fakePage();
  const other = client();
  await other.onPageLoad();
  assert.equal(other.current.isLoggedIn, false);
  const began = heard(other, 'logged_in');
  location.href = `${WWW}/?code=c&state=s`;
  await client().onPageLoad();
  assert.equal((await began).claims.sub, 'alice');
  assert.equal((await other.fetch(DATA, { method: 'POST' })).status, 200);
  assert.equal(page.bff.count('POST /bff/refresh'), 0);
});

test('an answer about the session that was overtaken does not count', async () => {
  const page = fakePage();
  page.bff.logIn();
  const bff = client();
  await bff.onPageLoad();
  const { fetch } = globalThis;
  let release;
  globalThis.fetch = async (...call) => {
    const response = await fetch(...call);
    await new Promise((resolve) => { release = resolve; });
    return response;
  };
  const slow = bff.session();
  while (!release) await new Promise(setImmediate);
  globalThis.fetch = fetch;
  page.bff.session = undefined;
  await bff.session();
  release();
  assert.equal((await slow).isLoggedIn, false);
});

test('a page that comes back out of the browser’s cache asks again', async () => {
  const page = fakePage();
  page.bff.logIn();
  const bff = client();
  await bff.onPageLoad();
  await bff.logout();
  assert.equal(bff.current.isLoggedIn, true, 'left as it was');
  const ended = heard(bff, 'session_expired');
  page.events.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }));
  assert.equal((await ended).isLoggedIn, false);
});

test('refresh gets a new token without need, and rejects where the session is over', async () => {
  const page = fakePage();
  page.bff.logIn();
  const bff = client();
  await bff.onPageLoad();
  await bff.refresh();
  assert.equal(page.bff.count('POST /bff/refresh'), 1);
  assert.equal(page.bff.requests.find(({ line }) => line === 'POST /bff/refresh').init.keepalive, true);
  page.bff.session = undefined;
  await assert.rejects(bff.refresh(), { status: 401, code: 'session_expired' });
  assert.equal(bff.current.isLoggedIn, false);
});

test('a refresh that lacks the proof of the device is sent again once the browser has it, and twice without it is the end', async () => {
  const page = fakePage();
  page.bff.logIn();
  const bff = client();
  await bff.onPageLoad();
  const lackProof = (times) => {
    page.bff.refreshFault = () => {
      page.bff.refreshFault = undefined;
      if (times > 1) lackProof(times - 1);
      return new Response('{"code":"device_binding_required","message":"No proof."}', { status: 401 });
    };
  };
  lackProof(1);
  await bff.refresh();
  assert.deepEqual(lines(page).slice(1), ['POST /bff/refresh', 'GET /bff/session', 'POST /bff/refresh', 'GET /bff/session']);
  assert.equal(bff.current.isLoggedIn, true);
  lackProof(2);
  await assert.rejects(bff.refresh(), { status: 401 });
  assert.equal(bff.current.isLoggedIn, false);
});

test('nothing secret is stored, shown or handed out', async () => {
  const page = fakePage({ path: '/?code=the-code&state=the-state' });
  const bff = client();
  const stored = [];
  const { setItem } = sessionStorage;
  sessionStorage.setItem = (...item) => { stored.push(item); setItem(...item); };
  const posted = [];
  const { postMessage } = BroadcastChannel.prototype;
  BroadcastChannel.prototype.postMessage = function post(message) { posted.push(message); postMessage.call(this, message); };
  const pageLoad = await bff.onPageLoad();
  BroadcastChannel.prototype.postMessage = postMessage;
  await bff.login();
  assert.deepEqual(posted, ['logged_in']);
  assert.equal(stored.length, 1);
  const visible = JSON.stringify([pageLoad, bff, bff.current, await bff.session(), stored, posted, page.shown, location.href]);
  for (const secret of ['the-code', 'the-state', 'csrf of alice']) assert.ok(!visible.includes(secret), secret);
});

test('a listener that throws keeps nothing from the others', async () => {
  const page = fakePage();
  page.bff.logIn();
  const bff = client();
  const events = [];
  bff.subscribe(() => { throw new Error('mine'); });
  const stop = bff.subscribe((event) => events.push(event));
  await bff.onPageLoad();
  stop();
  page.bff.session = undefined;
  await bff.session();
  assert.deepEqual(events, ['loaded']);
  assert.deepEqual(page.warnings, ['mine', 'mine']);
});
