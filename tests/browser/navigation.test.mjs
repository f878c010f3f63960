// The navigation variant: signing in and out without code in the page.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { inBrowser } from './context.mjs';
import { API, LOGIN, USER, WWW, authenticated, bffCookies, fillIn, unauthenticated } from './lib.mjs';

/** Signs in by going to the API's own login; the page ends where the browser wanted to be. */
async function signInByNavigation(page, returnTo) {
  await page.goto(`${API}/bff/login?returnTo=${encodeURIComponent(returnTo)}`);
  await page.waitForURL((url) => url.origin === LOGIN);
  await fillIn(page, USER);
  await page.waitForURL((url) => url.origin === WWW);
  await authenticated(page);
}

test('the browser signs in by navigation and ends where it wanted to be', inBrowser(async (page) => {
  await signInByNavigation(page, '/some/page?a=b');
  assert.equal(page.url(), `${WWW}/some/page?a=b`);
  const cookies = await bffCookies(page.context());
  assert.deepEqual([...new Set(cookies.map(({ sameSite }) => sameSite))], ['Strict'], 'the login cookie is gone');
}));

test('the cookie of logins by navigation alone is Lax, and no cookie comes along from another site otherwise', inBrowser(async (page) => {
  await page.goto(`${API}/bff/login`);
  await page.waitForURL((url) => url.origin === LOGIN);
  const cookies = await bffCookies(page.context());
  assert.deepEqual(cookies.map(({ name, sameSite }) => [name.replace(/.*example-/, ''), sameSite]), [['nav', 'Lax']]);
}));

test('who gives up signing in comes back with an error', inBrowser(async (page) => {
  await page.goto(`${API}/bff/login?returnTo=/`);
  await page.waitForURL((url) => url.origin === LOGIN);
  await page.click('a[href$="/cancel"]');
  await page.waitForURL((url) => url.origin === WWW);
  assert.equal(new URL(page.url()).searchParams.get('error'), 'access_denied');
  await unauthenticated(page);
}));

test('the browser signs out by navigation, with the session’s CSRF value', inBrowser(async (page) => {
  await signInByNavigation(page, '/');
  const csrf = await page.evaluate(async (api) => {
    const response = await fetch(`${api}/bff/session`, { credentials: 'include' });
    return (await response.json()).csrf;
  }, API);
  // From a page of the application: the session's cookies are SameSite=Strict.
  await page.evaluate((url) => { location.href = url; }, `${API}/bff/logout?csrf=${csrf}`);
  await page.waitForURL((url) => url.origin === WWW && url.pathname === '/');
  await unauthenticated(page);
  assert.deepEqual(await bffCookies(page.context()), []);
}));
