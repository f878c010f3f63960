// What is off by default: a grace period for used refresh tokens, ending sessions by an administrator, stricter clients.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';

import { createRemoteJWKSet, jwtVerify } from 'jose';

import { AuthorizationServer, Browser } from './harness.mjs';

function file(content) {
  const path = join(mkdtempSync(join(tmpdir(), 'variants-')), 'file');
  writeFileSync(path, content);
  return path;
}

test('in the grace period a used refresh token works once more, and afterwards it revokes the grant', async (t) => {
  const server = await AuthorizationServer.start({ REFRESH_GRACE_SECONDS: '2' });
  t.after(() => server.dispose());
  const { refresh_token: first } = await new Browser(server).signIn();
  const second = await server.refresh(first);
  const again = await server.refresh(first);
  assert.deepEqual([second.status, again.status], [200, 200]);
  assert.notEqual(second.refresh_token, again.refresh_token);
  await sleep(3100);
  assert.equal((await server.refresh(first)).error, 'invalid_grant');
  assert.equal((await server.refresh(second.refresh_token)).error, 'invalid_grant', 'all of the grant is gone');
});

test('whoever administers users ends their sessions, and the application is told', async (t) => {
  const tokens = [];
  const application = createServer((request, response) => {
    let body = '';
    request.on('data', (data) => { body += data; });
    request.on('end', () => { tokens.push(new URLSearchParams(body).get('logout_token')); response.end(); });
  });
  await new Promise((resolve) => { application.listen(0, '127.0.0.1', resolve); });
  t.after(() => application.close());
  const server = await AuthorizationServer.start({
    ADMIN_TOKEN_FILE: file('a secret of the tests'),
    BACKCHANNEL_LOGOUT_URI: `http://127.0.0.1:${application.address().port}/`,
  });
  t.after(() => server.dispose());
  const end = (token) => fetch(`${server.base}/admin/end-sessions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: new URLSearchParams({ username: 'demouser' }),
  });
  const { refresh_token } = await new Browser(server).signIn();
  assert.equal((await end('wrong')).status, 401);
  assert.deepEqual(await (await end('a secret of the tests')).json(), { sessions: 1 });
  const jwks = createRemoteJWKSet(new URL(`${server.base}/oauth/v2/jwks`));
  const { payload } = await jwtVerify(tokens[0], jwks, { issuer: server.issuer, audience: 'spa-client' });
  assert.ok(payload.sid && payload.jti && payload.events['http://schemas.openid.net/event/backchannel-logout']);
  assert.equal((await server.refresh(refresh_token)).error, 'invalid_grant');
});

test('nobody ends sessions where that is not switched on', async (t) => {
  const server = await AuthorizationServer.start();
  t.after(() => server.dispose());
  const response = await fetch(`${server.base}/admin/end-sessions`, { method: 'POST', headers: { authorization: 'Bearer ' } });
  assert.equal(response.status, 404);
});

test('what is required of the client is refused when it is missing', async (t) => {
  const server = await AuthorizationServer.start({ CLIENT_REQUIRE_PAR: 'true' });
  t.after(() => server.dispose());
  const browser = new Browser(server);
  const { left, html } = await browser.follow(browser.authorizationUrl());
  assert.equal(left?.searchParams.get('error') ?? /invalid_request/.exec(html)?.[0], 'invalid_request');
});

test('a setting that makes no sense is named', async () => {
  for (const [name, value] of [['CLIENT_AUTHENTICATION', 'none'], ['REFRESH_GRACE_SECONDS', '61'], ['CLIENT_REQUIRE_PAR', 'yes']]) {
    await assert.rejects(AuthorizationServer.start({ [name]: value }), new RegExp(name));
  }
});
