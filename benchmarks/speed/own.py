"""`labelaudit …` with everything imported beforehand, for `child` to time what it does."""

from __future__ import annotations

from typing import Any

import timm  # noqa: F401  # as below
import typer

from labelaudit.cli.app import app


def main(arguments: list[str]) -> dict[str, Any]:
    """Run a command.

    Raises:
        RuntimeError: It failed; it has said why.
    """
    code = typer.main.get_command(app).main(arguments, standalone_mode=False)
    if code:
        raise RuntimeError(f"labelaudit ended with exit code {code}")
    return {}
