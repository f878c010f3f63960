// Sign-out, in one tab and in the others.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { client, heard, lines } from './client.mjs';
import { API, WWW, fakePage } from './fake-page.mjs';

const DATA = `${API}/api/data`;

test('the state of our own logout is taken out of the address, another one is not', async () => {
  fakePage({ path: '/?state=signed-out' });
  const pageLoad = await client().onPageLoad();
  assert.equal(location.href, `${WWW}/`);
  assert.equal(pageLoad.handled, false, 'no sign-in has ended');
  fakePage({ path: '/?state=bavaria' });
  await client().onPageLoad();
  assert.equal(location.href, `${WWW}/?state=bavaria`);
});

test('signing out in one tab is seen in the others, and this one leaves', async () => {
  const page = fakePage();
  page.bff.logIn();
  const left = [];
  const [bff, other] = [client({ navigate: (url) => left.push(url) }), client()];
  await Promise.all([bff.onPageLoad(), other.onPageLoad()]);
  const events = [];
  bff.subscribe((event) => events.push(event));
  const ended = heard(other, 'logged_out');
  await bff.logout();
  assert.deepEqual(left, ['https://login.example.com/end?x=1']);
  assert.deepEqual(await ended, { isLoggedIn: false, ended: 'logged_out' });
  assert.equal((await bff.fetch(DATA)).status, 401);
  assert.equal(page.bff.count('POST /bff/refresh'), 0);
  assert.deepEqual(events, [], 'a view that begins to sign in again now would not leave');
});

test('signing out comes back to the place that was asked for, and otherwise to none', async () => {
  for (const [returnTo, expected] of [['/bye?x=1', '/bye?x=1'], [undefined, '/'], ['https://evil.example/', '/'], ['//evil.example/', '/']]) {
    const page = fakePage({ path: '/orders' });
    page.bff.logIn();
    let target;
    const bff = client({ navigate: (url) => { target = url; } });
    await bff.onPageLoad();
    // A sign-in that was abandoned.
    await bff.login({ returnTo: '/elsewhere' });
    await bff.logout({ returnTo });
    assert.equal(target, 'https://login.example.com/end?x=1');
    location.href = `${WWW}/?state=signed-out`;
    const pageLoad = await client().onPageLoad();
    assert.equal(location.href, WWW + expected);
    assert.equal(pageLoad.returnTo, expected === '/' ? undefined : expected);
  }
});

test('signing out of a session that is over goes to the place that was asked for', async () => {
  const page = fakePage();
  page.bff.logIn();
  const targets = [];
  const bff = client({ navigate: (url) => targets.push(url) });
  await bff.onPageLoad();
  page.bff.session = undefined;
  await bff.logout({ returnTo: '/bye' });
  assert.deepEqual([bff.current.isLoggedIn, targets], [false, ['/bye']]);
});

test('signing out of a session that is over is no error', async () => {
  const page = fakePage();
  page.bff.logIn();
  const bff = client();
  await bff.onPageLoad();
  page.bff.session = undefined;
  await bff.logout();
  assert.equal(bff.current.isLoggedIn, false);
});

test('signing out everywhere says so to the BFF, and returns what could not be done', async () => {
  const page = fakePage();
  page.bff.logIn();
  const targets = [];
  const bff = client({ navigate: (url) => targets.push(url) });
  await bff.onPageLoad();
  assert.deepEqual(await bff.logout({ everywhere: true }), { notDone: ['other_tokens'] });
  assert.deepEqual(targets, ['https://login.example.com/end?x=1']);
  page.bff.logIn();
  await bff.session();
  assert.deepEqual(await bff.logout(), { notDone: undefined });
});

test('signing out everywhere without a session is an error, since no other session has ended', async () => {
  const page = fakePage();
  page.bff.logIn();
  const bff = client();
  await bff.onPageLoad();
  page.bff.session = undefined;
  await assert.rejects(bff.logout({ everywhere: true }), { status: 401 });
  assert.equal(bff.current.isLoggedIn, false);
});

test('signing out with a CSRF value that was replaced works', async () => {
  const page = fakePage();
  page.bff.logIn();
  const bff = client();
  await bff.onPageLoad();
  page.bff.logIn('alice', 'another value');
  await bff.logout();
  assert.equal(page.bff.session, undefined);
});

test('a tab that signs out waits for the refresh of another, which does not bring the session back', async () => {
  const page = fakePage();
  page.bff.logIn();
  const [bff, other] = [client(), client()];
  await Promise.all([bff.onPageLoad(), other.onPageLoad()]);
  page.bff.isTokenValid = false;
  page.bff.requests = [];
  let signedOut;
  page.bff.before['POST /bff/refresh'] = () => { signedOut = bff.logout(); };
  assert.ok([200, 401].includes((await other.fetch(DATA)).status));
  await signedOut;
  const posts = lines(page).filter((line) => line.startsWith('POST'));
  assert.deepEqual(posts, ['POST /bff/refresh', 'POST /bff/logout']);
  assert.equal(page.bff.session, undefined);
});

test('a refresh that hangs in one tab keeps no other from signing out, nor its own', { timeout: 20_000 }, async (context) => {
  // The timers of signals do not keep the process alive.
  const alive = setInterval(() => {}, 1000);
  context.after(() => clearInterval(alive));
  for (const locks of [undefined, { request: () => Promise.reject(new DOMException('opaque origin', 'SecurityError')) }]) {
    const page = fakePage();
    if (locks) navigator.locks = locks;
    page.bff.logIn();
    const [bff, other] = [client(), client()];
    await Promise.all([bff.onPageLoad(), other.onPageLoad()]);
    page.bff.requests = [];
    let completeRefresh;
    page.bff.before['POST /bff/refresh'] = () => new Promise((resolve) => { completeRefresh = resolve; });
    const hanging = Promise.allSettled([other.refresh()]);
    while (!completeRefresh) await new Promise((resolve) => { setImmediate(resolve); });
    // Without locks across all tabs, the refresh that hangs is the one that matters.
    await (locks ? other : bff).logout();
    assert.equal(page.bff.session, undefined);
    // The BFF refuses it now, and the session stays ended.
    completeRefresh();
    const [{ reason }] = await hanging;
    assert.equal(reason.code, 'session_expired');
    assert.deepEqual(lines(page).filter((line) => line.startsWith('POST')), ['POST /bff/refresh', 'POST /bff/logout']);
  }
});

test('a refresh that waits for a sign-out is not made', async () => {
  const page = fakePage();
  page.bff.logIn();
  const [bff, other] = [client(), client()];
  await Promise.all([bff.onPageLoad(), other.onPageLoad()]);
  page.bff.isTokenValid = false;
  let call;
  page.bff.before['POST /bff/logout'] = () => { call = other.fetch(DATA); };
  await bff.logout();
  assert.equal((await call).status, 401);
  assert.equal(page.bff.count('POST /bff/refresh'), 0);
  assert.equal(other.current.isLoggedIn, false);
});
