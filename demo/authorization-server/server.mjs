// The demo's authorization server: one process, configured by environment variables only (src/config.mjs).
import { createServer } from 'node:http';

import { findOrCreateDemoUser } from './src/accounts.mjs';
import { readConfig } from './src/config.mjs';
import { openDatabase } from './src/database.mjs';
import { loadOrCreateKeys } from './src/keys.mjs';
import { mtlsServer } from './src/mtls.mjs';
import { createProvider } from './src/provider.mjs';

// The database holds private keys and password hashes: only its owner may read it.
process.umask(0o077);

const config = configOrExit();
const database = await openDatabase(config.databaseFile);
const keys = await loadOrCreateKeys(database);
await findOrCreateDemoUser(database);

const provider = createProvider(config, database, keys);
const server = createServer(provider.callback());
// The side that closes an idle pooled connection may do so while a request is on its way. It must be the proxy, which
// knows which requests it can retry: Envoy's default idle timeout is one hour.
server.keepAliveTimeout = 3_900_000;

const forCertificates = config.mtls && mtlsServer(config.mtls, provider.callback());
if (forCertificates) forCertificates.listen(config.mtls.port, config.host);

server.on('error', (error) => {
  const address = `${config.host}:${config.port}`;
  console.error(`error: listening at ${address} failed: ${error.code}: stop the program there, or set PORT to another port`);
  process.exit(1);
});
server.listen(config.port, config.host, () => {
  console.log(`started the authorization server at http://${config.host}:${server.address().port} for ${config.issuer}`);
});

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, () => {
    // A request in progress may finish. Idle pooled connections must not keep the process alive.
    server.close(() => {
      database.close();
      process.exit(0);
    });
    server.closeIdleConnections();
    forCertificates?.close();
    forCertificates?.closeIdleConnections();
    setTimeout(() => process.exit(0), 3000).unref();
  });
}

function configOrExit() {
  try {
    return readConfig(process.env);
  } catch (error) {
    console.error(`error: ${error.message}`);
    return process.exit(1);
  }
}
