"""For comments on pull requests and GitHub's step summary."""

from __future__ import annotations

import re

from labelaudit.checking.formats.wording import (
    CONTRADICTIONS,
    LEAKS,
    accepted_rows,
    change,
    contradictions,
    counts,
    describe,
    leaks,
    name,
    printable,
    relabelled,
    unscored,
    verdict,
)
from labelaudit.checking.result import ChangedRow, CheckResult
from labelaudit.units import format_count

SHOWN = 50
_SPECIAL = re.compile(r"[!#$&(-+:-@\[-`{-~]")  # ASCII punctuation but " % ' , - . /


def render_markdown(result: CheckResult) -> str:
    """The verdict, the counts, and tables of the rows to look at; no name in them can become markup or a mention."""
    numbers = counts(result)
    parts = [
        f"### {'❌' if result.failures else '✅'} {verdict(result)}",
        "\n".join(f"- {_sentence(failure)}" for failure in result.failures),
        f"{_code(result.source)} against {_code(result.baseline)}",
        _table([*numbers, "new suspects"], [[f"{n:,}" for n in (*numbers.values(), len(result.suspects))]], "--:"),
    ]
    if result.suspects:
        parts.append(f"#### {format_count(len(result.suspects), 'new suspect')} (score above {result.threshold:g})")
        parts.append(
            _table(
                ["row", "label", "suggested", "score", "change", "where"],
                [
                    [
                        _code(row.id),
                        _label(row.label),
                        _label(row.suggested_label),
                        _score(row),
                        _sentence(change(row)),
                        _place(row),
                    ]
                    for row in result.suspects[:SHOWN]
                ],
            )
            + _more(len(result.suspects))
        )
    for found, title in ((contradictions(result), CONTRADICTIONS), (leaks(result), LEAKS)):
        if found:
            parts.append(f"#### {format_count(len(found), 'new row')} {title}")
            rows = [[_code(row.id), _sentence(describe(row)), _place(row)] for row in found[:SHOWN]]
            parts.append(_table(["row", "what", "where"], rows) + _more(len(found)))
    others = relabelled(result)
    if others:
        parts.append(f"#### {format_count(len(others), 'relabelled row')} not suspect")
        rows = [
            [_code(row.id), _label(row.old_label), _label(row.label), _score(row), _place(row)]
            for row in others[:SHOWN]
        ]
        parts.append(_table(["row", "before", "now", "score", "where"], rows) + _more(len(others)))
    problems = unscored(result)
    if problems:
        parts.append(f"#### {format_count(len(problems), 'row')} not scored")
        rows = [[_code(row.id), _sentence(row.problem or ""), _place(row)] for row in problems[:SHOWN]]
        parts.append(_table(["row", "why", "where"], rows) + _more(len(problems)))
    accepted = accepted_rows(result)
    if accepted:
        ids = ", ".join(_code(row.id) for row in accepted[:SHOWN])
        parts.append(f"{format_count(len(accepted), 'row')} accepted before: {ids}" + _more(len(accepted)))
    said = [f"- ⚠️ {_sentence(warning)}" for warning in result.warnings]
    parts.append("\n".join([*said, *(f"- {_sentence(note)}" for note in result.notes)]))
    return "\n\n".join(filter(None, parts)) + "\n"


def _table(head: list[str], rows: list[list[str]], align: str = "---") -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, [align] * len(head), *rows))


def _more(total: int) -> str:
    return f"\n\nand {total - SHOWN:,} more" if total > SHOWN else ""


def _entities(text: str) -> str:
    """Every character that could mean something to Markdown or HTML as a reference, which means only itself."""
    text = _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", printable(text))
    return re.sub("(?i)www(?=[.])", "ww&#119;", text)  # GitHub makes a link of it


def _code(text: str) -> str:
    """As code, where GitHub looks for no mentions. HTML's, because Markdown's own ends at a backtick in a name."""
    return f"<code>{_entities(text)}</code>"


def _sentence(text: str) -> str:
    """As prose; zero-width spaces keep mentions and references from being ones, and a start from being a list's."""
    prose = re.sub("(&#(?:64|35);)", "\\1&#8203;", _entities(text))
    return re.sub(r"^(?=-|\d+[.])", "&#8203;", prose)


def _label(label: str | None) -> str:
    return name(None) if label is None else _code(label)


def _score(row: ChangedRow) -> str:
    return name(None) if row.score is None else f"{row.score:.3f}"


def _place(row: ChangedRow) -> str:
    return _code(row.path + (f":{row.line}" if row.line is not None else ""))
