import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';

import { AuthorizationServer, Browser, SPA_ORIGIN } from './harness.mjs';

let server;
before(async () => { server = await AuthorizationServer.start(); });
after(() => server.dispose());

const jwks = () => createRemoteJWKSet(new URL(`${server.issuer}/oauth/v2/jwks`));

test('a user signs in and the client gets opaque tokens and an ID token with profile claims', async () => {
  const browser = new Browser(server);
  const { left } = await browser.login();
  assert.equal(left.origin, SPA_ORIGIN);
  assert.equal(left.searchParams.get('state'), 'a-state');
  assert.equal(left.searchParams.get('iss'), server.issuer);
  const tokens = await browser.tokens(left);
  assert.equal(tokens.status, 200);
  assert.match(tokens.access_token, /^[\w-]{43}$/);
  assert.match(tokens.refresh_token, /^[\w-]{43}$/);
  const { payload } = await jwtVerify(tokens.id_token, jwks(), { issuer: server.issuer, audience: 'spa-client' });
  assert.equal(payload.nonce, 'a-nonce');
  assert.equal(payload.given_name, 'Demo');
  assert.equal(payload.email, 'demouser@example.com');
});

test('an ID token says when the user signed in, and one of a later refresh says the same', async () => {
  const before = Math.floor(Date.now() / 1000);
  const browser = new Browser(server);
  const { left } = await browser.login();
  const tokens = await browser.tokens(left);
  const { auth_time: signedIn } = decodeJwt(tokens.id_token);
  assert.ok(signedIn >= before && signedIn <= Math.floor(Date.now() / 1000), `auth_time ${signedIn}`);
  const refreshed = await server.refresh(tokens.refresh_token);
  assert.equal(decodeJwt(refreshed.id_token).auth_time, signedIn);
});

test('a wrong password is refused with an alert and no redirect', async () => {
  const { page, html, left } = await new Browser(server).login({ password: 'Password2' });
  assert.equal(left, undefined);
  assert.equal(page.status, 403);
  assert.match(html, /role="alert"/);
  assert.match(html, /value="demouser"/);
  assert.doesNotMatch(html, /Password2/);
});

test('a username is escaped where the page shows it again', async () => {
  const { html } = await new Browser(server).login({ username: '"><script>x</script>', password: 'x' });
  assert.doesNotMatch(html, /<script>x/);
  assert.match(html, /&quot;&gt;&lt;script&gt;x/);
});

test('the login page may neither be framed nor run foreign scripts', async () => {
  const browser = new Browser(server);
  const { page } = await browser.follow(browser.authorizationUrl());
  const policy = page.headers.get('content-security-policy');
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.doesNotMatch(policy, /unsafe-inline/);
  assert.equal(page.headers.get('cache-control'), 'no-store');
});

test('a login form that another site sends is refused', async () => {
  const browser = new Browser(server);
  const { url } = await browser.follow(browser.authorizationUrl());
  const response = await fetch(url, {
    method: 'POST', headers: { origin: 'https://evil.example' },
    body: new URLSearchParams({ username: 'demouser', password: 'Password1' }), redirect: 'manual',
  });
  assert.equal(response.status, 400);
});

test('cancelling tells the client access_denied', async () => {
  const browser = new Browser(server);
  const { url } = await browser.follow(browser.authorizationUrl());
  const { left } = await browser.follow(`${url}/cancel`);
  assert.equal(left.searchParams.get('error'), 'access_denied');
});

test('an authorization request without PKCE is refused', async () => {
  const browser = new Browser(server);
  const url = browser.authorizationUrl({ code_challenge: undefined, code_challenge_method: undefined });
  const { left } = await browser.follow(url);
  assert.equal(left.searchParams.get('error'), 'invalid_request');
});

test('prompt=none without a session is login_required, and with one needs no page', async () => {
  const browser = new Browser(server);
  const without = await browser.follow(browser.authorizationUrl({ prompt: 'none' }));
  assert.equal(without.left.searchParams.get('error'), 'login_required');
  await browser.login();
  const within = await browser.follow(browser.authorizationUrl({ prompt: 'none' }));
  assert.ok(within.left.searchParams.get('code'));
});

test('prompt=login asks again, prompt=consent does not, login_hint fills the name in', async () => {
  const browser = new Browser(server);
  await browser.login();
  const login = await browser.follow(browser.authorizationUrl({ prompt: 'login', login_hint: 'somebody' }));
  assert.match(login.html, /value="somebody"/);
  const consent = await browser.follow(browser.authorizationUrl({ prompt: 'consent' }));
  assert.ok(consent.left.searchParams.get('code'));
});

test('max_age and acr_values are answered in the ID token', async () => {
  const browser = new Browser(server);
  const acr = 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport';
  const { left } = await browser.login({ extra: { max_age: '60', acr_values: acr } });
  const claims = decodeJwt((await browser.tokens(left)).id_token);
  assert.equal(claims.acr, acr);
  assert.ok(claims.iat - claims.auth_time <= 60);
});

test('a wrong verifier gets no tokens', async () => {
  const browser = new Browser(server);
  const { left } = await browser.login();
  assert.equal((await browser.tokens(left, 'x'.repeat(43))).error, 'invalid_grant');
});

test('a code used twice revokes the tokens it was exchanged for', async () => {
  const browser = new Browser(server);
  const { left } = await browser.login();
  const first = await browser.tokens(left);
  assert.equal((await server.introspect(first.access_token)).status, 200);
  assert.equal((await browser.tokens(left)).error, 'invalid_grant');
  assert.equal((await server.introspect(first.access_token)).status, 204);
});

test('the gateway gets a JWT access token for an opaque one, with a lifetime to cache it', async () => {
  const tokens = await new Browser(server).signIn();
  const response = await server.introspect(tokens.access_token);
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-type'), /^application\/jwt/);
  assert.match(response.headers.get('cache-control'), /max-age=(29\d|300)$/);
  const { payload, protectedHeader } = await jwtVerify(await response.text(), jwks(), {
    issuer: server.issuer, audience: 'demo-api', typ: 'at+jwt',
  });
  assert.equal(protectedHeader.alg, 'ES256');
  assert.equal(payload.sub, decodeJwt(tokens.id_token).sub);
  assert.equal(payload.scope, 'openid profile email data');
  assert.equal(payload.client_id, 'spa-client');
  assert.notEqual(payload.jti, tokens.access_token);
  assert.equal(payload.acr, 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport');
  assert.equal(payload.auth_time, decodeJwt(tokens.id_token).auth_time);
});

test('introspection answers in the form that Accept asks for', async () => {
  const { access_token: token } = await new Browser(server).signIn();
  const json = await (await server.introspect(token, 'application/json')).json();
  assert.equal(json.active, true);
  assert.equal(json.client_id, 'spa-client');
  const signed = await server.introspect(token, 'application/token-introspection+jwt');
  assert.match(signed.headers.get('content-type'), /^application\/token-introspection\+jwt/);
  assert.equal(decodeJwt(await signed.text()).token_introspection.active, true);
  const both = await server.introspect(token, 'application/jwt, application/token-introspection+jwt;q=0.5');
  assert.equal(decodeJwt(await both.text()).aud, 'demo-api');
});

test('unknown tokens, refresh tokens and other clients learn nothing from introspection', async () => {
  const tokens = await new Browser(server).signIn();
  assert.equal((await server.introspect('unknown')).status, 204);
  assert.equal((await server.introspect(tokens.refresh_token)).status, 204);
  assert.deepEqual(await (await server.introspect('unknown', 'application/json')).json(), { active: false });
  const asSpa = await server.post('/oauth/v2/oauth-introspect', { token: tokens.access_token });
  assert.deepEqual(await asSpa.json(), { active: false });
  const wrongSecret = await server.post('/oauth/v2/oauth-introspect', { token: tokens.access_token },
    ['api-gateway-client', 'wrong']);
  assert.equal(wrongSecret.status, 401);
});

test('refresh tokens rotate, and a second use revokes the whole grant', async () => {
  const first = await new Browser(server).signIn();
  const second = await server.refresh(first.refresh_token);
  assert.equal(second.status, 200);
  assert.notEqual(second.refresh_token, first.refresh_token);
  assert.equal((await server.refresh(first.refresh_token)).error, 'invalid_grant');
  assert.equal((await server.refresh(second.refresh_token)).error, 'invalid_grant');
  assert.equal((await server.introspect(second.access_token)).status, 204);
});

test('of many refreshes at once with one token at most one succeeds', async () => {
  const { refresh_token: token } = await new Browser(server).signIn();
  const results = await Promise.all(Array.from({ length: 8 }, () => server.refresh(token)));
  assert.ok(results.filter(({ status }) => status === 200).length <= 1);
});

test('userinfo returns the claims, and refuses a revoked token', async () => {
  const tokens = await new Browser(server).signIn();
  const userinfo = () => fetch(`${server.issuer}/oauth/v2/oauth-userinfo`, {
    headers: { authorization: `Bearer ${tokens.access_token}` },
  });
  assert.equal((await (await userinfo()).json()).name, 'Demo User');
  const revoked = await server.post('/oauth/v2/oauth-revoke', { token: tokens.refresh_token });
  assert.equal(revoked.status, 200);
  assert.equal((await userinfo()).status, 401);
});

test('logout with the ID token asks nothing, ends the session and its tokens', async () => {
  const browser = new Browser(server);
  const tokens = await browser.signIn();
  const { html } = await browser.follow(`/oauth/v2/oauth-session/logout?${new URLSearchParams({
    id_token_hint: tokens.id_token, post_logout_redirect_uri: `${SPA_ORIGIN}/`, state: 'bye',
  })}`);
  assert.match(html, /confirm-logout\.js/);
  const xsrf = /name="xsrf" value="([^"]+)"/.exec(html)[1];
  const { left } = await browser.follow('/oauth/v2/oauth-session/logout/confirm', { form: { xsrf, logout: 'yes' } });
  assert.equal(left.href, `${SPA_ORIGIN}/?state=bye`);
  assert.equal((await server.introspect(tokens.access_token)).status, 204);
  const again = await browser.follow(browser.authorizationUrl({ prompt: 'none' }));
  assert.equal(again.left.searchParams.get('error'), 'login_required');
});

test('logout by the application asks nothing when the browser comes from our own site, and asks when it does not', async () => {
  const browser = new Browser(server);
  await browser.signIn();
  const url = `/oauth/v2/oauth-session/logout?${new URLSearchParams({
    client_id: 'spa-client', post_logout_redirect_uri: `${SPA_ORIGIN}/`,
  })}`;
  for (const [site, asks] of [['same-site', false], ['cross-site', true], ['none', true]]) {
    const { html } = await browser.follow(url, { headers: { 'sec-fetch-site': site } });
    assert.equal(/Stay signed in/.test(html), asks, site);
    assert.equal(/confirm-logout\.js/.test(html), !asks, site);
  }
});

test('logout without a hint asks first', async () => {
  const browser = new Browser(server);
  await browser.signIn();
  const { html } = await browser.follow('/oauth/v2/oauth-session/logout');
  assert.doesNotMatch(html, /confirm-logout\.js/);
  assert.match(html, /Stay signed in/);
});

test('pushed and signed front channels work', async () => {
  const browser = new Browser(server);
  const query = new URL(browser.authorizationUrl({ response_mode: 'jwt' }), server.issuer).searchParams;
  const pushed = await (await server.post('/oauth/v2/oauth-par', query)).json();
  const { url } = await browser.follow(`/oauth/v2/oauth-authorize?${new URLSearchParams({
    client_id: 'spa-client', request_uri: pushed.request_uri,
  })}`);
  const { left } = await browser.follow(url, { form: { username: 'demouser', password: 'Password1' } });
  const { payload } = await jwtVerify(left.searchParams.get('response'), jwks(), { audience: 'spa-client' });
  assert.equal(payload.state, 'a-state');
  assert.ok(payload.code);
});
