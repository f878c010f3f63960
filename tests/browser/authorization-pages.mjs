// The pages of an authorization server in a browser, for a program that makes the requests of the application's page itself.
//
// Each line of standard input is a request in JSON, and a line of standard output its result:
//   {"open": URL, "username", "password"}  goes through the pages from URL until the browser is led to the application;
//                                          {"url": where it was led, "password": whether one was asked for, "pages": titles}
//   {"forget": true}                       a fresh browser: {}
// A failure is {"error": text}. Environment: WWW, CA_FILE, CHROMIUM, SCREENSHOTS (a folder).
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { WWW, startBrowser } from './lib.mjs';

/** How long a page may take to load, and to lead on, in milliseconds. */
const PATIENCE_MS = 20_000;
/** How long one action on a page may take, in milliseconds. */
const ACTION_MS = 5_000;
const AGREE = /allow|accept|agree|authori[sz]e|approve|continue|consent|confirm|renew|yes/i;
/** Only at sign-out, where there is nothing to agree to: other pages may have such a button, too. */
const SIGN_OUT = /log ?out|sign ?out/i;

const browser = await startBrowser();
let page = await fresh();

async function fresh() {
  const context = await browser.newContext();
  context.setDefaultTimeout(ACTION_MS);
  context.setDefaultNavigationTimeout(PATIENCE_MS);
  // The application's own page would take the response itself.
  await context.route(`${WWW}/**`, (route) => route.fulfill({ contentType: 'text/html', body: '<title>here</title>' }));
  return context.newPage();
}

const visible = async (selector) => {
  for (const found of await page.locator(selector).elementHandles()) if (await found.isVisible()) return found;
  return undefined;
};

async function open({ open: url, username, password }) {
  const seen = { password: false, pages: [] };
  const wanted = new URL(url).searchParams.has('post_logout_redirect_uri') ? [AGREE, SIGN_OUT] : [AGREE];
  await page.goto(url, { waitUntil: 'load' }).catch(interrupted);
  let end = Date.now() + PATIENCE_MS;
  let [acted, before] = ['', ''];
  while (new URL(page.url()).origin !== WWW) {
    if (Date.now() > end) throw new Error(`going through the pages timed out after ${PATIENCE_MS} ms at ${page.url()}: ${(await text()).slice(0, 400)}`);
    const state = `${page.url()} ${await text()}`;
    // Each page is filled in once, when it does not change any more: a script may still be writing it. A page that comes again
    // with other text, such as an error, is another page.
    const isReady = state === before && state !== acted;
    before = state;
    if (!isReady || !(await act(seen, username, password, wanted).catch(vanished))) {
      await page.waitForTimeout(100);
      continue;
    }
    acted = state;
    await page.waitForLoadState('load').catch(interrupted);
    end = Date.now() + PATIENCE_MS;
  }
  return { url: page.url(), ...seen };
}

/** Does what a user would do on this page. Returns `false` if there is nothing to do yet. */
async function act(seen, username, password, wanted) {
  const title = await page.title().catch(() => '');
  const secret = await visible('input[type=password]');
  const name = await visible('input[type=email], input[type=text], input[name=username], input[name=login]');
  if (secret || name) {
    if (name && (await name.isEnabled()) && !(await name.getAttribute('readonly'))) await name.fill(username);
    if (secret) await secret.fill(password);
    await (secret ?? name).press('Enter');
    seen.password ||= Boolean(secret);
    seen.pages.push(title);
    return true;
  }
  const buttons = await page.locator('button, input[type=submit], a[role=button]').elementHandles();
  for (const words of wanted) {
    for (const button of buttons) {
      const label = `${await button.textContent()} ${await button.getAttribute('value')} ${await button.getAttribute('name')}`;
      if (words.test(label) && (await button.isVisible())) {
        await button.click();
        seen.pages.push(title);
        return true;
      }
    }
  }
  return false;
}

// A navigation that another one replaces is an error of the first.
function interrupted(error) {
  if (!/interrupted|ERR_ABORTED|Target page/.test(error.message)) throw error;
}

// What the script of the page has replaced, or the next page.
function vanished(error) {
  if (!/not attached|detached|context was destroyed|Timeout|navigation|Target page/.test(error.message)) throw error;
  return false;
}

const text = () => page.evaluate(() => document.body?.innerText ?? '').catch(() => '');

async function answer(request) {
  if (request.forget) {
    await page.context().close();
    page = await fresh();
    return {};
  }
  return open(request);
}

let count = 0;
for await (const line of createInterface({ input: process.stdin })) {
  let result;
  try {
    result = await answer(JSON.parse(line));
  } catch (error) {
    count += 1;
    const path = join(process.env.SCREENSHOTS, `stuck-${count}.png`);
    await page.screenshot({ path, fullPage: true }).catch(() => {});
    result = { error: `${error.message}: see ${path}` };
  }
  console.log(JSON.stringify(result));
}
await browser.close();
