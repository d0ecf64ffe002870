// Runs documents through Apollo's link for persisted queries: how many of its requests held a document, and what came back.
import { createHash } from "node:crypto";
import { ApolloClient, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";

const [url, key, ...documents] = process.argv.slice(2);
const results = [];

for (const document of documents) {
  let sent = 0;
  const counted = (address, request) => {
    if (JSON.parse(request.body).query) sent += 1;
    return fetch(address, request);
  };
  const sha256 = (text) => createHash("sha256").update(text).digest("hex");
  const http = new HttpLink({ uri: `${url}/graphql`, headers: { "x-api-key": key }, fetch: counted });
  const client = new ApolloClient({
    link: new PersistedQueryLink({ sha256 }).concat(http),
    cache: new InMemoryCache(),
  });
  const { data } = await client.query({ query: gql(document), fetchPolicy: "no-cache" });
  results.push({ documents: sent, data });
}
console.log(JSON.stringify(results));
