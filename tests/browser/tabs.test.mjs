// Several tabs of one browser: they share the cookies.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { inBrowser } from './context.mjs';
import { WWW, authenticated, fillIn, goToLogin, pressed, signIn, signOut, unauthenticated, USER } from './lib.mjs';

async function newTab(page) {
  const tab = await page.context().newPage();
  await tab.goto(WWW);
  return tab;
}

test('a second tab is signed in as well, and both can change data', inBrowser(async (page) => {
  await signIn(page);
  const tab = await newTab(page);
  await authenticated(tab);
  await pressed(tab, '#postApiData', '#postDataResult', /Success response/);
  await pressed(page, '#postApiData', '#postDataResult', /Success response/);
}));

test('signing out in one tab is seen in the other', inBrowser(async (page) => {
  await signIn(page);
  const tab = await newTab(page);
  await authenticated(tab);
  await signOut(tab);
  await unauthenticated(page);
}));

test('signing in in one tab is seen in the other', inBrowser(async (page) => {
  await page.goto(WWW);
  await unauthenticated(page);
  const tab = await page.context().newPage();
  await signIn(tab);
  await authenticated(page);
  await pressed(page, '#postApiData', '#postDataResult', /Success response/);
}));

test('five logins begun in five tabs all finish', inBrowser(async (page) => {
  const context = page.context();
  const tabs = [page, ...await Promise.all([1, 2, 3, 4].map(() => context.newPage()))];
  for (const tab of tabs) await goToLogin(tab);
  for (const tab of tabs) {
    await tab.bringToFront();
    await fillIn(tab, USER);
    await tab.waitForURL((url) => url.origin === WWW);
    await authenticated(tab);
    assert.equal(await tab.locator('#error').textContent(), '');
  }
  for (const tab of tabs) await pressed(tab, '#postApiData', '#postDataResult', /Success response/);
}));
