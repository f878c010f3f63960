// Signing keys and cookie keys: generated at the first start and stored in the database, so that a restart ends no session.
import { generateKeyPair, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

const generate = promisify(generateKeyPair);

export async function loadOrCreateKeys(database) {
  return {
    // RS256 for ID tokens and signed responses, ES256 for the API's access tokens.
    signing: await setting(database, 'signing_keys', async () => [
      await signingKey('rsa', { modulusLength: 2048 }, 'RS256'),
      await signingKey('ec', { namedCurve: 'P-256' }, 'ES256'),
    ]),
    cookies: await setting(database, 'cookie_keys', async () => [randomBytes(32).toString('base64url')]),
  };
}

async function signingKey(type, options, alg) {
  const { privateKey } = await generate(type, options);
  return { ...privateKey.export({ format: 'jwk' }), kid: randomBytes(12).toString('base64url'), alg, use: 'sig' };
}

async function setting(database, name, make) {
  const read = async () => {
    const { rows: [row] } = await database.execute({ sql: 'SELECT value FROM setting WHERE name = ?', args: [name] });
    return row && JSON.parse(row.value);
  };
  const existing = await read();
  if (existing) return existing;
  await database.execute({
    sql: 'INSERT OR IGNORE INTO setting (name, value) VALUES (?, ?)',
    args: [name, JSON.stringify(await make())],
  });
  return read();
}
