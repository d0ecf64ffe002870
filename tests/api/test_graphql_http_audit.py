"""The audits with which the GraphQL Foundation's own `graphql-http` judges a server, against the service on loopback."""

import json
from collections import Counter

from tests.api.clients import SERVICE_KEY, Api
from tests.node import run_node

AUDITS = 61
"""Of graphql-http 1.23.1. Fewer would mean that some were not run."""


async def test_every_audit_passes_without_a_warning(edge: Api) -> None:
    results = json.loads(await run_node("audit_http.mjs", f"{edge.url}/graphql", SERVICE_KEY))
    assert [result for result in results if result["status"] != "ok"] == []
    assert Counter(result["status"] for result in results) == {"ok": AUDITS}
