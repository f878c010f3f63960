// One browser for a test file, a fresh context (own cookies, own storage) for each test.
import { after, before } from 'node:test';

import { startBrowser } from './lib.mjs';

let browser;

before(async () => {
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
});

/** Runs `test` with the first page of a fresh context, which has these options of Playwright's. */
export function inBrowser(test, options = {}) {
  return async () => {
    const context = await browser.newContext(options);
    context.setDefaultTimeout(20_000);
    try {
      await test(await context.newPage());
    } finally {
      await context.close();
    }
  };
}
