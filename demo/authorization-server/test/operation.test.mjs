import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

import { AuthorizationServer, Browser } from './harness.mjs';
import { Throttle } from '../src/throttle.mjs';

test('a restart keeps keys, sessions and tokens', async (t) => {
  const server = await AuthorizationServer.start();
  t.after(() => server.dispose());
  const browser = new Browser(server);
  const tokens = await browser.signIn();
  const jwks = await (await fetch(`${server.issuer}/oauth/v2/jwks`)).json();
  assert.equal(await server.stop(), 0);
  await server.run();
  assert.deepEqual(await (await fetch(`${server.issuer}/oauth/v2/jwks`)).json(), jwks);
  assert.equal((await server.introspect(tokens.access_token)).status, 200);
  const { left } = await browser.follow(browser.authorizationUrl({ prompt: 'none' }));
  assert.ok(left.searchParams.get('code'));
});

test('neither log nor database holds a token, a code or a password', async (t) => {
  const server = await AuthorizationServer.start();
  t.after(() => server.dispose());
  const browser = new Browser(server);
  const { left } = await browser.login();
  const tokens = await browser.tokens(left);
  await browser.tokens(left);
  await server.refresh(tokens.refresh_token);
  await server.introspect(tokens.access_token);
  const stored = readdirSync(server.directory).filter((name) => name.startsWith('test.sqlite'))
    .map((name) => readFileSync(`${server.directory}/${name}`, 'latin1')).join('');
  for (const secret of [tokens.access_token, tokens.refresh_token, left.searchParams.get('code'), 'Password1']) {
    assert.ok(!server.output.includes(secret), 'in the log');
    assert.ok(!stored.includes(secret), 'in the database');
  }
});

for (const [form, inactive] of [['json-jwt', '204'], ['json-phantom-token', 'json'], ['json', 'json'], ['rfc9701', 'json']]) {
  test(`the gateway is answered in the form ${form}, inactive as ${inactive}`, async (t) => {
    const server = await AuthorizationServer.start({ INTROSPECTION_RESPONSE: form, INACTIVE_RESPONSE: inactive });
    t.after(() => server.dispose());
    const { access_token: token } = await new Browser(server).signIn();
    const active = await server.introspect(token);
    assert.equal(active.status, 200);
    if (form === 'rfc9701') {
      assert.match(active.headers.get('content-type'), /^application\/token-introspection\+jwt/);
    } else {
      const body = await active.json();
      assert.equal(body.active, true);
      assert.equal(typeof body.jwt, form === 'json-jwt' ? 'string' : 'undefined');
      assert.equal(typeof body.phantom_token, form === 'json-phantom-token' ? 'string' : 'undefined');
    }
    assert.equal((await server.introspect('unknown')).status, inactive === '204' ? 204 : 200);
  });
}

test('behind TLS every cookie is Secure, HttpOnly and carries the prefix that its Path allows', async (t) => {
  const server = await AuthorizationServer.start({}, 'https');
  t.after(() => server.dispose());
  const browser = new Browser(server);
  const started = await browser.request(browser.authorizationUrl());
  const login = await browser.request(started.headers.get('location'), { form: { username: 'demouser', password: 'Password1' } });
  const resumed = await browser.request(new URL(login.headers.get('location')).pathname);
  const cookies = [...started.headers.getSetCookie(), ...resumed.headers.getSetCookie()];
  assert.ok(cookies.some((line) => line.startsWith('__Host-session=')));
  for (const line of cookies) {
    assert.match(line, /^__(Host|Secure)-.*; samesite=lax; secure; httponly/);
    if (line.startsWith('__Host-')) assert.match(line, /; path=\/;/);
  }
});

test('guessing is slowed down after ten failures, and a success forgives', () => {
  const throttle = new Throttle();
  for (let i = 0; i < 9; i += 1) throttle.recordFailure('demouser', 0);
  assert.equal(throttle.retryAfter('demouser', 0), 0);
  throttle.recordFailure('DemoUser', 0);
  assert.equal(throttle.retryAfter('demouser', 1000), 29);
  assert.equal(throttle.retryAfter('demouser', 30_000), 0);
  throttle.recordFailure('demouser', 30_000);
  assert.equal(throttle.retryAfter('demouser', 30_000), 30);
  throttle.recordSuccess('demouser');
  assert.equal(throttle.retryAfter('demouser', 30_000), 0);
});
