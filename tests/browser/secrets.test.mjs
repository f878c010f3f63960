// No token of any kind in the browser: not in script's reach, not in a URL, not in an answer.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { inBrowser } from './context.mjs';
import { API, LOGIN, WWW, pressed, signIn, signOut } from './lib.mjs';

const JWT = /eyJ[\w-]+\.[\w-]+\.[\w-]*/;
const TOKEN_MEMBER = /"(access|refresh|id)_token"|code_verifier|client_secret/;

/** Everything that script in the page can read, as text. */
async function readableByScript(page) {
  return page.evaluate(async () => {
    const databases = await indexedDB.databases();
    const cacheKeys = await caches.keys();
    return JSON.stringify({
      cookie: document.cookie,
      local: { ...localStorage },
      session: { ...sessionStorage },
      databases,
      cacheKeys,
      name: window.name,
      history: history.state,
      html: document.documentElement.outerHTML,
      resources: performance.getEntries().map(({ name }) => name),
    });
  });
}

test('no token is readable by script, in a URL, or in an answer of our hosts', inBrowser(async (page) => {
  const urls = [];
  const bodies = [];
  const headers = [];
  page.context().on('request', (request) => urls.push(request.url()));
  page.context().on('response', (response) => {
    const { origin } = new URL(response.url());
    if (origin !== WWW && origin !== API) return;
    headers.push(response.allHeaders().then((all) => {
      // Set-Cookie holds sealed values, which are looked at below.
      delete all['set-cookie'];
      return JSON.stringify(all);
    }));
    bodies.push(response.text().catch(() => ''));
  });

  await signIn(page);
  await pressed(page, '#getUserInfo', '#getUserInfoResult', /sub/);
  await pressed(page, '#getClaims', '#getClaimsResult', /iss/);
  await pressed(page, '#getApiData', '#getDataResult', /Success response/);
  await pressed(page, '#postApiData', '#postDataResult', /Success response/);
  await pressed(page, '#refreshToken', '#refreshTokenResult', /Refreshed/);

  const script = await readableByScript(page);
  assert.doesNotMatch(script, JWT);
  assert.equal(JSON.parse(script).cookie, '');
  assert.deepEqual([JSON.parse(script).local, JSON.parse(script).session], [{}, {}]);

  // The code passes through the browser, as it must in this flow: once, on the way back, and is then taken off the URL.
  const code = urls.map((url) => new URL(url).searchParams.get('code')).find(Boolean);
  assert.ok(code);
  assert.ok(!script.includes(code) || JSON.parse(script).resources.some((name) => name.includes(code)), 'the code is in the page');
  assert.equal(new URL(page.url()).search, '');

  await signOut(page);
  for (const url of urls) {
    assert.doesNotMatch(url, JWT);
    for (const name of ['access_token', 'id_token', 'refresh_token', 'id_token_hint', 'token']) {
      assert.equal(new URL(url).searchParams.get(name), null, `${name} in a URL of ${new URL(url).origin}`);
    }
  }
  for (const text of [...await Promise.all(bodies), ...await Promise.all(headers)]) {
    assert.doesNotMatch(text, JWT);
    assert.doesNotMatch(text, TOKEN_MEMBER);
  }
  assert.ok(urls.some((url) => url.startsWith(LOGIN)));
}));

test('what the cookies hold is sealed: no token form shows through', inBrowser(async (page) => {
  await signIn(page);
  for (const { name, value } of (await page.context().cookies()).filter(({ name }) => name.includes('example-'))) {
    assert.doesNotMatch(value, JWT, name);
    assert.match(value, /^[\w-]+$/, name);
    assert.equal(Buffer.from(value, 'base64url')[0], 2, `${name} is sealed in version 2`);
  }
}));
