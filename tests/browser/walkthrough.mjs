// The tutorial's walkthrough, for `cargo xtask up --check`: sign-in and data access, step by step.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import {
  API, WWW, authenticated, bffCookies, pressed, signIn, signOut, startBrowser, unauthenticated,
} from './lib.mjs';

const steps = [
  ['the page asks for authentication', async (page) => {
    await page.goto(WWW);
    await unauthenticated(page);
  }],
  ['sign-in as demouser', (page) => signIn(page)],
  ['user info', (page) => pressed(page, '#getUserInfo', '#getUserInfoResult', /Demo|demouser|sub/)],
  ['claims of the ID token', (page) => pressed(page, '#getClaims', '#getClaimsResult', /iss/)],
  ['data by GET', (page) => pressed(page, '#getApiData', '#getDataResult', /Success response/)],
  ['data by POST, with the CSRF header', (page) => pressed(page, '#postApiData', '#postDataResult', /Success response/)],
  ...(process.env.SCREENSHOT ? [[`screenshot, ${process.env.SCREENSHOT}`, async (page) => {
    mkdirSync(dirname(process.env.SCREENSHOT), { recursive: true });
    await page.screenshot({ path: process.env.SCREENSHOT, fullPage: true });
  }]] : []),
  // In containers the page has no panel.
  ['a part is stopped and started again, if the page has a panel', async (page) => {
    if (await page.locator('#breakSomething').count() === 0) return;
    for (const state of ['stopped', 'ready']) {
      await page.click('#part-api button');
      await page.waitForSelector(`#part-api[data-state="${state}"]`);
    }
  }],
  ['refresh of the access token', (page) => pressed(page, '#refreshToken', '#refreshTokenResult', /Refreshed/)],
  ['reload', async (page) => {
    await page.reload();
    await authenticated(page);
  }],
  ['a second tab is signed in too', async (page) => {
    const tab = await page.context().newPage();
    await tab.goto(WWW);
    await authenticated(tab);
    await tab.close();
  }],
  ['sign-out', (page) => signOut(page)],
  ['no cookie of ours is left', async (page) => {
    assert.deepEqual((await bffCookies(page.context())).map(({ name }) => name), []);
  }],
  ['without a session the API refuses', async (page) => {
    const call = (url) => fetch(url, { credentials: 'include' }).then((response) => response.status);
    assert.equal(await page.evaluate(call, `${API}/api/data`), 401);
  }],
];

const browser = await startBrowser();
const page = await (await browser.newContext({ viewport: { width: 1000, height: 900 } })).newPage();
page.setDefaultTimeout(20_000);
let current = '';
try {
  for (const [name, step] of steps) {
    current = name;
    await step(page);
    console.log(`  done: ${name}`);
  }
  console.log(`completed the walkthrough at ${WWW}`);
} catch (error) {
  const path = join(tmpdir(), 'bff-walkthrough-failure.png');
  await page.screenshot({ path, fullPage: true }).catch(() => {});
  console.error(`error: the step "${current}" failed: ${error.message}`);
  console.error(`  the page was at ${new URL(page.url()).origin}: look at the screenshot ${path}`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
