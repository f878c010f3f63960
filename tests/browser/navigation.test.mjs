// The navigation variant: signing in and out without code in the page.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { inBrowser } from './context.mjs';
import { API, LOGIN, USER, WWW, authenticated, bffCookies, counted, fillIn, unauthenticated } from './lib.mjs';

/** Signs in by navigating to the BFF's login endpoint. The page ends at the URL that the browser requested. */
async function signInByNavigation(page, returnTo) {
  await page.goto(`${API}/bff/login?returnTo=${encodeURIComponent(returnTo)}`);
  await page.waitForURL((url) => url.origin === LOGIN);
  await fillIn(page, USER);
  await page.waitForURL((url) => url.origin === WWW);
  await authenticated(page);
}

/** The URL at which a page of the session signs out. */
function logoutUrl(page) {
  return page.evaluate(async (api) => {
    const response = await fetch(`${api}/bff/session`, { credentials: 'include' });
    return `${api}/bff/logout?csrf=${(await response.json()).csrf}`;
  }, API);
}

/** Navigates to it from a page of the application: the session's cookies are SameSite=Strict. */
async function signOutByNavigation(page, url) {
  await page.evaluate((url) => { location.href = url; }, url);
  await page.waitForURL((url) => url.origin === WWW && url.pathname === '/');
  await unauthenticated(page);
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
  await signOutByNavigation(page, await logoutUrl(page));
  assert.deepEqual(await bffCookies(page.context()), []);
}));

/** The number of prefetches that the BFF has refused at an endpoint. */
const refusedPrefetches = (endpoint) => counted(`bff_refusals_total{endpoint="${endpoint}",reason="prefetch_refused"}`);

test('what Chromium fetches or renders ahead signs nobody in or out, and going there does', inBrowser(async (page) => {
  await signInByNavigation(page, '/');
  const before = await bffCookies(page.context());
  const logout = await logoutUrl(page);
  for (const rule of ['prefetch', 'prerender']) {
    for (const [endpoint, url] of [['login', `${API}/bff/login`], ['logout_by_navigation', logout]]) {
      const count = await refusedPrefetches(endpoint);
      await page.evaluate(([rule, url]) => {
        const rules = document.createElement('script');
        rules.type = 'speculationrules';
        rules.textContent = JSON.stringify({ [rule]: [{ urls: [url], eagerness: 'immediate' }] });
        document.head.append(rules);
      }, [rule, url]);
      for (let waited = 0; await refusedPrefetches(endpoint) === count; waited += 1) {
        assert.ok(waited < 400, `Chromium does not ${rule} ${endpoint}`);
        await page.waitForTimeout(50);
      }
    }
  }
  assert.deepEqual(await bffCookies(page.context()), before);
  await page.reload();
  await authenticated(page);
  await signOutByNavigation(page, logout);
  // The demo's own policy allows no script within the page.
}, { bypassCSP: true }));
