// Users: looked up by name at login, by subject for claims.
import { randomUUID } from 'node:crypto';

import { hash, verify } from '@node-rs/argon2';

const DEMO_USER = {
  username: 'demouser',
  password: 'Password1',
  given_name: 'Demo',
  family_name: 'User',
  email: 'demouser@example.com',
};

export async function findOrCreateDemoUser(database) {
  const { rows } = await database.execute({
    sql: 'SELECT sub FROM account WHERE username = ?',
    args: [DEMO_USER.username],
  });
  if (rows.length > 0) return;
  await database.execute({
    sql: `INSERT OR IGNORE INTO account (sub, username, password_hash, given_name, family_name, email)
          VALUES (?, ?, ?, ?, ?, ?)`,
    args: [
      randomUUID(),
      DEMO_USER.username,
      await hash(DEMO_USER.password), // argon2id, 19 MiB, 2 passes: the library's defaults, OWASP's minimum
      DEMO_USER.given_name,
      DEMO_USER.family_name,
      DEMO_USER.email,
    ],
  });
}

let unknownUserHash;

// The subject of the user with this name and password, or undefined. An unknown name takes as long as a known
// one, so that the response time does not reveal which names exist.
export async function authenticate(database, username, password) {
  unknownUserHash ??= hash(randomUUID());
  const { rows: [row] } = await database.execute({
    sql: 'SELECT sub, password_hash FROM account WHERE username = ?',
    args: [username],
  });
  const matches = await verify(row?.password_hash ?? await unknownUserHash, password);
  return row && matches ? row.sub : undefined;
}

// oidc-provider's account. oidc-provider decides by scope which of these claims it releases.
export function accountFinder(database, largeClaimBytes = 0) {
  return async (ctx, sub) => {
    const { rows: [row] } = await database.execute({ sql: 'SELECT * FROM account WHERE sub = ?', args: [sub] });
    if (!row) return undefined;
    return {
      accountId: row.sub,
      async claims() {
        return {
          sub: row.sub,
          name: `${row.given_name} ${row.family_name}`,
          given_name: row.given_name,
          family_name: row.family_name,
          preferred_username: row.username,
          email: row.email,
          email_verified: true,
          ...(largeClaimBytes > 0 && { groups: groups(largeClaimBytes) }),
        };
      },
    };
  };
}

// Group names of about this many bytes in all, as a directory with many groups sends them.
function groups(bytes) {
  return Array.from({ length: Math.ceil(bytes / 32) }, (_, index) => `department-${String(index).padStart(18, '0')}`);
}
