// Sessions that the authorization server ends by itself: back-channel logout.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { inBrowser } from './context.mjs';
import { API, bffCookies, endSessions, pressed, signIn, unauthenticated } from './lib.mjs';

/** The status of a call from the page, with its cookies. */
function status(page, method, path, csrf) {
  return page.evaluate(async ([url, method, csrf]) => {
    const headers = csrf ? { 'x-example-csrf': csrf } : {};
    return (await fetch(url, { method, headers, credentials: 'include' })).status;
  }, [`${API}${path}`, method, csrf]);
}

test('a session that was ended at the authorization server is over everywhere', inBrowser(async (page) => {
  await signIn(page);
  await pressed(page, '#getApiData', '#getDataResult', /Success response/);
  const csrf = await page.evaluate(async (api) => {
    return (await (await fetch(`${api}/bff/session`, { credentials: 'include' })).json()).csrf;
  }, API);
  assert.ok(await endSessions() >= 1);
  // The filter polls the list within two seconds, although the token is in its cache.
  const end = Date.now() + 20_000;
  while (await status(page, 'GET', '/api/data') !== 401) {
    assert.ok(Date.now() < end, 'the filter never refused');
    await new Promise((resolve) => { setTimeout(resolve, 100); });
  }
  assert.equal(await status(page, 'POST', '/bff/refresh', csrf), 401);
  assert.deepEqual(await bffCookies(page.context()), [], 'the refresh cleared the cookies');
  await page.reload();
  await unauthenticated(page);
}));

test('the same user may sign in again at once', inBrowser(async (page) => {
  await signIn(page);
  await endSessions();
  await page.reload();
  await unauthenticated(page);
  await signIn(page);
  await pressed(page, '#getApiData', '#getDataResult', /Success response/);
}));
