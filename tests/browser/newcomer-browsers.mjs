// The three browsers of the newcomer's walk, behind one small interface: `open`, `click`, `fill`, `text`, `acceptWarning`.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { chromium } from 'playwright-core';

/** Chromium, with Playwright. Unlike in the other tests, it does not know the demo's certificate. */
async function openChromium() {
  const process_ = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    chromiumSandbox: process.getuid?.() !== 0,
    args: ['--disable-gpu', '--disable-background-networking', '--no-first-run'],
  });
  const page = await (await process_.newContext()).newPage();
  page.setDefaultTimeout(20_000);
  return {
    hasWarning: true,
    warnings: 0,
    // The promise fails because of the certificate, and the page shows the warning.
    open: (url) => page.goto(url).catch(() => {}),
    click: (selector) => page.click(selector),
    fill: (selector, value) => page.fill(selector, value),
    text: (selector) => page.locator(selector).textContent({ timeout: 1000 }),
    async acceptWarning() {
      await page.click('#details-button');
      await page.click('#proceed-link');
      this.warnings += 1;
    },
    describe: async () => `${page.url()} ${(await page.locator('body').innerText()).slice(0, 300)}`,
    close: () => process_.close(),
  };
}

/** Firefox, with WebDriver BiDi. */
async function openFirefox() {
  const { default: puppeteer } = await import('puppeteer-core');
  const process_ = await puppeteer.launch({
    browser: 'firefox',
    executablePath: process.env.FIREFOX,
    headless: true,
  });
  const page = await process_.newPage();
  // No handles of elements: if the page is left in the middle of Puppeteer's own calls, some of them never end, and Node.js
  // exits.
  /** Tries again until `work` succeeds. */
  const eventually = async (work) => {
    for (const end = Date.now() + 20_000; ; await sleep(200)) {
      try {
        return await work();
      } catch (error) {
        if (Date.now() > end) throw error;
      }
    }
  };
  // The page of the warning has its buttons in a shadow root.
  const inWarning = (selector) => page.evaluate((button) => {
    document.querySelector('net-error-card').shadowRoot.querySelector(button).click();
  }, selector);
  return {
    hasWarning: true,
    warnings: 0,
    open: (url) => page.goto(url).catch(() => {}),
    click: (selector) => eventually(() => page.evaluate((found) => document.querySelector(found).click(), selector)),
    fill: async (selector, value) => {
      await eventually(() => page.evaluate((found) => document.querySelector(found).focus(), selector));
      await page.keyboard.type(value);
    },
    text: (selector) => page.evaluate((found) => document.querySelector(found).textContent, selector),
    async acceptWarning() {
      await eventually(() => inWarning('#advanced-button'));
      // Firefox ignores the other button until the user had time to read.
      await eventually(async () => {
        await inWarning('#exception-button').catch(() => {});
        await sleep(300);
        if (page.url().startsWith('about:')) throw new Error('the warning is still shown');
      });
      this.warnings += 1;
    },
    describe: async () => `${page.url()} ${await page.evaluate(() => document.body.innerText.slice(0, 300))}`,
    close: () => process_.close(),
  };
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const { port } = server.address();
  await new Promise((resolve) => { server.close(resolve); });
  return port;
}

/** WebKitGTK, with its WebDriver, which accepts the certificates by itself. It needs a display, such as that of `xvfb-run`. */
async function openWebKit() {
  const { Builder, By, Capabilities } = await import('selenium-webdriver');
  const port = await freePort();
  const profile = mkdtempSync(join(tmpdir(), 'newcomer-'));
  const server = spawn(process.env.WEBKIT_DRIVER, [`--port=${port}`], { stdio: 'inherit', env: { ...process.env, HOME: profile } });
  const capabilities = new Capabilities({ browserName: 'MiniBrowser', acceptInsecureCerts: true });
  const driver = await new Builder().usingServer(`http://127.0.0.1:${port}`).withCapabilities(capabilities).build();
  const find = (selector) => driver.findElement(By.css(selector));
  return {
    hasWarning: false,
    warnings: 0,
    open: (url) => driver.get(url),
    click: async (selector) => (await find(selector)).click(),
    fill: async (selector, value) => (await find(selector)).sendKeys(value),
    text: async (selector) => (await find(selector)).getText(),
    acceptWarning: async () => {},
    describe: async () => `${await driver.getCurrentUrl()} ${(await (await find('body')).getText()).slice(0, 300)}`,
    async close() {
      await driver.quit().catch(() => {});
      server.kill();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

export const openers = { chromium: openChromium, firefox: openFirefox, webkit: openWebKit };
