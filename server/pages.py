"""Pages for people, from this host alone: their sources are in `web/src`, and `make web` builds them into `web/dist`.

A page is a shell without data. What it shows it asks of `/graphql` with the key that its reader types in.
"""

import secrets
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from server.compression import accepts_gzip
from server.middleware import header
from services.config import Settings

GRAPHIQL_PATH = "/graphiql"
DIST = Path(__file__).parent / "web" / "dist"
NONCE = "%NONCE%"
"""Stands in a built page where the nonce of the answer goes."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""No other origin and no inline script. The nonce is for a style element that GraphiQL's dialogs add."""
NOT_BUILT = (
    "This page was not built. Where the service was installed, run `make web`, which needs the network once, and reload.\n"
)


def routes(settings: Settings, dist: Path = DIST) -> list[BaseRoute]:
    """The pages that are switched on, and the files that they are made of, as built in `dist`."""
    if not settings.serves_graphiql:
        return []

    def graphiql(_request: Request) -> Response:
        return _page(dist / "graphiql.html")

    return [Route(GRAPHIQL_PATH, graphiql), Mount("/assets", Assets(directory=dist / "assets", check_dir=False))]


def _page(built: Path) -> Response:
    try:
        html = built.read_text("utf-8")
    except FileNotFoundError:
        return PlainTextResponse(NOT_BUILT, 503)
    nonce = secrets.token_urlsafe(16)
    return HTMLResponse(html.replace(NONCE, nonce), headers={"content-security-policy": POLICY.format(nonce=nonce)})


class Assets(StaticFiles):
    """Files named after their content, each beside itself in gzip: whoever has one never asks again."""

    async def check_config(self) -> None:
        """Nothing: where nothing was built, each file is one that does not exist."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        compressed = accepts_gzip(header(scope, b"accept-encoding"))
        response = await super().get_response(f"{path}.gz" if compressed else path, scope)
        if compressed:
            response.headers["content-encoding"] = "gzip"
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        response.headers["vary"] = "accept-encoding"
        return response
