// No token of any kind in the browser: not readable by script, not in a URL, not in a response.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { inBrowser } from './context.mjs';
import { API, LOGIN, WWW, pressed, signIn, signOut } from './lib.mjs';

const JWT = /eyJ[\w-]+\.[\w-]+\.[\w-]*/;
const TOKEN_MEMBER = /"(access|refresh|id)_token"|code_verifier|client_secret/;

/** Everything that script in the page can read, as JSON. */
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

/**
 * Records every response of our hosts before the page gets it: the body of a page that was left is gone, and the test would
 * not check it.
 */
async function recordResponses(page) {
  const responses = [];
  const session = await page.context().newCDPSession(page);
  session.on('Fetch.requestPaused', async ({ requestId, request, responseStatusCode: status, responseHeaders }) => {
    const { origin, pathname } = new URL(request.url);
    if (status && [WWW, API, LOGIN].includes(origin)) {
      // A redirect has no body.
      const redirect = status >= 300 && status < 400;
      const { body, base64Encoded } = redirect ? { body: '' } : await session.send('Fetch.getResponseBody', { requestId });
      // Set-Cookie holds sealed values, which are checked below.
      const headers = responseHeaders.filter(({ name }) => name.toLowerCase() !== 'set-cookie');
      responses.push({
        origin, pathname, method: request.method, headers, body: base64Encoded ? Buffer.from(body, 'base64').toString() : body,
      });
    }
    await session.send('Fetch.continueRequest', { requestId });
  });
  await session.send('Fetch.enable', { patterns: [{ requestStage: 'Response' }] });
  return responses;
}

test('no token is readable by script, in a URL, or in an answer of our hosts', inBrowser(async (page) => {
  const urls = [];
  page.context().on('request', (request) => urls.push(request.url()));
  const responses = await recordResponses(page);

  await signIn(page);
  await pressed(page, '#getUserInfo', '#getUserInfoResult', /sub/);
  await pressed(page, '#getClaims', '#getClaimsResult', /iss/);
  await pressed(page, '#getApiData', '#getDataResult', /Success response/);
  await pressed(page, '#postApiData', '#postDataResult', /Success response/);
  await pressed(page, '#refreshToken', '#refreshTokenResult', /Refreshed/);

  const script = await readableByScript(page);
  assert.doesNotMatch(script, JWT);
  const { cookie, local, session, databases, cacheKeys, resources, ...rest } = JSON.parse(script);
  assert.deepEqual(
    { cookie, local, session, databases, cacheKeys },
    { cookie: '', local: {}, session: {}, databases: [], cacheKeys: [] },
  );

  // The code passes through the browser, as it must in this flow: once, in the redirect, and is then removed from the URL.
  // The list of loaded resources has the URL. The code in it has been used.
  const code = urls.map((url) => new URL(url).searchParams.get('code')).find(Boolean);
  assert.ok(code);
  assert.ok(!JSON.stringify(rest).includes(code), 'the code is in the page');
  assert.equal(new URL(page.url()).search, '');

  await signOut(page);
  for (const url of urls) {
    assert.doesNotMatch(url, JWT);
    for (const name of ['access_token', 'id_token', 'refresh_token', 'id_token_hint', 'token']) {
      assert.equal(new URL(url).searchParams.get(name), null, `${name} in a URL of ${new URL(url).origin}`);
    }
  }
  for (const { origin, pathname, headers, body } of responses) {
    const text = JSON.stringify(headers) + body;
    assert.doesNotMatch(text, JWT, `${origin}${pathname}`);
    // The other content of the authorization server's pages is not checked.
    if (origin !== LOGIN) assert.doesNotMatch(text, TOKEN_MEMBER, `${origin}${pathname}`);
  }
  const seen = (method, path) => responses.some((response) => response.method === method && response.pathname === path && response.body);
  for (const call of [
    'POST /bff/login/start', 'POST /bff/login/end', 'GET /bff/userInfo', 'GET /bff/claims', 'GET /api/data', 'POST /api/data',
    'POST /bff/logout', 'GET /',
  ]) {
    assert.ok(seen(...call.split(' ')), `no response to ${call} was checked`);
  }
  assert.ok(responses.some(({ origin }) => origin === LOGIN));
}));

test('what the cookies hold is sealed: no token form shows through', inBrowser(async (page) => {
  await signIn(page);
  for (const { name, value } of (await page.context().cookies()).filter(({ name }) => name.includes('example-'))) {
    assert.doesNotMatch(value, JWT, name);
    assert.match(value, /^[\w-]+$/, name);
    assert.equal(Buffer.from(value, 'base64url')[0], 2, `${name} is sealed in version 2`);
  }
}));
