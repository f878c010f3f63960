// The three browsers of the newcomer's walk, behind one small interface: `open`, `click`, `fill`, `text`, `acceptWarning`.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { chromium } from 'playwright-core';

/** Chromium, with Playwright; unlike in the other tests, it does not know the demo's certificate. */
async function openChromium() {
  const process_ = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    chromiumSandbox: process.getuid?.() !== 0,
    args: ['--disable-gpu', '--disable-background-networking', '--no-first-run'],
  });
  const page = await (await process_.newContext()).newPage();
  page.setDefaultTimeout(20_000);
  return {
    warns: true,
    warnings: 0,
    // The promise fails because of the certificate; the page shows the warning.
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
  page.setDefaultTimeout(20_000);
  return {
    warns: true,
    warnings: 0,
    open: (url) => page.goto(url).catch(() => {}),
    click: (selector) => page.locator(selector).click(),
    fill: (selector, value) => page.locator(selector).fill(value),
    text: (selector) => page.$eval(selector, (element) => element.textContent),
    async acceptWarning() {
      // The page of the warning has its buttons in shadow roots.
      await page.locator('>>> #advanced-button').click();
      // Firefox ignores this button until the user had time to read.
      const button = await page.waitForSelector('>>> #exception-button');
      while (page.url().startsWith('about:')) {
        await button.click().catch(() => {});
        await sleep(500);
      }
      this.warnings += 1;
    },
    describe: async () => `${page.url()} ${await page.$eval('body', (body) => body.innerText.slice(0, 300))}`,
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
    warns: false,
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
