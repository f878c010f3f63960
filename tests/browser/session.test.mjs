// The tutorial's walkthrough, one behavior per test.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { inBrowser } from './context.mjs';
import {
  API, LOGIN, WWW, authenticated, bffCookies, fillIn, goToLogin, pressed, signIn, signOut, unauthenticated, USER,
} from './lib.mjs';

test('a visitor sees the unauthenticated view, and signs in', inBrowser(async (page) => {
  await signIn(page);
  assert.equal(new URL(page.url()).search, '', 'code and state are gone from the URL');
}));

test('a wrong password is refused and says so, and the right one then signs in', inBrowser(async (page) => {
  await goToLogin(page);
  await fillIn(page, { ...USER, password: 'Password2' });
  await page.waitForSelector('[role=alert]');
  assert.equal(new URL(page.url()).origin, LOGIN);
  await fillIn(page, USER);
  await authenticated(page);
}));

test('user info and claims are shown', inBrowser(async (page) => {
  await signIn(page);
  const info = JSON.parse(await pressed(page, '#getUserInfo', '#getUserInfoResult', /sub/));
  assert.equal(info.given_name, 'Demo');
  const claims = JSON.parse(await pressed(page, '#getClaims', '#getClaimsResult', /iss/));
  assert.equal(claims.iss, LOGIN);
  assert.equal(claims.aud, 'spa-client');
}));

test('data is read by GET and changed by POST', inBrowser(async (page) => {
  await signIn(page);
  await pressed(page, '#getApiData', '#getDataResult', /Success response/);
  await pressed(page, '#postApiData', '#postDataResult', /Success response/);
}));

test('a POST without the CSRF header is refused even in the signed-in browser', inBrowser(async (page) => {
  await signIn(page);
  const post = (url) => fetch(url, { method: 'POST', credentials: 'include' }).then((response) => response.status);
  assert.equal(await page.evaluate(post, `${API}/api/data`), 401);
}));

test('a reload keeps the session', inBrowser(async (page) => {
  await signIn(page);
  await page.reload();
  await authenticated(page);
  await pressed(page, '#postApiData', '#postDataResult', /Success response/);
}));

test('a link from another site leads into the signed-in session', inBrowser(async (page) => {
  await signIn(page);
  // As from a mail reader or another web site: SameSite=Strict cookies are not sent with this navigation.
  await page.goto(`data:text/html,<a href="${WWW}/orders/42">your order</a>`);
  await page.click('a');
  await page.waitForURL(`${WWW}/orders/42`);
  await authenticated(page);
  await pressed(page, '#getApiData', '#getDataResult', /Success response/);
}));

test('sign-in from a deep link comes back to it', inBrowser(async (page) => {
  await signIn(page, '/orders/42');
  await page.waitForURL(`${WWW}/orders/42`);
}));

test('after sign-out the cookie store holds none of our cookies, and the way back leads to the login page', inBrowser(async (page) => {
  await signIn(page);
  const names = (await bffCookies(page.context())).map(({ name }) => name).sort();
  assert.equal(names.length, 4, `signed in: ${names}`);
  await signOut(page);
  assert.deepEqual((await bffCookies(page.context())).map(({ name }) => name), []);
  await page.goBack();
  await page.goto(WWW);
  await unauthenticated(page);
  await page.click('#startAuthentication');
  await page.waitForSelector('input[name=password]');
}));

test('the cookies have the attributes of the contract', inBrowser(async (page) => {
  await signIn(page);
  const cookies = Object.fromEntries((await bffCookies(page.context())).map((cookie) => [cookie.name, cookie]));
  const paths = {
    '__Host-Http-example-at': '/',
    '__Host-Http-example-csrf': '/',
    '__Http-example-auth': '/bff',
    '__Http-example-id': '/bff',
  };
  assert.deepEqual(Object.keys(cookies).sort(), Object.keys(paths).sort());
  for (const [name, path] of Object.entries(paths)) {
    const { httpOnly, secure, sameSite, domain, expires, path: actual } = cookies[name];
    assert.deepEqual(
      { httpOnly, secure, sameSite, domain, expires, path: actual },
      { httpOnly: true, secure: true, sameSite: 'Strict', domain: new URL(API).hostname, expires: -1, path },
      name,
    );
  }
}));
