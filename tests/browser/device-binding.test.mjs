// Sessions that are bound to a device, in a browser that supports it. A browser signs at most six times in nine minutes, so
// each test has a browser of its own.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { test } from 'node:test';

import { inBrowser } from './context.mjs';
import { API, USER, WWW, authenticated, bffCookies, counted, fillIn, goToLogin, pressed, shown, signIn, signOut, unauthenticated } from './lib.mjs';

const BOUND = process.env.PROOF_COOKIE;
const data = (page) => pressed(page, '#getApiData', '#getDataResult', /Success response/);
const change = (page) => pressed(page, '#postApiData', '#postDataResult', /Success response/);

async function cookie(page, name) {
  return (await bffCookies(page.context())).find((stored) => stored.name === name);
}

/** Waits until the browser has registered its key. */
async function bound(page, previous) {
  for (let left = 100; left > 0; left -= 1) {
    const proof = await cookie(page, BOUND);
    if (proof && proof.value !== previous) return proof;
    await new Promise((resolve) => { setTimeout(resolve, 100); });
  }
  throw new Error('the browser has no new proof');
}

/** The response to a request that is not the browser's. */
function ask(method, path, cookies, headers = {}) {
  const { hostname, port } = new URL(API);
  const options = {
    host: '127.0.0.1', port, servername: hostname, method, path, ca: readFileSync(process.env.CA_FILE),
    headers: { host: new URL(API).host, origin: WWW, cookie: cookies, ...headers },
  };
  return new Promise((resolve, reject) => {
    const request = https.request(options, (response) => {
      let body = '';
      response.on('data', (part) => { body += part; });
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }));
    });
    request.on('error', reject).end();
  });
}

const line = (cookies) => cookies.map(({ name, value }) => `${name}=${value}`).join('; ');

test('a sign-in binds the session, and the page notices nothing', inBrowser(async (page) => {
  await signIn(page);
  await data(page);
  const proof = await bound(page);
  assert.deepEqual([proof.path, proof.secure, proof.httpOnly, proof.sameSite], ['/', true, true, 'Strict']);
  await data(page);
  await change(page);
  await pressed(page, '#getUserInfo', '#getUserInfoResult', /sub/);
  await page.reload();
  await authenticated(page);
  await change(page);
  const tab = await page.context().newPage();
  await tab.goto(WWW);
  await authenticated(tab);
  await change(tab);
}));

test('requests wait for a new proof when the old one has expired', inBrowser(async (page) => {
  await signIn(page);
  const { value } = await bound(page);
  const before = await counted('bff_device_proofs_total{outcome="proven"}');
  await page.context().clearCookies({ name: BOUND });
  // Two clicks at once would share the mouse, and one of them could be lost.
  await page.click('#getApiData');
  await Promise.all([change(page), shown(page, '#getDataResult', /Success response/)]);
  await bound(page, value);
  assert.equal(await counted('bff_device_proofs_total{outcome="proven"}'), before + 1);
  // So do navigations.
  await page.context().clearCookies({ name: BOUND });
  await page.reload();
  await authenticated(page);
}));

test('the browser gets a new proof before the old one expires', inBrowser(async (page) => {
  await signIn(page);
  const proof = await bound(page);
  await page.context().addCookies([{ ...proof, expires: Math.floor(Date.now() / 1000) + 60 }]);
  await data(page);
  await bound(page, proof.value);
  await data(page);
}));

test('sign-out ends the session, and somebody else has one of their own', inBrowser(async (page) => {
  await signIn(page);
  await bound(page);
  await signOut(page);
  assert.deepEqual((await bffCookies(page.context())).map(({ name }) => name), []);
  await goToLogin(page);
  await fillIn(page, { ...USER, username: 'seconduser' });
  await authenticated(page);
  await bound(page);
  await change(page);
  const info = JSON.parse(await pressed(page, '#getUserInfo', '#getUserInfoResult', /sub/));
  assert.equal(info.given_name, 'Second');
}));

test('copied cookies are useless without a current proof, and nobody offers the copy a registration', inBrowser(async (page) => {
  await signIn(page);
  const atSignIn = await bffCookies(page.context());
  await bound(page);
  const later = await bffCookies(page.context());
  const csrf = await page.evaluate(async (api) => {
    return (await (await fetch(`${api}/bff/session`, { credentials: 'include' })).json()).csrf;
  }, API);
  // While the proof is valid, all cookies together give access.
  assert.equal((await ask('GET', '/api/data', line(later))).status, 200);
  const requests = [
    ['GET', '/api/data'], ['POST', '/api/data'], ['POST', '/bff/refresh'], ['POST', '/bff/touch'],
    ['GET', '/bff/userInfo'], ['GET', '/bff/claims'],
  ];
  const copy = line(later.filter(({ name }) => name !== BOUND));
  for (const [method, path] of requests) {
    for (const skipped of [{}, { 'secure-session-skipped': 'unreachable;session_identifier="x"' }]) {
      const response = await ask(method, path, copy, { 'x-example-csrf': csrf, ...skipped });
      assert.equal(response.status, 401, `${method} ${path}: ${response.body}`);
      assert.equal(JSON.parse(response.body).code, 'device_binding_required', `${method} ${path}`);
      assert.equal(response.headers['set-cookie'], undefined, `${method} ${path}`);
    }
  }
  assert.deepEqual(JSON.parse((await ask('GET', '/bff/session', copy)).body), { isLoggedIn: false });
  for (const cookies of [line(atSignIn), line(later), copy]) {
    for (const [method, path] of [...requests, ['GET', '/bff/session']]) {
      const response = await ask(method, path, cookies, { 'x-example-csrf': 'x' });
      assert.equal(response.headers['secure-session-registration'], undefined, `${method} ${path}`);
    }
  }
  // The requests with copied cookies have changed nothing for the user.
  await change(page);
  await page.reload();
  await authenticated(page);
}));

test('a device that cannot prove itself any more is signed out, and signs in again', inBrowser(async (page) => {
  await signIn(page);
  const { value } = await bound(page);
  // As after the device has lost its keys.
  for (const name of [BOUND, '__Http-example-key']) await page.context().clearCookies({ name });
  await page.reload();
  await unauthenticated(page);
  await page.click('#startAuthentication');
  await authenticated(page);
  await bound(page, value);
  await change(page);
}));

test('a script cannot register a key of its own', inBrowser(async (page) => {
  const offered = page.waitForResponse((response) => 'secure-session-registration' in response.headers());
  await signIn(page);
  // A page cannot read this header: the test passes the challenge to the page.
  const challenge = /challenge="([^"]+)"/.exec((await offered).headers()['secure-session-registration'])[1];
  await bound(page);
  const repeated = 'bff_device_registrations_total{outcome="repeated"}';
  const before = await counted(repeated);
  const tried = await page.evaluate(async ([api, challenge]) => {
    const key = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign']);
    const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', key.publicKey);
    const encode = (bytes) => btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
    const text = (value) => encode(new TextEncoder().encode(JSON.stringify(value)));
    const signed = `${text({ alg: 'ES256', typ: 'dbsc+jwt', jwk: { kty, crv, x, y } })}.${text({ jti: challenge })}`;
    const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, key.privateKey, new TextEncoder().encode(signed));
    const token = `${signed}.${encode(new Uint8Array(signature))}`;
    const results = [];
    for (const path of ['register', 'refresh']) {
      for (const mode of ['cors', 'same-origin', 'no-cors']) {
        const headers = { 'Secure-Session-Response': token, 'Sec-Secure-Session-Id': 'x' };
        const sent = fetch(`${api}/bff/dbsc/${path}`, { method: 'POST', credentials: 'include', mode, headers });
        results.push(await sent.then((response) => response.status, () => 'blocked'));
      }
    }
    return results;
  }, [API, challenge]);
  for (const result of tried) assert.ok([401, 'blocked', 0].includes(result), `${tried}`);
  // If one of these requests succeeded, it would register a second key, and end the session.
  assert.equal(await counted(repeated), before);
  await change(page);
}));
