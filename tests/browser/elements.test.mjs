// Requests that a page makes without fetch, as the table of docs/INTEGRATE.md has them.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { inBrowser } from './context.mjs';
import { API, signIn } from './lib.mjs';

const ROWS = {
  image: [401, ([url]) => { new Image().src = url; }],
  imageWithCredentials: [200, ([url]) => { Object.assign(new Image(), { crossOrigin: 'use-credentials', src: url }); }],
  script: [401, ([url]) => { document.head.append(Object.assign(document.createElement('script'), { src: url })); }],
  eventSource: [401, ([url]) => { new EventSource(url); }],
  eventSourceWithCredentials: [200, ([url]) => { new EventSource(url, { withCredentials: true }); }],
  beacon: [401, ([url]) => { navigator.sendBeacon(url, 'bye'); }],
  keepalive: [200, ([url, csrf]) => {
    void fetch(url, { method: 'POST', keepalive: true, credentials: 'include', headers: { 'x-example-csrf': csrf } });
  }],
  frame: [401, ([url]) => { document.body.append(Object.assign(document.createElement('iframe'), { src: url })); }],
  // The last one: it may leave the page.
  link: [401, ([url]) => {
    const link = Object.assign(document.createElement('a'), { href: url, download: 'data.json' });
    document.body.append(link);
    link.click();
  }],
};

test('what elements and interfaces of the browser get from an API on another origin of the site', inBrowser(async (page) => {
  await signIn(page);
  const csrf = await page.evaluate(async (api) => {
    return (await (await fetch(`${api}/bff/session`, { credentials: 'include' })).json()).csrf;
  }, API);
  for (const [name, [expected, act]] of Object.entries(ROWS)) {
    const url = `${API}/api/data?${name}`;
    const answer = page.waitForResponse((response) => response.url() === url && response.request().method() !== 'OPTIONS');
    await page.evaluate(act, [url, csrf]);
    assert.equal((await answer).status(), expected, name);
  }
  // The demo's own Content Security Policy would block most of these requests before they are sent.
}, { bypassCSP: true }));
