// The access token's life ends while the page is open. ACCESS_TOKEN_SECONDS is what the system was started with.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { inBrowser } from './context.mjs';
import { API, WWW, authenticated, pressed, shown, signIn } from './lib.mjs';

const SECONDS = Number(process.env.ACCESS_TOKEN_SECONDS);

/** Waits until the API itself says that the access token is no longer good. */
async function expired(page) {
  const refused = (url) => fetch(url, { credentials: 'include' }).then((response) => response.status === 401);
  for (const end = Date.now() + (SECONDS + 20) * 1000; Date.now() < end;) {
    if (await page.evaluate(refused, `${API}/api/data`)) return;
    await page.waitForTimeout(500);
  }
  assert.fail(`the API still answered ${SECONDS + 20} seconds after sign-in`);
}

function countRefreshes(context) {
  const answers = [];
  context.on('response', (response) => {
    if (new URL(response.url()).pathname === '/bff/refresh' && response.request().method() === 'POST') answers.push(response.status());
  });
  return answers;
}

test('an expired access token leads to one refresh, and to the data', inBrowser(async (page) => {
  await signIn(page);
  const refreshes = countRefreshes(page.context());
  await expired(page);
  await pressed(page, '#getApiData', '#getDataResult', /Success response/);
  assert.deepEqual(refreshes, [204]);
}));

test('two tabs that meet the expired token at once both get their data by one refresh', inBrowser(async (page) => {
  await signIn(page);
  const tab = await page.context().newPage();
  await tab.goto(WWW);
  await authenticated(tab);
  const refreshes = countRefreshes(page.context());
  await expired(page);
  await Promise.all([page, tab].map((each) => each.evaluate(() => document.querySelector('#postApiData').click())));
  await Promise.all([page, tab].map((each) => shown(each, '#postDataResult', /Success response/)));
  assert.deepEqual(refreshes, [204]);
}));
