// A new private key for the OpenID Connect plugin of Glewlwyd, as a JWK on standard output. The argument is its `kid`.
import { generateKeyPairSync } from 'node:crypto';

const [, , kid] = process.argv;
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
console.log(JSON.stringify({ ...privateKey.export({ format: 'jwk' }), kid, alg: 'RS256', use: 'sig' }));
