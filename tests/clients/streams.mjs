// Official clients against the service: a query and a subscription from each, and what each does when it is cut off.
// Takes one JSON argument and prints one JSON object: what came out of each case.

import { ApolloClient, InMemoryCache, gql } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { createClient as createSseClient } from "graphql-sse";
import { createClient as createWsClient } from "graphql-ws";
import { createHmac } from "node:crypto";
import WebSocket from "ws";

const { url, shortLivedUrl, key, person, issuer } = JSON.parse(process.argv[2]);
const VIEWER = "{ viewer { subject } }";
const PLAN_READY =
  "subscription($userId: ID!, $after: ID) { planReady(userId: $userId, after: $after) { id routine { id status } } }";
const GENERATE = `mutation($input: GenerateRoutineInput!) {
  generateRoutine(input: $input, waitSeconds: 30) { ... on GenerateRoutineSuccess { cursor routine { id } } }
}`;

const socketUrl = (base) => base.replace("http", "ws");
let day = 10;

/** A routine for a day of its own, READY when this returns; over HTTP, whatever the streams do. */
async function makeRoutine() {
  const input = { userId: person, archetype: "PEAK_PERFORMER", timezone: "America/New_York", date: `2026-03-${++day}` };
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": key },
    body: JSON.stringify({ query: GENERATE, variables: { input } }),
  });
  const { cursor, routine } = (await response.json()).data.generateRoutine;
  return { cursor, id: routine.id };
}

/** A token as their issuer makes them, good for some seconds. */
function tokenOf(userId, seconds) {
  const encode = (part) => Buffer.from(JSON.stringify(part)).toString("base64url");
  const claims = { sub: userId, aud: issuer.audience, iss: issuer.name, exp: Math.floor(Date.now() / 1000) + seconds };
  const content = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`;
  return `${content}.${createHmac("sha256", issuer.secret).update(content).digest("base64url")}`;
}

function socketClient(base, connectionParams, onClosed = () => {}, others = {}) {
  return createWsClient({
    url: socketUrl(base),
    webSocketImpl: WebSocket,
    connectionParams,
    retryWait: async () => {},
    on: { closed: (event) => onClosed(event.code) },
    ...others,
  });
}

async function first(results) {
  for await (const result of results) return result;
}

/** The routines that planReady tells of after a position that moves on with each of them, until `enough` says so. */
async function follow(client, after, enough) {
  const seen = [];
  const variables = { userId: person, after };
  for await (const { data } of client.iterate({ query: PLAN_READY, variables })) {
    variables.after = data.planReady.id; // a client that comes back sends the same object again
    seen.push(data.planReady.routine.id);
    if (enough(seen)) return seen;
  }
  return seen;
}

async function queryAndSubscription(client) {
  const { cursor, id } = await makeRoutine();
  const query = await first(client.iterate({ query: VIEWER }));
  const [told] = await follow(client, cursor, () => true);
  return { subject: query.data.viewer.subject, told: told === id };
}

/** READY comes while the client is away; it comes back by itself and gets it. */
async function missedWhileAway(clientOf) {
  const before = await makeRoutine();
  let missed;
  const client = clientOf(async () => {
    missed ??= await makeRoutine();
  });
  const seen = await follow(client, before.cursor, (ids) => ids.length === 2);
  return seen[0] === before.id && seen[1] === missed.id;
}

async function graphqlWs() {
  const client = socketClient(url, { "x-api-key": key });
  const result = await queryAndSubscription(client);
  await client.dispose();
  return result;
}

async function graphqlWsComesBack() {
  const codes = [];
  let client;
  const complete = await missedWhileAway((whileAway) => {
    client = socketClient(shortLivedUrl, { "x-api-key": key }, (code) => codes.push(code), { retryWait: whileAway });
    return client;
  });
  await client.dispose();
  return { codes: codes.slice(0, 1), complete };
}

async function graphqlWsRenewsItsToken() {
  const codes = [];
  const { cursor } = await makeRoutine();
  let credential = tokenOf(person, 2);
  let made;
  const client = socketClient(url, () => ({ authorization: `Bearer ${credential}` }), (code) => codes.push(code), {
    retryWait: async () => {
      credential = tokenOf(person, 300);
      made = await makeRoutine();
    },
  });
  const seen = await follow(client, cursor, (ids) => ids.length === 2);
  await client.dispose();
  return { codes: codes.slice(0, 1), complete: seen[1] === made.id };
}

async function graphqlWsWaitsForItsTurn() {
  const params = { authorization: `Bearer ${tokenOf("sandbox-blake", 300)}` };
  const kept = Array.from({ length: 5 }, () => socketClient(url, params, undefined, { lazy: false }));
  await Promise.all(kept.map((client) => new Promise((connected) => client.on("connected", connected))));
  const codes = [];
  const sixth = socketClient(url, params, (code) => codes.push(code), { retryWait: async () => kept[0].dispose() });
  const answer = await first(sixth.iterate({ query: VIEWER }));
  await Promise.all([...kept, sixth].map((client) => client.dispose()));
  return { codes: codes.slice(0, 1), answered: Boolean(answer.data) };
}

async function graphqlWsGivesUp() {
  const codes = [];
  const client = socketClient(url, { "x-api-key": "wrong" }, (code) => codes.push(code));
  const failure = await first(client.iterate({ query: VIEWER })).catch((error) => error.code);
  return { codes, failure };
}

async function graphqlSse() {
  return queryAndSubscription(createSseClient({ url, headers: { "x-api-key": key } }));
}

async function graphqlSseComesBack() {
  const options = { url: shortLivedUrl, headers: { "x-api-key": key } };
  return { complete: await missedWhileAway((whileAway) => createSseClient({ ...options, retry: whileAway })) };
}

async function apollo() {
  const socket = socketClient(url, { "x-api-key": key });
  const client = new ApolloClient({ link: new GraphQLWsLink(socket), cache: new InMemoryCache() });
  const { cursor, id } = await makeRoutine();
  const { data } = await client.query({ query: gql(VIEWER) });
  const event = await new Promise((next, error) => {
    client.subscribe({ query: gql(PLAN_READY), variables: { userId: person, after: cursor } }).subscribe({ next, error });
  });
  client.stop();
  await socket.dispose();
  return { subject: data.viewer.subject, told: event.data.planReady.routine.id === id };
}

const results = {};
for (const each of [
  graphqlWs,
  graphqlWsComesBack,
  graphqlWsRenewsItsToken,
  graphqlWsWaitsForItsTurn,
  graphqlWsGivesUp,
  graphqlSse,
  graphqlSseComesBack,
  apollo,
]) {
  results[each.name] = await each();
}
console.log(JSON.stringify(results));
process.exit(0);
