"""Results of checks, small enough that a test can state a whole output."""

from __future__ import annotations

from dataclasses import replace

from labelaudit.checking.result import ChangedRow, CheckResult

NOTHING = CheckResult(
    source="data/new",
    baseline="labelaudit-report",
    rows=600,
    unchanged=600,
    removed=0,
    changes=(),
    threshold=0.5,
    failures=(),
    notes=(),
    seconds=1.25,
)

SUSPECT = ChangedRow(
    id="7/a.png",
    row=600,
    change="added",
    label="7",
    old_label=None,
    suggested_label="1",
    score=0.9875,
    influence=-0.003,
    suspect=True,
    accepted=False,
    path="data/new/7/a.png",
    line=None,
)
ADDED = replace(
    SUSPECT, id="0/fine.png", row=3, label="0", suggested_label=None, score=0.125, influence=0.001, suspect=False,
    path="data/new/0/fine.png",
)  # fmt: skip  # data, read as a table
RELABELLED = replace(
    ADDED, id="row-16", row=16, change="relabelled", old_label="3", path="data/new.csv", line=18, score=0.25
)
RELABELLED_SUSPECT = replace(
    SUSPECT, id="row-4", row=4, change="relabelled", old_label="3", label="8", suggested_label=None, score=0.75,
    path="data/new.csv", line=6,
)  # fmt: skip  # data, read as a table
ACCEPTED = replace(SUSPECT, id="2/odd.png", row=9, path="data/new/2/odd.png", suspect=False, accepted=True)
UNREADABLE = replace(
    ADDED, id="5/b.png", row=30, change="changed", label="5", old_label="5", score=None, influence=None,
    path="data/new/5/b.png", problem="cannot be decoded",
)  # fmt: skip  # data, read as a table
CONTRADICTING = replace(
    ADDED, id="1/twin.png", row=40, label="1", score=0.375, path="data/new/1/twin.png", contradicts="0/first.png",
    contradicts_label="0",
)  # fmt: skip  # data, read as a table
LEAKING = replace(ADDED, id="0/leak.png", row=41, path="data/new/0/leak.png", in_test=True)

CHANGED = replace(NOTHING, rows=601, changes=(ADDED,), removed=2)
FAILED = replace(
    NOTHING,
    rows=604,
    unchanged=599,
    changes=(SUSPECT, RELABELLED_SUSPECT, RELABELLED, ADDED, UNREADABLE),
    failures=("2 new suspects, 0 allowed",),
    notes=("guessed labels: column 'label'",),
)
COPIES = replace(
    NOTHING,
    rows=602,
    changes=(
        CONTRADICTING,
        LEAKING,
        replace(CONTRADICTING, id="1/ok.png", accepted=True),
        replace(LEAKING, id="0/ok.png", accepted=True),
    ),
    failures=("1 new row has a copy with another label", "1 new row is in the test set, too"),
)
ALLOWED = replace(FAILED, failures=())
FAILED_RELABELLED = replace(
    NOTHING, unchanged=599, changes=(RELABELLED,), failures=("1 row relabelled (--fail-on-relabelled)",)
)
ACCEPTED_ONLY = replace(NOTHING, rows=601, changes=(ACCEPTED,))

NAMES = (
    "a\nb\r\n::error::x",
    "]]><failure/>",
    "<script>alert(1)</script>",
    "| `code` | **bold** _it_ [link](http://evil.example) www.evil.example \\| \\",
    "@octocat #12 &amp; {0} {{1}}",
    "\x1b[31m\x00\x0b\x85\u2028\u202e\ufffe",
    "😀𝔘 100% a:b,c 'q' \"Q\"",
    "##[stop-commands]x",
    "  ",
    "- 1. ---",
)
HOSTILE = replace(
    FAILED,
    source=NAMES[0],
    baseline=NAMES[3],
    changes=tuple(
        replace(
            row, id=f"{number}{name}", label=name, old_label=None if row.old_label is None else name[::-1],
            suggested_label=name[::-1], path=f"dir/{name}", line=number + 1, problem=row.problem and name,
        )
        for number, name in enumerate(NAMES)
        for row in (SUSPECT, RELABELLED, ACCEPTED, UNREADABLE)
    ),
    failures=NAMES,
    notes=NAMES,
)  # fmt: skip  # data, read as a table


def many(count: int, fine_count: int | None = None) -> CheckResult:
    """That many suspects, and as many rows nothing is wrong with, or another number of them."""
    suspects = tuple(replace(SUSPECT, id=f"7/{number}.png", row=number) for number in range(count))
    fine = tuple(
        replace(ADDED, id=f"0/{number}.png", row=count + number)
        for number in range(count if fine_count is None else fine_count)
    )
    return replace(
        NOTHING, rows=len(suspects + fine), changes=suspects + fine, failures=(f"{count} new suspects, 0 allowed",)
    )
