// A user whose ID token does not fit into one cookie.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { inBrowser } from './context.mjs';
import { bffCookies, pressed, signIn, signOut } from './lib.mjs';

test('a user with an ID token of 12 KB signs in, works and signs out', inBrowser(async (page) => {
  await signIn(page);
  const names = (await bffCookies(page.context())).map(({ name }) => name);
  assert.ok(names.filter((name) => /-id\.\d$/.test(name)).length >= 4, names.join());
  const claims = JSON.parse(await pressed(page, '#getClaims', '#getClaimsResult', /groups/));
  assert.ok(JSON.stringify(claims).length > 8000);
  await pressed(page, '#postApiData', '#postDataResult', /Success response/);
  await page.reload();
  await pressed(page, '#getApiData', '#getDataResult', /Success response/);
  await signOut(page);
  assert.deepEqual(await bffCookies(page.context()), []);
}));
