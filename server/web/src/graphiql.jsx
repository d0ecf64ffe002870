import { useEffect } from "react";
import { createRoot } from "react-dom/client";

import { useHeadersEditorState, useSchemaStore } from "@graphiql/react";
import { createGraphiQLFetcher } from "@graphiql/toolkit";
import { GraphiQL } from "graphiql";

import "graphiql/graphiql.css";
import "./graphiql.css";
import examples from "./examples.graphql";

// The dialogs add a style element, which the policy of this page lets pass with the nonce of this answer.
globalThis.__webpack_nonce__ = document.querySelector("script[nonce]").nonce;

const ENDPOINT = new URL("graphql", document.baseURI);
const SOCKET = Object.assign(new URL(ENDPOINT), { protocol: ENDPOINT.protocol.replace("http", "ws") });
const HEADERS = JSON.stringify({ "x-api-key": "" }, null, 2);
const VARIABLES = JSON.stringify({ userId: "sandbox-avery" }, null, 2);
const PAUSE_MS = 400;

const NO_KEY = { data: null, errors: [{ message: "The schema is read as soon as Headers hold a key as x-api-key." }] };

function holdsKey(headers) {
  return Object.entries(headers ?? {}).some(([name, value]) => /^(x-api-key|authorization)$/i.test(name) && value);
}

const ask = createGraphiQLFetcher({ url: ENDPOINT.href, subscriptionUrl: SOCKET.href, enableIncrementalDelivery: false });

async function fetcher(operation, options) {
  const readsSchema = operation.operationName === "IntrospectionQuery";
  return readsSchema && !holdsKey(options?.headers) ? NO_KEY : ask(operation, options);
}

// Reads the schema anew when another key was entered.
function SchemaReader() {
  const [text] = useHeadersEditorState();
  const { introspect } = useSchemaStore();
  useEffect(() => {
    const timer = setTimeout(introspect, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text, introspect]);
  return null;
}

// What is typed here, the key included, stays in this browser tab and goes with it.
for (const [editor, text] of Object.entries({ query: examples, variables: VARIABLES, headers: HEADERS })) {
  const name = `graphiql:${editor}`;
  sessionStorage.setItem(name, sessionStorage.getItem(name) ?? text);
}

createRoot(document.getElementById("page")).render(
  <GraphiQL
    fetcher={fetcher}
    storage={sessionStorage}
    shouldPersistHeaders
    defaultEditorToolsVisibility="headers"
    defaultHeaders={HEADERS}
  >
    <SchemaReader />
  </GraphiQL>,
);
