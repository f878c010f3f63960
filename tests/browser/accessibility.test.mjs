// axe finds nothing on the demo's pages (the page for a visitor and for a user, with its panel, and the login page), in light
// and dark colors, wide and narrow.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { test } from 'node:test';

import { inBrowser } from './context.mjs';
import { fillIn, goToLogin, pressed, shown, USER, authenticated } from './lib.mjs';

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

async function assertAccessible(page, what) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join('; ')}`);
  assert.deepEqual(found, [], what);
  const isTooWide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
  assert.equal(isTooWide, false, `${what} scrolls sideways`);
}

for (const colorScheme of ['light', 'dark']) {
  for (const width of [1000, 390]) {
    test(`nothing is wrong in ${colorScheme} colors at a width of ${width} pixels`, inBrowser(async (page) => {
      await goToLogin(page);
      await assertAccessible(page, 'the login page');
      await fillIn(page, { ...USER, password: 'wrong' });
      await page.waitForSelector('[role=alert]');
      await assertAccessible(page, 'the login page with an error');
      await fillIn(page, USER);
      await authenticated(page);
      await pressed(page, '#getApiData', '#getDataResult', /Success response/);
      await page.click('summary');
      await shown(page, '#breakSomething', /authorization-server/);
      await assertAccessible(page, 'the page');
      await page.click('#part-api button');
      await page.waitForSelector('#part-api[data-state="stopped"]');
      await assertAccessible(page, 'the page with a part that is stopped');
      await page.click('#part-api button');
      await page.waitForSelector('#part-api[data-state="ready"]');
      // The pages' own Content Security Policy forbids axe.
    }, { bypassCSP: true, colorScheme, viewport: { width, height: 900 } }));
  }
}
