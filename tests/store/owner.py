"""A process that owns an embedded PostgreSQL until it is killed. Prints its server's number, then waits."""

import asyncio
import sys
from pathlib import Path

from services.store.embedded import Lifeline, embedded_postgres


async def own(data_dir: Path, lifeline: Lifeline) -> None:
    async with embedded_postgres(data_dir, lifeline=lifeline) as server:
        sys.stdout.write(f"pid {server.pid}\n")
        sys.stdout.flush()
        await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(own(Path(sys.argv[1]), Lifeline(sys.argv[2])))
