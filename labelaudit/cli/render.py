"""`python -m labelaudit.cli.render`: another format of a check's JSON, for the GitHub action; nothing is audited."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from labelaudit.checking.formats import render
from labelaudit.checking.formats.github import write_step_summary
from labelaudit.checking.formats.json_document import read_json
from labelaudit.cli.console import Console
from labelaudit.cli.exit_codes import ending_in_exit_codes
from labelaudit.errors import InputError
from labelaudit.runtime.files import write_atomically


def show(
    result: Annotated[Path, Argument(metavar="RESULT", help="What `labelaudit check --format json` wrote.")],
    sarif: Annotated[Path | None, Option(help="Write SARIF to this file, too.", show_default="none")] = None,
) -> None:
    """Print a result as GitHub's workflow commands; fill the step's summary and outputs."""
    with ending_in_exit_codes(Console(quiet=False, as_json=False)):
        try:
            checked = read_json(result.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read {result}: {error}") from error
        typer.echo(render(checked, "github"), nl=False)
        outputs = {"verdict": "failed" if checked.failures else "passed", "suspects": str(len(checked.suspects))}
        if sarif is not None:
            text = render(checked, "sarif")
            sarif.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(sarif, lambda file: file.write_text(text, encoding="utf-8"))
            outputs["sarif"] = str(sarif)
        if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
            write_step_summary(checked, Path(summary))
        if file := os.environ.get("GITHUB_OUTPUT"):
            with Path(file).open("a", encoding="utf-8") as outputs_file:
                outputs_file.writelines(map(_output, outputs.items()))


def _output(item: tuple[str, str]) -> str:
    name, value = item
    end = uuid.uuid4().hex  # so that no value can end itself and begin another
    return f"{name}<<{end}\n{value}\n{end}\n"


if __name__ == "__main__":
    typer.run(show)
