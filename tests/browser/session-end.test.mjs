// Sessions that end while the page is open: because nobody is active, because of their lifetime, or elsewhere. The page
// shows it without a failed request. Environment: SESSION_IDLE_SECONDS, SESSION_SECONDS.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { DATA, signedInTabs } from './client-tabs.mjs';
import { inBrowser } from './context.mjs';
import { authenticated, endSessions, signIn, unauthenticated } from './lib.mjs';

const IDLE_SECONDS = Number(process.env.SESSION_IDLE_SECONDS);
const LIFETIME_SECONDS = Number(process.env.SESSION_SECONDS);
const WARN_SECONDS = 5;
const LATE = { timeout: (LIFETIME_SECONDS + 30) * 1000 };

/**
 * The requests of a context that were refused or failed. An access token lives no longer than the idle time that was known when
 * it was issued, so HTTP 401 of the API leads to a refresh, and ends no session.
 */
function failuresOf(context) {
  const failures = [];
  context.on('response', (response) => {
    if (response.status() >= 400 && !response.url().startsWith(DATA)) failures.push(`${response.status()} ${response.url()}`);
  });
  return failures;
}

/** The events of a tab, but those of new claims, which each refresh brings. */
const events = (tab) => tab.evaluate(() => globalThis.events.filter((event) => event !== 'loaded'));
const heard = (tab, event) => tab.waitForFunction((event) => globalThis.events.includes(event), event, LATE);

/** Calls the API every second, for so many seconds. */
const stayActive = (tab, seconds) => tab.evaluate(async ([url, seconds]) => {
  for (const end = performance.now() + seconds * 1000; performance.now() < end;) {
    const { status } = await bff.fetch(url);
    if (status !== 200) return status;
    await new Promise((resolve) => { setTimeout(resolve, 1000); });
  }
  return 200;
}, [DATA, seconds]);

// It ends all sessions of the user, so the others begin after it.
test('a session that was ended elsewhere is found out by looking', inBrowser(async (page) => {
  const [tab] = await signedInTabs(page, 1, { checkSeconds: 2, warnSeconds: WARN_SECONDS });
  const failures = failuresOf(page.context());
  assert.ok(await endSessions() >= 1);
  // Earlier than the session would have ended by itself.
  await heard(tab, 'session_expired');
  assert.deepEqual(await events(tab), ['session_expired'], 'before the session would have been about to end by itself');
  assert.deepEqual(failures, []);
}));

// They wait most of the time.
describe('ends that nobody causes', { concurrency: true }, () => {
  test('who is active in one tab is active in all; when nobody is, all tabs warn, and then show a visitor', inBrowser(async (page) => {
    const tabs = await signedInTabs(page, 2, { warnSeconds: WARN_SECONDS });
    const failures = failuresOf(page.context());
    assert.equal(await stayActive(tabs[0], IDLE_SECONDS * 1.5), 200);
    for (const tab of tabs) assert.deepEqual(await events(tab), []);
    await Promise.all(tabs.map((tab) => heard(tab, 'session_expired')));
    for (const tab of tabs) assert.deepEqual(await events(tab), ['session_expiring', 'session_expired']);
    assert.deepEqual(failures, []);
  }));

  test('a session that is in use ends with its lifetime, which nothing prolongs', inBrowser(async (page) => {
    const [tab] = await signedInTabs(page, 1, { warnSeconds: IDLE_SECONDS / 2 });
    const failures = failuresOf(page.context());
    const active = stayActive(tab, LIFETIME_SECONDS - IDLE_SECONDS / 2);
    await heard(tab, 'session_expiring');
    assert.equal(await tab.evaluate(() => bff.touch()), false);
    await heard(tab, 'session_expired');
    assert.deepEqual(await events(tab), ['session_expiring', 'session_expired']);
    await active;
    assert.deepEqual(failures, []);
  }));

  for (const [how, hours] of [['back', -2], ['forward', 2]]) {
    test(`a clock that is set ${how} changes nothing`, inBrowser(async (page) => {
      const [tab] = await signedInTabs(page, 1, { warnSeconds: WARN_SECONDS });
      const failures = failuresOf(page.context());
      await tab.evaluate((ms) => {
        const now = Date.now;
        Date.now = () => now() + ms;
      }, hours * 3_600_000);
      assert.equal(await stayActive(tab, IDLE_SECONDS * 1.5), 200);
      assert.deepEqual(await events(tab), []);
      await heard(tab, 'session_expired');
      assert.deepEqual(await events(tab), ['session_expiring', 'session_expired']);
      assert.deepEqual(failures, []);
    }));
  }

  test('the page of the demo lets the user stay', inBrowser(async (page) => {
    await signIn(page);
    const failures = failuresOf(page.context());
    const isGone = () => document.querySelector('#sessionEnd') === null;
    for (let turn = 0; turn < 2; turn++) {
      await page.waitForSelector('#sessionEnd', LATE);
      await page.click('#stay');
      await page.waitForFunction(isGone);
      await authenticated(page);
    }
    await page.waitForSelector('#sessionEnd', LATE);
    await page.waitForFunction(isGone, undefined, LATE);
    await unauthenticated(page);
    assert.deepEqual(failures, []);
  }));
});
