// The "GraphQL over HTTP" audits of graphql-http. `node audit_http.mjs <url> <key>` prints their results as one JSON array.
import { auditServer } from 'graphql-http';

const [url, key] = process.argv.slice(2);

/** Every request of the audits, with the key that every caller has to present. */
function fetchWithKey(address, { headers, ...rest } = {}) {
  return fetch(address, { ...rest, headers: { ...headers, 'x-api-key': key } });
}

const results = await auditServer({ url, fetchFn: fetchWithKey });
const found = results.map(({ id, name, status, reason }) => ({ id, name, status, reason }));
console.log(JSON.stringify(found));
