// Step-up (RFC 9470) with the real system: the API requires more of the user's authentication, and the page has the user sign
// in again. Environment: MAX_AUTH_AGE_SECONDS.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { DATA, serveClient } from './client-tabs.mjs';
import { inBrowser } from './context.mjs';
import { API, LOGIN, USER, WWW, fillIn, signIn } from './lib.mjs';

const AGE_SECONDS = Number(process.env.MAX_AUTH_AGE_SECONDS);
const RECENT = `${API}/api/recent`;
const STRONG = `${API}/api/strong`;
const PLACE = '/orders?x=1#y';

/** The page with the client and nothing else, at the present address. */
const boot = (tab) => tab.evaluate(async (api) => {
  const { BffClient } = await import('/client/dist/index.js');
  const { StepUp } = await import('/client/dist/step-up.js');
  globalThis.events = [];
  globalThis.bff = new BffClient({ bffUrl: `${api}/bff` });
  globalThis.stepUp = new StepUp(bff);
  stepUp.subscribe(async ({ type, call, response, error, retry }) => {
    if (retry) globalThis.retry = retry;
    events.push({ type, method: call.method, url: call.url, status: response?.status, code: error?.code });
  });
  await bff.onPageLoad();
}, API);

/** A tab with that page, of a user who has signed in. */
async function openTab(context) {
  const tab = await context.newPage();
  await serveClient(tab);
  await tab.goto(WWW + PLACE);
  await boot(tab);
  return tab;
}

/** Signs in, and counts the requests of the browser by method and URL. */
async function signedIn(page) {
  await signIn(page);
  await page.goto('about:blank');
  const requests = [];
  page.context().on('request', (request) => requests.push(`${request.method()} ${request.url()}`));
  const count = (line) => requests.filter((request) => request === line).length;
  return { tab: await openTab(page.context()), count };
}

/** Waits until the sign-in is older than the API allows. */
const growOld = (tab) => tab.evaluate(async (seconds) => {
  while (Date.now() / 1000 - bff.current.claims.auth_time <= seconds + 1) await new Promise((resolve) => { setTimeout(resolve, 500); });
}, AGE_SECONDS);

/** Calls the API. The browser may leave before the response can be read. */
const call = (tab, url, init) => tab.evaluate(([url, init]) => { stepUp.fetch(url, init).catch(() => {}); }, [url, init]);

/** The status of a call after which the page stays. */
const status = (tab, url, init) => tab.evaluate(async ([url, init]) => (await stepUp.fetch(url, init)).status, [url, init]);

const returned = (tab) => tab.waitForURL((url) => url.origin === WWW && url.searchParams.has('code'));

/** Calls the API when the sign-in is too old for it, and signs in again. */
async function stepUp(tab, method) {
  await growOld(tab);
  await call(tab, RECENT, { method });
  await tab.waitForURL((url) => url.origin === LOGIN);
  await fillIn(tab, USER);
  await returned(tab);
  await boot(tab);
}

/** Waits for an event. */
async function event(tab) {
  await tab.waitForFunction(() => events.length > 0);
  // Without members that are undefined.
  return JSON.parse(await tab.evaluate(() => JSON.stringify(events.shift())));
}

describe('step-up', { concurrency: true }, () => {
  test('a GET for which the sign-in is too old leads to another one, and is repeated after it', inBrowser(async (page) => {
    const { tab, count } = await signedIn(page);
    await stepUp(tab, 'GET');
    assert.deepEqual(await event(tab), { type: 'repeated', method: 'GET', url: RECENT, status: 200 });
    assert.equal(count(`GET ${RECENT}`), 2);
    assert.equal(await tab.evaluate(() => location.pathname + location.search + location.hash), PLACE);
    assert.equal(count(`POST ${API}/bff/refresh`), 0, 'a refresh would not have helped');
    assert.equal(count(`POST ${API}/bff/login/start`), 1);
  }));

  test('a POST for which the sign-in is too old leads to another one, and is not repeated', inBrowser(async (page) => {
    const { tab, count } = await signedIn(page);
    await stepUp(tab, 'POST');
    assert.deepEqual(await event(tab), { type: 'completed', method: 'POST', url: RECENT });
    assert.equal(count(`POST ${RECENT}`), 1);
    assert.equal(await status(tab, RECENT, { method: 'POST' }), 200);
    assert.equal(count(`POST ${API}/bff/login/start`), 1);
  }));

  test('a sign-in that comes back too low is an event, ends nothing, and is not repeated by itself in any tab', inBrowser(async (page) => {
    const { tab, count } = await signedIn(page);
    assert.equal(await status(tab, DATA), 200, 'another route requires nothing');
    await call(tab, STRONG);
    // The authorization server knows the user, and asks nothing.
    await returned(tab);
    await boot(tab);
    assert.deepEqual(await event(tab), { type: 'failed', method: 'GET', url: STRONG, code: 'insufficient_user_authentication' });
    assert.equal(await tab.evaluate(() => bff.current.isLoggedIn), true);
    await tab.evaluate(() => bff.refresh());
    assert.equal(await status(tab, DATA), 200, 'the session of before, whose tokens were not revoked');
    await tab.reload();
    await boot(tab);
    for (const each of [tab, await openTab(page.context())]) {
      for (const method of ['GET', 'POST']) {
        assert.equal(await status(each, STRONG, { method }), 401);
        assert.deepEqual(await event(each), { type: 'failed', method, url: STRONG });
      }
    }
    assert.equal(count(`POST ${API}/bff/login/start`), 1);
    // The user decides.
    await tab.evaluate(() => { void retry(); });
    await returned(tab);
    assert.equal(count(`POST ${API}/bff/login/start`), 2);
  }));
});
