// Sessions that are about to end, and activity that prolongs them.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { client, lines } from './client.mjs';
import { API, fakePage } from './fake-page.mjs';

const DATA = `${API}/api/data`;
const SESSION = 'GET /bff/session';
const TOUCH = 'POST /bff/touch';

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_800_000_000_000 });
  // The clock that nobody can set. Here it stands still unless a test says otherwise.
  mock.method(performance, 'now', () => 0);
});
afterEach(() => mock.reset());

/** Lets everything run that does not wait for a timer. */
async function settled() {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => { setImmediate(resolve); });
}

/** The time passes, second by second. */
async function pass(seconds) {
  for (let second = 0; second < seconds; second++) {
    mock.timers.tick(1000);
    await settled();
  }
}

/** A signed-in page whose session ends after so many seconds, or after so many without activity. */
async function signedIn({ seconds = 36_000, idleSeconds, ...options } = {}) {
  const page = fakePage();
  page.bff.logIn();
  page.bff.endsAt = Date.now() + seconds * 1000;
  page.bff.idleSeconds = idleSeconds;
  const tab = await openTab(options);
  page.bff.requests = [];
  return { page, ...tab };
}

async function openTab(options) {
  const bff = client(options);
  await bff.onPageLoad();
  const events = [];
  bff.subscribe((event, { isLoggedIn, expiresAt }) => events.push([event, isLoggedIn, expiresAt]));
  return { bff, events };
}

test('the end of a session is announced and shown without a failed call', async () => {
  const { page, events } = await signedIn({ seconds: 300 });
  const end = page.bff.endsAt;
  await pass(239);
  assert.deepEqual(events, []);
  await pass(1);
  assert.deepEqual(events, [['session_expiring', true, end]]);
  await pass(59);
  assert.equal(events.length, 1);
  await pass(1);
  assert.deepEqual(events[1], ['session_expired', false, undefined]);
  await pass(600);
  assert.deepEqual([events.length, lines(page)], [2, [SESSION, SESSION]]);
});

test('a timer that is a moment early does not put off the look at the session', async () => {
  const { page } = await signedIn({ seconds: 300 });
  const date = Date.now();
  mock.method(Date, 'now', () => date);
  let [ticks, step] = [0, 0];
  mock.method(performance, 'now', () => (ticks += step));
  for (ticks = 10_000; ticks < 240_000; ticks += 10_000) {
    mock.timers.tick(10_000);
    await settled();
  }
  // Not yet when the timer looks, and a moment later when it waits again.
  [ticks, step] = [239_999.5, 0.3];
  mock.timers.tick(10_001);
  await settled();
  assert.deepEqual(lines(page), [SESSION]);
});

test('the application says how long before the end', async () => {
  const { events } = await signedIn({ seconds: 300, warnSeconds: 120 });
  await pass(179);
  assert.deepEqual(events, []);
  await pass(1);
  assert.equal(events[0][0], 'session_expiring');
});

test('calls report activity at most once in a tenth of the idle time, and a session in use does not end', async () => {
  const { bff, page, events } = await signedIn({ idleSeconds: 600 });
  for (let second = 0; second < 1200; second += 10) {
    await Promise.all([bff.fetch(DATA), bff.fetch(DATA)]);
    await pass(10);
  }
  assert.deepEqual(events, []);
  const touches = page.bff.count(TOUCH);
  assert.ok(touches >= 15 && touches <= 20, `${touches} touches`);
});

test('a user who is not active is told, and looks at the page of a visitor when the session has ended', async () => {
  const { bff, page, events } = await signedIn({ idleSeconds: 600 });
  await pass(300);
  await bff.fetch(DATA);
  await settled();
  await pass(539);
  assert.deepEqual(events, []);
  await pass(1);
  assert.equal(events[0][0], 'session_expiring');
  await pass(60);
  assert.deepEqual(events.map(([event]) => event), ['session_expiring', 'session_expired']);
  assert.ok(!lines(page).includes('POST /bff/refresh'));
});

test('a page that is opened shortly before the end reports its first call, and one that was just opened does not', async () => {
  const { page } = await signedIn({ idleSeconds: 600 });
  await pass(500);
  const { bff } = await openTab();
  await bff.fetch(DATA);
  await settled();
  assert.equal(page.bff.count(TOUCH), 1);
  const next = await openTab();
  await next.bff.fetch(DATA);
  await settled();
  assert.equal(page.bff.count(TOUCH), 1);
});

test('reports that fail are not repeated with every call', async () => {
  const { bff, page } = await signedIn({ idleSeconds: 600 });
  await pass(100);
  page.bff.before[TOUCH] = () => { throw new TypeError('Failed to fetch'); };
  for (let second = 0; second < 100; second++) {
    await bff.fetch(DATA);
    await pass(1);
  }
  assert.equal(page.bff.count(TOUCH), 2);
});

test('touch does not end a session that has no refresh token, and says that it is about to end', async () => {
  const { bff, page, events } = await signedIn({ seconds: 300 });
  page.bff.refreshFault = () => Response.json({ code: 'unauthorized_request', message: 'no refresh token' }, { status: 401 });
  await pass(250);
  assert.equal(await bff.touch(), false);
  assert.deepEqual(events.map(([event]) => event), ['session_expiring']);
  page.bff.refreshFault = undefined;
  page.bff.before['POST /bff/refresh'] = () => { page.bff.session = undefined; };
  assert.equal(await bff.touch(), false, 'the session ended meanwhile');
  assert.deepEqual(events.map(([event]) => event), ['session_expiring', 'session_expired']);
});

test('calls of an application that reports activity itself are none', async () => {
  const { bff, page, events } = await signedIn({ idleSeconds: 600, fetchIsActivity: false });
  await pass(300);
  await bff.fetch(DATA);
  await settled();
  assert.equal(page.bff.count(TOUCH), 0);
  assert.equal(await bff.touch(), true);
  await pass(539);
  assert.deepEqual(events, []);
  await pass(1);
  assert.equal(events[0][0], 'session_expiring');
});

test('activity in one tab is activity in all, and takes the warning back in all', async () => {
  const { bff, page, events } = await signedIn({ idleSeconds: 600 });
  const other = await openTab();
  await pass(300);
  await bff.fetch(DATA);
  await settled();
  await pass(300);
  assert.deepEqual(other.events, [], 'the other tab asked, and was told that there is more time');
  await pass(240);
  assert.deepEqual([events, other.events].map(([[event]]) => event), ['session_expiring', 'session_expiring']);
  assert.equal(await other.bff.touch(), true);
  await settled();
  for (const tab of [{ bff, events }, other]) {
    assert.deepEqual(tab.events.map(([event]) => event), ['session_expiring', 'loaded']);
    assert.equal(tab.bff.current.expiresAt, undefined);
    assert.equal(tab.bff.current.claims.sub, 'alice');
  }
  assert.equal(page.bff.count(TOUCH), 2);
});

test('touch refreshes a session that ends with its refresh token, and says if nothing helps', async () => {
  const { bff, page, events } = await signedIn({ seconds: 300 });
  await pass(250);
  page.bff.prolongsSeconds = 300;
  assert.equal(await bff.touch(), true);
  assert.deepEqual(events.map(([event]) => event), ['session_expiring', 'loaded']);
  await pass(250);
  page.bff.prolongsSeconds = undefined;
  assert.equal(await bff.touch(), false);
  assert.equal(events.length, 3);
  await pass(60);
  assert.equal(events[3][0], 'session_expired');
});

test('a session in use that reaches its lifetime is announced, and touch says that nothing helps', async () => {
  const { bff, events } = await signedIn({ seconds: 700, idleSeconds: 600 });
  for (let second = 0; second < 640; second += 10) {
    await bff.fetch(DATA);
    await pass(10);
  }
  assert.deepEqual(events.map(([event]) => event), ['session_expiring']);
  assert.equal(await bff.touch(), false);
  await pass(60);
  assert.deepEqual(events.map(([event]) => event), ['session_expiring', 'session_expired']);
});

test('a call near the end of a session that activity cannot prolong neither reports nor refreshes', async () => {
  const { bff, page } = await signedIn({ seconds: 300, idleSeconds: 600 });
  page.bff.isTokenValid = true;
  for (let second = 0; second < 290; second += 10) {
    await bff.fetch(DATA);
    await pass(10);
  }
  assert.deepEqual([page.bff.count(TOUCH), page.bff.count('POST /bff/refresh')], [0, 0]);
});

test('a clock that is set back hides no end, and one that is set forward ends nothing', async () => {
  const { bff, page, events } = await signedIn({ seconds: 300 });
  // The other clock says that 240 seconds have passed, of which the browser's clock knows nothing.
  page.bff.endsAt -= 240_000;
  mock.method(performance, 'now', () => 240_000);
  await pass(10);
  assert.equal(events[0]?.[0], 'session_expiring');

  const forward = await signedIn({ seconds: 3000 });
  mock.timers.setTime(Date.now() + 3_000_000);
  forward.page.bff.endsAt += 3_000_000;
  await pass(20);
  assert.deepEqual([forward.events, forward.bff.current.isLoggedIn], [[], true]);
  assert.equal(bff.current.isLoggedIn, true);
});

test('a BFF that cannot be reached at the end ends no session, and is asked again', async () => {
  const { page, events } = await signedIn({ seconds: 300 });
  await pass(250);
  page.bff.instead = () => new Response('gone', { status: 503 });
  await pass(70);
  assert.deepEqual(events.map(([event]) => event), ['session_expiring']);
  page.bff.instead = undefined;
  await pass(10);
  assert.deepEqual(events.map(([event]) => event), ['session_expiring', 'session_expired']);
});

test('an earlier BFF, which says nothing of an end, is asked for the session only', async () => {
  const page = fakePage();
  page.bff.logIn();
  const { bff, events } = await openTab();
  page.bff.requests = [];
  await bff.fetch(DATA);
  await pass(600);
  await bff.fetch(DATA);
  assert.deepEqual([events, lines(page)], [[], ['GET /api/data', SESSION, SESSION, 'GET /api/data']]);
});

test('a session that ended elsewhere is seen when somebody looks at the page, or within five minutes, without a failed call', async () => {
  for (const isVisible of [true, false]) {
    const { page, events } = await signedIn();
    document.hidden = !isVisible;
    page.bff.session = undefined;
    await pass(299);
    assert.deepEqual([events, lines(page)], [[], []]);
    await pass(1);
    assert.deepEqual(events.map(([event]) => event), isVisible ? ['session_expired'] : []);
    document.hidden = false;
    page.events.dispatchEvent(new Event('visibilitychange'));
    await settled();
    assert.deepEqual(events, [['session_expired', false, undefined]]);
    await pass(3600);
    assert.deepEqual(lines(page), [SESSION], 'a visitor is not asked for');
  }
});

test('who goes from window to window and back asks for the session once, not each time', async () => {
  const { page } = await signedIn();
  await pass(60);
  for (let turn = 0; turn < 10; turn++) {
    page.events.dispatchEvent(new Event('visibilitychange'));
    await pass(1);
  }
  assert.deepEqual(lines(page), [SESSION]);
});

test('after sleep a page asks before it shows anything: a session that was prolonged elsewhere goes on, another one has ended', async () => {
  for (const isProlonged of [true, false]) {
    const { page, events } = await signedIn({ idleSeconds: 600 });
    // No timer runs meanwhile.
    mock.timers.setTime(Date.now() + 3_600_000);
    if (isProlonged) page.bff.session.activeAt = Date.now();
    await pass(10);
    assert.deepEqual(events.map(([event]) => event), isProlonged ? [] : ['session_expired']);
    assert.ok(lines(page).every((line) => line === SESSION), lines(page).join());
  }
});

test('a page that becomes visible while a sign-in is completed does not ask in between', async () => {
  const page = fakePage({ path: '/?code=c&state=s' });
  const load = client().onPageLoad();
  page.events.dispatchEvent(new Event('visibilitychange'));
  await load;
  assert.deepEqual(lines(page), ['POST /bff/login/end', SESSION]);
});

test('an end that is said to be now is asked for every ten seconds, not at once again', async () => {
  const { page } = await signedIn({ seconds: 300 });
  page.bff.hasEnded = () => false;
  await pass(310);
  const before = page.bff.count(SESSION);
  await pass(10);
  assert.ok(page.bff.count(SESSION) - before <= 1);
});
