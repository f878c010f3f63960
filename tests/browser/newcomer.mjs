// A newcomer's walk through the demo in a browser that does not trust its certificates: it accepts every warning that the page
// leads to, signs in, reads and changes data and signs out, and does nothing else.
//
// node newcomer.mjs chromium|firefox|webkit. Environment: as for lib.mjs; FIREFOX, WEBKIT_DRIVER (paths); PAUSE_SECONDS (before
// a change of data, default 0).
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

import { USER, WWW, API } from './lib.mjs';
import { openers } from './newcomer-browsers.mjs';

const isOneOrigin = new URL(API).origin === new URL(WWW).origin;

/** Waits until `condition` returns something. */
async function until(what, condition) {
  const end = Date.now() + 30_000;
  for (;;) {
    const found = await condition().catch(() => undefined);
    if (found) return found;
    assert.ok(Date.now() < end, `waiting timed out after 30 s: ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, 100); });
  }
}

const shows = (browser, selector, pattern) => until(
  `${selector} shows ${pattern}`, async () => pattern.test(await browser.text(selector)),
);

async function walk(browser) {
  await browser.open(WWW);
  await browser.acceptWarning();
  if (!isOneOrigin && browser.hasWarning) {
    await shows(browser, '#trust', /cannot connect to api\./);
    await browser.click('#trust a');
    await browser.acceptWarning();
  }
  await shows(browser, '#pageLoadResult', /Authentication required/);
  await browser.click('#startAuthentication');
  await browser.acceptWarning();
  await until('the login page', () => browser.text('form'));
  await browser.fill('input[name=username]', USER.username);
  await browser.fill('input[name=password]', USER.password);
  await browser.click('button[type=submit]');
  await shows(browser, '#pageLoadResult', /You are authenticated/);
  await browser.click('#getApiData');
  await shows(browser, '#getDataResult', /Success response/);
  await sleep(1000 * Number(process.env.PAUSE_SECONDS ?? 0));
  await browser.click('#postApiData');
  await shows(browser, '#postDataResult', /Success response/);
  await browser.click('#signOut');
  await shows(browser, '#pageLoadResult', /Authentication required/);
  assert.equal(browser.warnings, browser.hasWarning ? (isOneOrigin ? 2 : 3) : 0, 'accepted warnings');
}

const name = process.argv[2];
const browser = await openers[name]();
try {
  await walk(browser);
  console.log(`walked through the demo in ${name}, with ${browser.warnings} accepted warnings`);
} catch (error) {
  console.error(`error: walking through the demo in ${name} failed: ${error.message}`);
  console.error(`  the page: ${await browser.describe().catch(() => 'unknown')}`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
