"""A check's result in the form its reader wants: a terminal, GitHub, a CI server, a code scanner, or a script."""

from __future__ import annotations

from typing import get_args

from labelaudit.checking.formats.github import render_github
from labelaudit.checking.formats.json_document import render_json
from labelaudit.checking.formats.junit import render_junit
from labelaudit.checking.formats.markdown import render_markdown
from labelaudit.checking.formats.sarif import render_sarif
from labelaudit.checking.formats.text import render_text
from labelaudit.checking.result import CheckResult
from labelaudit.types import Format

FORMATS: tuple[Format, ...] = get_args(Format)

_RENDERERS = {
    "text": render_text,
    "github": render_github,
    "junit": render_junit,
    "sarif": render_sarif,
    "markdown": render_markdown,
    "json": render_json,
}


def render(result: CheckResult, format: Format) -> str:
    """Put a check's result into a format.

    Labels, ids and paths may hold anything; in none of the formats can they become markup, commands or control
    characters.

    Args:
        result: What the check found.
        format: `text` for terminals; `github` for workflow commands; `junit` for Jenkins and the like; `sarif` for code
            scanning; `markdown` for comments on pull requests; `json` with everything, for scripts.

    Returns:
        The whole document, ending in a newline.
    """
    return _RENDERERS[format](result)
