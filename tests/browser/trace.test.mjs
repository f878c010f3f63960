// A traced page sends its trace context to the BFF and to the API, and both allow it: with the browser's own preflight request.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { inBrowser } from './context.mjs';
import { API, signIn } from './lib.mjs';

test('a page may send its trace context to the BFF and to the API', inBrowser(async (page) => {
  await signIn(page);
  const traceparent = '00-aaaabbbbccccddddeeeeffff00001111-2222333344445555-01';
  for (const path of ['/bff/session', '/api/data']) {
    const call = ({ url, headers }) => fetch(url, { credentials: 'include', headers }).then(({ status }) => status, String);
    const headers = { traceparent, tracestate: 'page=1' };
    assert.equal(await page.evaluate(call, { url: `${API}${path}`, headers }), 200, path);
  }
}));
