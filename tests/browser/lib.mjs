// A browser with the demo system: starts one, signs in, and reads what it shows.
//
// Environment: WWW, API, LOGIN (origins), CA_FILE, CHROMIUM (a path; default: Debian's), CHROMIUM_FEATURES (for
// `--enable-features`).
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import tls from 'node:tls';

import { chromium } from 'playwright-core';

export const WWW = required('WWW');
export const API = required('API');
export const LOGIN = required('LOGIN');
export const USER = { username: 'demouser', password: 'Password1' };

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`missing ${name}: run this through \`cargo xtask test\` or \`cargo xtask up --check\``);
  return value;
}

/**
 * The hash of the server's public key, from a certificate that this verifies with the local CA. The browser trusts only this
 * key in addition to its usual authorities, so another certificate still fails.
 */
async function serverKeyHash() {
  const { hostname, port } = new URL(WWW);
  const options = { host: '127.0.0.1', port, servername: hostname, ca: readFileSync(required('CA_FILE')) };
  const der = await new Promise((resolve, reject) => {
    const socket = tls.connect(options, () => {
      resolve(socket.getPeerCertificate().raw);
      socket.end();
    });
    socket.on('error', reject);
  });
  const key = new X509Certificate(der).publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(key).digest('base64');
}

/** Starts a browser with a fresh profile. */
export async function startBrowser() {
  const domain = new URL(WWW).hostname.replace(/^www\./, '');
  return chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    chromiumSandbox: process.getuid?.() !== 0,
    args: [
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
      ...(process.env.CHROMIUM_FEATURES ? [`--enable-features=${process.env.CHROMIUM_FEATURES}`] : []),
      `--ignore-certificate-errors-spki-list=${await serverKeyHash()}`,
      // Names below localhost are loopback by themselves. Any other domain of the demo must be mapped.
      ...(domain.endsWith('localhost') ? [] : [`--host-resolver-rules=MAP *.${domain} 127.0.0.1`]),
    ],
  });
}

/** Waits until the element shows text that matches, and returns the text. */
export async function shown(page, selector, pattern) {
  await page.waitForFunction(
    ([selector, source]) => new RegExp(source).test(document.querySelector(selector)?.textContent ?? ''),
    [selector, pattern.source],
  );
  return page.locator(selector).textContent();
}

export const authenticated = (page) => shown(page, '#pageLoadResult', /You are authenticated/);
export const unauthenticated = (page) => shown(page, '#pageLoadResult', /Authentication required/);

/** Opens the single page application and goes to the login page. */
export async function goToLogin(page, path = '/') {
  await page.goto(`${WWW}${path}`);
  await unauthenticated(page);
  await page.click('#startAuthentication');
  await page.waitForURL((url) => url.origin === LOGIN);
  await page.waitForSelector('input[name=username]');
}

/** Fills in the login page. */
export async function fillIn(page, { username, password }) {
  await page.fill('input[name=username]', username);
  await page.fill('input[name=password]', password);
  await page.click('button[type=submit]');
}

/** Signs in from the unauthenticated view. The page ends on the authenticated one. */
export async function signIn(page, path = '/') {
  await goToLogin(page, path);
  await fillIn(page, USER);
  await page.waitForURL((url) => url.origin === WWW);
  await authenticated(page);
}

/** Signs out. The page ends on the unauthenticated view. */
export async function signOut(page) {
  await page.click('#signOut');
  await page.waitForURL((url) => url.origin === WWW);
  await unauthenticated(page);
}

/** All cookies of the BFF in the browser's store, whatever their path. */
export async function bffCookies(context) {
  // Without a URL, the whole store is returned, including narrow paths.
  const cookies = await context.cookies();
  const apiHost = new URL(API).hostname;
  return cookies.filter(({ name, domain }) => /example-(login|nav|at|auth|id|csrf|bound|key)(\.\d+)?$/.test(name) || domain.endsWith(apiHost));
}

/** Presses a button and returns the JSON that appears. */
export async function pressed(page, button, result, pattern) {
  await page.click(button);
  const text = await shown(page, result, pattern).catch(async (failure) => {
    const shows = await page.evaluate(
      (selectors) => selectors.map((selector) => document.querySelector(selector)?.textContent ?? ''),
      ['#error', result, '#requests'],
    );
    throw new Error(`after ${button} the page shows ${JSON.stringify(shows)}`, { cause: failure });
  });
  assert.equal((await page.locator('#error').textContent()) ?? '', '', 'an error is shown');
  return text;
}

/** The BFF's own counter of a series, named with its labels in their order. Environment: BFF_ADMIN. */
export async function counted(series) {
  const text = await (await fetch(`${process.env.BFF_ADMIN}/metrics`)).text();
  const line = text.split('\n').find((line) => line.startsWith(`${series} `));
  return Number(line?.slice(series.length) ?? 0);
}

/** Ends all of the user's sessions at the authorization server. Environment: ADMIN, ADMIN_TOKEN. */
export async function endSessions() {
  const response = await fetch(`${process.env.ADMIN}/admin/end-sessions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${process.env.ADMIN_TOKEN}` },
    body: new URLSearchParams({ username: USER.username }),
  });
  assert.equal(response.status, 200);
  return (await response.json()).sessions;
}
