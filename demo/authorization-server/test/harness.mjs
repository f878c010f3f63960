// Starts the server program at a free port with its own database, and plays the browser in the flow.
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const SPA_ORIGIN = 'http://127.0.0.1:9';
const REDIRECT_URI = `${SPA_ORIGIN}/`;

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const { port } = server.address();
  await new Promise((resolve) => { server.close(resolve); });
  return port;
}

export class AuthorizationServer {
  // `scheme` is that of the proxy in front. The program itself uses plain HTTP.
  static async start(env = {}, scheme = 'http') {
    const server = new AuthorizationServer();
    server.scheme = scheme;
    server.directory = mkdtempSync(join(tmpdir(), 'authorization-server-'));
    writeFileSync(join(server.directory, 'client'), 'spa secret: +%');
    writeFileSync(join(server.directory, 'gateway'), 'gateway secret');
    await server.run(env);
    return server;
  }

  // Starts the program (again) with the same database.
  async run(env = {}) {
    this.port ??= await freePort();
    this.issuer = `${this.scheme}://127.0.0.1:${this.port}`;
    this.base = `http://127.0.0.1:${this.port}`;
    this.output = '';
    this.process = spawn(process.execPath, [fileURLToPath(new URL('../server.mjs', import.meta.url))], {
      env: {
        PATH: process.env.PATH,
        PORT: String(this.port),
        ISSUER: this.issuer,
        DATABASE_FILE: join(this.directory, 'test.sqlite'),
        SPA_ORIGIN,
        CLIENT_SECRET_FILE: join(this.directory, 'client'),
        GATEWAY_CLIENT_SECRET_FILE: join(this.directory, 'gateway'),
        ...env,
      },
    });
    this.exited = new Promise((resolve) => { this.process.once('exit', resolve); });
    await new Promise((resolve, reject) => {
      const onData = (data) => {
        this.output += data;
        if (this.output.includes('started the authorization server at')) resolve();
      };
      this.process.stdout.on('data', onData);
      this.process.stderr.on('data', onData);
      this.exited.then(() => reject(new Error(`the authorization server exited before it was ready: ${this.output}`)));
    });
  }

  // Stops the process and returns its exit code.
  async stop() {
    this.process.kill('SIGTERM');
    return this.exited;
  }

  async dispose() {
    await this.stop();
    rmSync(this.directory, { recursive: true });
  }

  post(path, form, [id, secret] = ['spa-client', 'spa secret: +%'], headers = {}) {
    const credentials = [id, secret].map((part) => new URLSearchParams([['', part]]).toString().slice(1)).join(':');
    return fetch(`${this.base}${path}`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(credentials).toString('base64')}`, ...headers },
      body: new URLSearchParams(form),
    });
  }

  introspect(token, accept = 'application/jwt') {
    return this.post('/oauth/v2/oauth-introspect', { token, token_type_hint: 'access_token' },
      ['api-gateway-client', 'gateway secret'], { accept });
  }

  async refresh(refreshToken) {
    const response = await this.post('/oauth/v2/oauth-token', { grant_type: 'refresh_token', refresh_token: refreshToken });
    return { status: response.status, ...await response.json() };
  }
}

// A browser's cookies and redirects, as far as this flow needs them.
export class Browser {
  #cookies = new Map();

  constructor(server) {
    this.server = server;
  }

  async request(url, { form, headers } = {}) {
    const { pathname } = new URL(url, this.server.base);
    const cookie = [...this.#cookies]
      .filter(([, { path }]) => pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`))
      .map(([name, { value }]) => `${name}=${value}`).join('; ');
    const response = await fetch(new URL(url, this.server.base), {
      method: form ? 'POST' : 'GET',
      redirect: 'manual',
      headers: { cookie, accept: 'text/html', ...(form && { origin: this.server.issuer }), ...headers },
      body: form && new URLSearchParams(form),
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      const path = /path=([^;]*)/i.exec(line)?.[1] ?? '/';
      if (value) this.#cookies.set(name, { value, path });
      else this.#cookies.delete(name);
    }
    return response;
  }

  // Follows redirects until one leaves the server. Returns that URL, or the page that is not a redirect.
  async follow(url, options) {
    let response = await this.request(url, options);
    for (;;) {
      const location = response.headers.get('location');
      if (!location) return { page: response, html: await response.text(), url };
      url = new URL(location, new URL(url, this.server.base)).href;
      if (!url.startsWith(this.server.issuer)) return { left: new URL(url) };
      response = await this.request(url);
    }
  }

  authorizationUrl(extra = {}) {
    this.verifier = randomBytes(32).toString('base64url');
    const challenge = createHash('sha256').update(this.verifier).digest('base64url');
    const query = Object.entries({
      client_id: 'spa-client',
      response_type: 'code',
      redirect_uri: REDIRECT_URI,
      scope: 'openid profile email data',
      state: 'a-state',
      nonce: 'a-nonce',
      code_challenge: challenge,
      code_challenge_method: 'S256',
      ...extra,
    }).filter(([, value]) => value !== undefined);
    return `/oauth/v2/oauth-authorize?${new URLSearchParams(query)}`;
  }

  async login({ username = 'demouser', password = 'Password1', extra } = {}) {
    const { url } = await this.follow(this.authorizationUrl(extra));
    return this.follow(url, { form: { username, password } });
  }

  async tokens(left, verifier = this.verifier) {
    const response = await this.server.post('/oauth/v2/oauth-token', {
      grant_type: 'authorization_code',
      code: left.searchParams.get('code'),
      redirect_uri: REDIRECT_URI,
      code_verifier: verifier,
    });
    return { status: response.status, ...await response.json() };
  }

  // Signs in and returns the token response.
  async signIn() {
    return this.tokens((await this.login()).left);
  }
}
