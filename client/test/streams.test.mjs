// Streams that stay open while the session lives. The streams are fakes: what matters is when they are opened and closed.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { keepOpen } from '../dist/streams.js';
import { client, heard, lines } from './client.mjs';
import { API, fakePage } from './fake-page.mjs';

const PAUSES = { minPauseMs: 1, maxPauseMs: 4 };

class FakeSocket extends EventTarget {
  isClosed = false;

  close() {
    this.isClosed = true;
  }

  begin() {
    this.dispatchEvent(new Event('open'));
  }

  lose(code = 1006) {
    this.dispatchEvent(Object.assign(new Event('close'), { code }));
  }
}

class FakeEventSource extends FakeSocket {
  withCredentials = true;
  CLOSED = 2;
  readyState = 0;

  fail(readyState) {
    this.readyState = readyState;
    this.dispatchEvent(new Event('error'));
  }
}

/** Keeps streams of a kind open. Returns those that were opened, and a promise of the next one. */
function opening(bff, Kind, options) {
  const opened = [];
  let tell;
  const next = () => new Promise((resolve) => { tell = resolve; });
  const stop = keepOpen(bff, () => {
    const stream = new Kind();
    opened.push(stream);
    tell?.(stream);
    return stream;
  }, { ...PAUSES, probe: `${API}/api/data`, ...options });
  return { opened, next, stop };
}

/** Waits for longer than any pause, several times. */
const wait = () => new Promise((resolve) => { setTimeout(resolve, 60); });

async function signedIn() {
  const page = fakePage();
  page.bff.logIn();
  const bff = client();
  await bff.onPageLoad();
  return { page, bff };
}

test('a stream is opened at once for a user, otherwise when the session is known', async () => {
  const { bff } = await signedIn();
  assert.equal(opening(bff, FakeSocket).opened.length, 1);
  const page = fakePage();
  page.bff.logIn();
  const later = client();
  const { opened } = opening(later, FakeSocket);
  assert.equal(opened.length, 0);
  await later.onPageLoad();
  assert.equal(opened.length, 1);
});

test('a lost web socket is opened again, and the session is refreshed only if the API refuses it', async () => {
  const { page, bff } = await signedIn();
  const { opened, next } = opening(bff, FakeSocket);
  const refreshes = () => lines(page).filter((line) => line === 'POST /bff/refresh').length;
  let again = next();
  opened[0].begin();
  opened[0].lose();
  await again;
  assert.equal(refreshes(), 0);
  // The end of a stream that was replaced changes nothing.
  opened[0].lose();
  await wait();
  assert.equal(opened.length, 2);
  page.bff.isTokenValid = false;
  again = next();
  opened[1].lose();
  await again;
  assert.equal(refreshes(), 1);
});

test('while the API or the BFF is away, no stream is opened, and the user stays signed in', async () => {
  const { page, bff } = await signedIn();
  const { opened, next } = opening(bff, FakeSocket);
  page.bff.isTokenValid = false;
  page.bff.refreshFault = () => new Response(null, { status: 502 });
  opened[0].lose();
  await wait();
  assert.equal(opened.length, 1);
  assert.equal(bff.current.isLoggedIn, true);
  page.bff.refreshFault = undefined;
  await next();
  assert.equal(opened.length, 2);
});

test('a stream that is opened again says nothing about the user, who may be away', async () => {
  const page = fakePage();
  page.bff.endsAt = Date.now() + 3_600_000;
  page.bff.idleSeconds = 0.2;
  page.bff.logIn();
  const bff = client();
  await bff.onPageLoad();
  const { opened, next } = opening(bff, FakeSocket);
  for (let times = 0; times < 3; times++) {
    await wait();
    const again = next();
    opened.at(-1).lose();
    await again;
    page.bff.session && (page.bff.session.activeAt = Date.now());
  }
  assert.equal(lines(page).filter((line) => line === 'POST /bff/touch').length, 0);
});

test('a web socket that its server has finished is not opened again', async () => {
  const { bff } = await signedIn();
  const { opened } = opening(bff, FakeSocket);
  opened[0].lose(1000);
  await wait();
  assert.equal(opened.length, 1);
});

test('an event source that has given up is replaced, and one that connects again by itself is not', async () => {
  const { bff } = await signedIn();
  const { opened, next } = opening(bff, FakeEventSource);
  opened[0].fail(0);
  await wait();
  assert.equal(opened.length, 1);
  const second = next();
  opened[0].fail(2);
  await second;
  assert.equal(opened.length, 2);
});

test('the end of the session closes the stream, and the next sign-in opens another', async () => {
  const { page, bff } = await signedIn();
  const { opened, next } = opening(bff, FakeSocket);
  page.bff.session = undefined;
  const over = heard(bff, 'session_expired');
  await bff.session();
  await over;
  assert.ok(opened[0].isClosed);
  opened[0].lose();
  await wait();
  assert.equal(opened.length, 1);
  page.bff.logIn();
  const second = next();
  await bff.session();
  await second;
  assert.equal(opened.length, 2);
});

test('a stream that is lost because the session has ended is not opened again', async () => {
  const { page, bff } = await signedIn();
  const { opened } = opening(bff, FakeSocket);
  page.bff.session = undefined;
  const over = heard(bff, 'session_expired');
  opened[0].lose();
  await over;
  await wait();
  assert.equal(opened.length, 1);
});

test('a stream that was closed for good stays closed, also in the middle of a pause', async () => {
  const { bff } = await signedIn();
  const { opened, stop } = opening(bff, FakeSocket);
  opened[0].lose();
  stop();
  await wait();
  assert.equal(opened.length, 1);
});
