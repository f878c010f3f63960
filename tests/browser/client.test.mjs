// The browser client in pages of its own, several at once, with the real system.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { DATA, fulfilledRefreshes, openTabs, signedInTabs } from './client-tabs.mjs';
import { inBrowser } from './context.mjs';
import { API, LOGIN, WWW, bffCookies, signIn } from './lib.mjs';

const AT = '__Host-Http-example-at';

/** Removes the access token from the browser, as if its cookie had expired. The session can be refreshed. */
async function loseAccessToken(context) {
  await context.clearCookies({ name: AT });
  assert.ok(!(await context.cookies()).some(({ name }) => name === AT));
}

const ended = (tab) => tab.waitForFunction(() => bff.current.isLoggedIn === false);
const events = (tab) => tab.evaluate(() => globalThis.events);

test('refreshes that three tabs ask for at once come one after the other, and the session lives on', inBrowser(async (page) => {
  const tabs = await signedInTabs(page, 3);
  const before = await fulfilledRefreshes();
  await Promise.all(tabs.map((tab) => tab.evaluate(() => bff.refresh())));
  assert.equal(await fulfilledRefreshes() - before, 3);
  for (const tab of tabs) assert.equal(await tab.evaluate(async (url) => (await bff.fetch(url, { method: 'POST' })).status, DATA), 200);
}));

test('without Web Locks tabs refresh at once, and the BFF makes one refresh of it', inBrowser(async (page) => {
  await page.context().addInitScript(() => Object.defineProperty(Navigator.prototype, 'locks', { value: undefined }));
  const tabs = await signedInTabs(page, 3);
  await loseAccessToken(page.context());
  const call = (tab) => tab.evaluate(async (url) => (await bff.fetch(url, { method: 'POST' })).status, DATA);
  assert.deepEqual(await Promise.all(tabs.map(call)), [200, 200, 200]);
  await loseAccessToken(page.context());
  assert.deepEqual(await Promise.all(tabs.map(call)), [200, 200, 200], 'nobody was taken for a thief');
}));

test('a tab signs out while the others renew the session: nobody brings it back, and all of them hear of it', inBrowser(async (page) => {
  const [tab, ...others] = await signedInTabs(page, 4);
  await loseAccessToken(page.context());
  const call = (other) => other.evaluate(async (url) => (await bff.fetch(url, { method: 'POST' })).status, DATA);
  const [left, ...statuses] = await Promise.all([
    tab.evaluate(async () => {
      await bff.logout();
      return globalThis.left;
    }),
    ...others.map(call),
  ]);
  assert.equal(new URL(left).origin, LOGIN);
  assert.ok(statuses.every((status) => status === 200 || status === 401), statuses.join());
  await Promise.all(others.map(ended));
  assert.deepEqual((await bffCookies(page.context())).map(({ name }) => name), []);
  assert.deepEqual(await events(tab), ['loaded'], 'the view of the tab that leaves stays as it is');
}));

test('sign-out in one tab is an event in the other', inBrowser(async (page) => {
  const [tab, other] = await signedInTabs(page, 2);
  await tab.evaluate(() => bff.logout());
  await ended(other);
  assert.deepEqual(await events(other), ['loaded', 'logged_out']);
  assert.equal(await other.evaluate(async (url) => (await bff.fetch(url)).status, DATA), 401);
}));

test('sign-in in one tab is an event in the other, which can change data at once', inBrowser(async (page) => {
  const [other] = await openTabs(page.context(), 1);
  assert.equal(await other.evaluate(() => bff.current.isLoggedIn), false);
  await signIn(page);
  await other.waitForFunction(() => bff.current.isLoggedIn);
  assert.deepEqual(await events(other), ['loaded', 'logged_in']);
  assert.equal(await other.evaluate(() => bff.current.claims.preferred_username), 'demouser');
  assert.equal(await other.evaluate(async (url) => (await bff.fetch(url, { method: 'POST' })).status, DATA), 200);
}));

test('the end of a session is found out by one tab and heard by the other', inBrowser(async (page) => {
  const [tab, other] = await signedInTabs(page, 2);
  await page.context().clearCookies();
  assert.equal(await tab.evaluate(async (url) => (await bff.fetch(url)).status, DATA), 401);
  await ended(other);
  for (const each of [tab, other]) assert.deepEqual(await events(each), ['loaded', 'session_expired']);
}));

test('a refresh that the BFF answers with 502 rejects the call and ends no session', inBrowser(async (page) => {
  const [tab] = await signedInTabs(page, 1);
  await loseAccessToken(page.context());
  const failing = (route) => route.fulfill({
    status: 502,
    contentType: 'application/json',
    headers: { 'access-control-allow-origin': WWW, 'access-control-allow-credentials': 'true' },
    body: '{"code":"authorization_server_error","message":"A problem."}',
  });
  await page.context().route(`${API}/bff/refresh`, failing);
  const call = () => tab.evaluate((url) => bff.fetch(url).then(({ status }) => status, ({ status, code }) => [status, code]), DATA);
  assert.deepEqual(await call(), [502, 'authorization_server_error']);
  await page.context().unroute(`${API}/bff/refresh`, failing);
  assert.equal(await call(), 200);
  // If the new ID token is not from the same second as the first, there are two events.
  assert.match((await events(tab)).join(' '), /^loaded( loaded)?$/);
  assert.equal(await tab.evaluate(() => bff.current.isLoggedIn), true);
}));

test('a stream is not sent again, and the session is renewed for the next one', inBrowser(async (page) => {
  const [tab] = await signedInTabs(page, 1);
  await loseAccessToken(page.context());
  const upload = () => tab.evaluate(async (url) => {
    const body = new Blob(['{"item":"stream"}']).stream();
    const response = await bff.fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body, duplex: 'half' });
    return response.status;
  }, DATA);
  assert.equal(await upload(), 401);
  assert.equal(await upload(), 200);
}));

test('the CSRF header goes to the API and nowhere else', inBrowser(async (page) => {
  const [tab] = await signedInTabs(page, 1);
  const sent = [];
  tab.on('request', (request) => {
    if (request.method() === 'POST') sent.push([new URL(request.url()).origin, 'x-example-csrf' in request.headers()]);
  });
  await tab.evaluate((urls) => Promise.all(urls.map((url) => bff.fetch(url, { method: 'POST' }).catch(() => {}))), [DATA, `${WWW}/x`]);
  assert.deepEqual(sent.sort(), [[API, true], [WWW, false]]);
}));
