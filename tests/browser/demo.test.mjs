// What the demo's page shows, and its panel "Break something".
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { inBrowser } from './context.mjs';
import { API, authenticated, bffCookies, pressed, shown, signIn, unauthenticated } from './lib.mjs';

/** The rows of a table, each as the texts of its cells. */
const rows = (page, table) => page.locator(`${table} tbody tr`).evaluateAll(
  (found) => found.map((row) => [...row.cells].map((cell) => cell.textContent)),
);

/** Presses a part's button, and waits until the part is in this state. */
async function part(page, name, state) {
  await page.click(`#part-${name} button`);
  await page.waitForSelector(`#part-${name}[data-state="${state}"]`);
}

test('the page lists the cookies that the browser has, and script reads none of them', inBrowser(async (page) => {
  await signIn(page);
  const listed = new Map((await rows(page, '#cookies')).map(([name, path]) => [name, path]));
  const stored = await bffCookies(page.context());
  assert.equal(stored.length, 4);
  for (const { name, path, httpOnly } of stored) assert.deepEqual([listed.get(name), httpOnly], [path, true], name);
  assert.equal(listed.size, 5, 'the fifth exists while a sign-in is pending');
  assert.equal(await page.locator('#documentCookie').textContent(), '""');
}));

test('the page shows that the API receives a JWT and no cookie of the BFF, and shows no token', inBrowser(async (page) => {
  await signIn(page);
  await pressed(page, '#getApiData', '#getDataResult', /Success response/);
  const received = JSON.parse(await page.locator('#getDataResultReceived').textContent());
  assert.match(received.authorization, /^Bearer, with a JWT of \d{3,} bytes$/);
  assert.equal(received.cookies, 'none');
  assert.ok(received.claims.sub && received.claims.scope.includes('data'));
  assert.doesNotMatch(await page.content(), /eyJ[\w-]{10}/);
}));

test('the page shows the call with an expired access token, its refresh, and that it was sent again', inBrowser(async (page) => {
  await signIn(page);
  await page.click('#shortTokens');
  await shown(page, '#shortTokens', /300 s again/);
  await pressed(page, '#refreshToken', '#refreshTokenResult', /Refreshed/);
  const isExpired = async (api) => {
    const session = await (await fetch(`${api}/bff/session`, { credentials: 'include' })).json();
    return session.accessTokenExpiresIn === 0;
  };
  while (!(await page.evaluate(isExpired, API))) await page.waitForTimeout(500);
  await pressed(page, '#getApiData', '#getDataResult', /Success response/);
  const requests = (await rows(page, '#requests')).slice(-5);
  const [refused, , refresh, , repeated] = requests.map(([request, status, , note]) => `${request} ${status} ${note}`);
  assert.equal(refused, 'GET /api/data 401 refused by the filter or the service');
  assert.match(refresh, /^POST \/bff\/refresh 20\d new tokens in the cookies$/);
  assert.equal(repeated, 'GET /api/data 200 sent again after the refresh');
  await page.click('#shortTokens');
  await shown(page, '#shortTokens', /live 10 s$/);
}));

test('without the authorization server the API still answers, a refresh fails, and nobody is signed out', inBrowser(async (page) => {
  await signIn(page);
  await pressed(page, '#getApiData', '#getDataResult', /Success response/);
  await part(page, 'authorization-server', 'stopped');
  await pressed(page, '#postApiData', '#postDataResult', /Success response/);
  await page.click('#refreshToken');
  await shown(page, '#error', /authorization_server_error/);
  await authenticated(page);
  await part(page, 'authorization-server', 'ready');
  await pressed(page, '#refreshToken', '#refreshTokenResult', /Refreshed/);
}));

test('without the service the API still answers, and the page says that the service is gone, not its certificate', inBrowser(async (page) => {
  await signIn(page);
  await part(page, 'bff', 'stopped');
  await pressed(page, '#getApiData', '#getDataResult', /Success response/);
  await page.reload();
  await shown(page, '#error', /unreachable|unusable_answer/);
  await page.waitForSelector('#startAuthentication');
  assert.equal(await page.locator('#trust').count(), 0);
  await part(page, 'bff', 'ready');
  await page.reload();
  await authenticated(page);
}));

test('a session that is ended from outside ends in the page at its next call', inBrowser(async (page) => {
  await signIn(page);
  await page.click('#endSessions');
  // The filter polls the ended sessions.
  const status = async (api) => (await fetch(`${api}/api/data`, { credentials: 'include' })).status;
  while ((await page.evaluate(status, API)) !== 401) await page.waitForTimeout(200);
  await page.click('#getApiData');
  await shown(page, '#error', /Your session has ended/);
  await unauthenticated(page);
}));
