// Requests that a page makes without fetch, as the table of docs/INTEGRATE.md has them. What the filter did is in Envoy's
// access log: Chromium shows no response for some of these requests. Environment: ENVOY_LOG.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { inBrowser } from './context.mjs';
import { API, WWW, signIn } from './lib.mjs';

const REFUSED = 401;
// From the API, which has no such path: the filter has forwarded the request.
const FORWARDED = 404;

/** For each request: the status if the API is on another origin, the status on the page's own origin, and how the page makes it. */
const ROWS = {
  image: [REFUSED, FORWARDED, ([url]) => { new Image().src = url; }],
  'image-with-credentials': [FORWARDED, FORWARDED, ([url]) => {
    Object.assign(new Image(), { crossOrigin: 'use-credentials', src: url });
  }],
  script: [REFUSED, FORWARDED, ([url]) => { document.head.append(Object.assign(document.createElement('script'), { src: url })); }],
  'event-source': [REFUSED, FORWARDED, ([url]) => { new EventSource(url); }],
  'event-source-with-credentials': [FORWARDED, FORWARDED, ([url]) => { new EventSource(url, { withCredentials: true }); }],
  beacon: [REFUSED, REFUSED, ([url]) => { navigator.sendBeacon(url, 'bye'); }],
  keepalive: [FORWARDED, FORWARDED, ([url, csrf]) => {
    void fetch(url, { method: 'POST', keepalive: true, credentials: 'include', headers: { 'x-example-csrf': csrf } });
  }],
  frame: [REFUSED, FORWARDED, ([url]) => { document.body.append(Object.assign(document.createElement('iframe'), { src: url })); }],
  // The last one: it may leave the page, which ends the requests before it.
  link: [REFUSED, FORWARDED, ([url]) => {
    const link = Object.assign(document.createElement('a'), { href: url });
    document.body.append(link);
    link.click();
  }],
};

/** The statuses of the requests in Envoy's access log, by the last part of their path. */
async function statuses() {
  const lines = (await readFile(process.env.ENVOY_LOG, 'utf8')).split('\n').filter((line) => line.includes('"/api/elements/'));
  const entries = lines.map((line) => JSON.parse(line)).filter(({ method }) => method !== 'OPTIONS');
  return Object.fromEntries(entries.map(({ path, status }) => [path.split('/').at(-1), status]));
}

/** The same, as soon as there are so many: Envoy writes its log every few seconds. */
async function responded(count) {
  const end = Date.now() + 30_000;
  for (;;) {
    const seen = await statuses();
    if (Object.keys(seen).length >= count || Date.now() > end) return seen;
    await new Promise((resolve) => { setTimeout(resolve, 500); });
  }
}

test('what elements and interfaces of the browser get from the API', inBrowser(async (page) => {
  await signIn(page);
  const csrf = await page.evaluate(async (api) => {
    return (await (await fetch(`${api}/bff/session`, { credentials: 'include' })).json()).csrf;
  }, API);
  const act = (name) => page.evaluate(ROWS[name].at(-1), [`${API}/api/elements/${name}`, csrf]);
  const names = Object.keys(ROWS);
  for (const name of names.slice(0, -1)) await act(name);
  await responded(names.length - 1);
  await act(names.at(-1));
  const column = new URL(API).origin === new URL(WWW).origin ? 1 : 0;
  const expected = Object.fromEntries(Object.entries(ROWS).map(([name, row]) => [name, row[column]]));
  const seen = await responded(names.length);
  assert.deepEqual(Object.entries(seen).sort(), Object.entries(expected).sort());
  // The demo's own Content Security Policy would block most of these requests before they are sent.
}, { bypassCSP: true }));
