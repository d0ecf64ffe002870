"""`python -m server`: the `firstlight` command."""

from server.cli import app

app()
