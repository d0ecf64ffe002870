"""Builds the pages before a distribution is made of the checkout. An editable install is `make`'s, which sees to them itself."""

import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PagesHook(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """An unpacked sdist has no Makefile, and the pages that it was made with."""
        if version != "editable" and (Path(self.root) / "Makefile").exists():
            subprocess.run(["make", "--silent", "web"], cwd=self.root, check=True)  # noqa: S607
