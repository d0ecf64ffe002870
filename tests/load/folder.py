"""Where a benchmark keeps its data."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def data_folder() -> Iterator[Path]:
    """A folder that is not there yet and is gone afterwards; PostgreSQL's own user may look into what is around it."""
    with tempfile.TemporaryDirectory(prefix="firstlight-load-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "data"
