"""`labelaudit …` with everything imported beforehand, for `child` to time what it does."""

from __future__ import annotations

from typing import Any

import timm  # noqa: F401  # as below
import typer

import labelaudit.planning
import labelaudit.report.html
import labelaudit.report.summary
import labelaudit.scanning  # noqa: F401  # what the command line imports only once it is needed
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
