"""A PostgreSQL of our own in DATA_DIR, for a machine that has none: started, owned and stopped by this process.

`place` says where the cluster lives, `account` who runs it, `binaries` what is run, `child` how it dies with its owner, and
`server` does it. Linux and macOS.
"""

from services.store.embedded.account import EmbeddedPostgresError
from services.store.embedded.server import EmbeddedServer, Lifeline, embedded_postgres

__all__ = ["EmbeddedPostgresError", "EmbeddedServer", "Lifeline", "embedded_postgres"]
