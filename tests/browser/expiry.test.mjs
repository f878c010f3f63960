// The access token expires while the page is open. ACCESS_TOKEN_SECONDS is its lifetime in this system.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { DATA, fulfilledRefreshes, signedInTabs } from './client-tabs.mjs';
import { inBrowser } from './context.mjs';
import { API, WWW, authenticated, pressed, shown, signIn } from './lib.mjs';

const LIFETIME_SECONDS = Number(process.env.ACCESS_TOKEN_SECONDS);

/** Waits until the API refuses the access token. */
async function expired(page) {
  const refused = (url) => fetch(url, { credentials: 'include' }).then((response) => response.status === 401);
  for (const end = Date.now() + (LIFETIME_SECONDS + 20) * 1000; Date.now() < end;) {
    if (await page.evaluate(refused, `${API}/api/data`)) return;
    await page.waitForTimeout(500);
  }
  assert.fail(`the API still accepts the access token ${LIFETIME_SECONDS + 20} s after sign-in`);
}

function recordRefreshes(context) {
  const statuses = [];
  context.on('response', (response) => {
    if (new URL(response.url()).pathname === '/bff/refresh' && response.request().method() === 'POST') statuses.push(response.status());
  });
  return statuses;
}

test('an expired access token leads to one refresh, and to the data', inBrowser(async (page) => {
  await signIn(page);
  const refreshes = recordRefreshes(page.context());
  await expired(page);
  await pressed(page, '#getApiData', '#getDataResult', /Success response/);
  assert.deepEqual(refreshes, [204]);
}));

test('two tabs that meet the expired token at once both get their data by one refresh', inBrowser(async (page) => {
  await signIn(page);
  const tab = await page.context().newPage();
  await tab.goto(WWW);
  await authenticated(tab);
  const refreshes = recordRefreshes(page.context());
  await expired(page);
  await Promise.all([page, tab].map((each) => each.evaluate(() => document.querySelector('#postApiData').click())));
  await Promise.all([page, tab].map((each) => shown(each, '#postDataResult', /Success response/)));
  assert.deepEqual(refreshes, [204]);
}));

/** Makes concurrent calls of all kinds, by the browser client. Returns their statuses. */
function callInEveryWay(tab) {
  return tab.evaluate(async (url) => {
    const form = new FormData();
    form.set('item', 'a new order');
    const headers = { 'content-type': 'application/json' };
    const calls = [
      bff.fetch(url),
      bff.fetch(url, { method: 'POST', headers, body: '{"item":"text"}' }),
      bff.fetch(new Request(url, { method: 'POST', headers, body: '{"item":"request"}' })),
      bff.fetch(url, { method: 'POST', body: new Blob(['{"item":"blob"}'], { type: 'application/json' }) }),
      bff.fetch(url, { method: 'POST', body: form }),
      bff.fetch(`${url.replace('/api/data', '/bff/userInfo')}`),
    ];
    return (await Promise.all(calls)).map(({ status }) => status);
  }, DATA);
}

test('five tabs whose access token has expired call at once: one refresh reaches the BFF, and every call succeeds', inBrowser(async (page) => {
  const tabs = await signedInTabs(page, 5);
  await expired(tabs[0]);
  const before = await fulfilledRefreshes();
  const statuses = await Promise.all(tabs.map(callInEveryWay));
  // The BFF's user info needs no access token here: nobody refuses that call.
  for (const [number, ofTab] of statuses.entries()) {
    assert.ok(ofTab.every((status) => status >= 200 && status < 300), `tab ${number}: ${ofTab}`);
  }
  assert.equal(await fulfilledRefreshes() - before, 1);
}));
