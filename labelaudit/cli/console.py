"""Everything that is printed: results on stdout, progress, notes and errors on stderr.

On a terminal long lines are broken between words; in a pipe they stay whole, and so do paths of results anywhere.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from labelaudit.cli.spelling import spell_options
from labelaudit.cli.streams import Stream
from labelaudit.progress import Advance, NullProgress
from labelaudit.report.wording import (
    GOOD_RESULT,
    accuracy_in_words,
    copies_in_words,
    near_copies_in_words,
    outliers_in_words,
    precision_in_words,
    promises_in_words,
    share_in_words,
    with_deviation,
)
from labelaudit.units import format_bytes, format_count, format_duration, listed

if TYPE_CHECKING:
    from labelaudit.commands.scan_plan import ScanPlan

SHOWN_CLASSES = 6
TABLE_METRICS = {  # what fits 80 columns; metrics.json has the rest
    "average_precision": "average\nprecision",
    "auroc": "AUROC",
    "precision_at_k": "precision\nat k",
    "suggestion_accuracy": "suggestions\nright",
}


class _AllLeft(ProgressColumn):
    """The time left of all stages."""

    def __init__(self, end: float) -> None:
        super().__init__()
        self._end = end

    def render(self, task: Task) -> Text:
        """What is left now."""
        left = self._end - time.monotonic()
        return Text(f"of all {format_duration(left)}" if left > 0 else "", style="dim")


class Console:
    """Prints for people, or for scripts if `as_json`."""

    def __init__(self, quiet: bool, as_json: bool) -> None:
        self.as_json = as_json
        self._quiet = quiet or as_json
        self._end: float | None = None  # when all stages will be done
        self._out = Stream(highlight=False)
        self._err = Stream(stderr=True, highlight=False)

    def stage(self, name: str, total: int) -> AbstractContextManager[Advance]:
        """Show a bar with the time left, on a terminal; it is gone when the stage is done (see `Progress`)."""
        if self._quiet or not self._err.is_terminal:
            return NullProgress().stage(name, total)
        return self._bar(name, total)

    @contextmanager
    def _bar(self, name: str, total: int) -> Iterator[Advance]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left:"),
            TimeRemainingColumn(),
            *([] if self._end is None else [_AllLeft(self._end)]),
        )
        with Bars(*columns, console=self._err, transient=True) as bars:
            task = bars.add_task(name, total=total)
            yield lambda amount: bars.advance(task, amount)

    def time_left(self, seconds: float) -> None:
        """Show how long all stages to come take beside the next bars (see `ShowsTimeLeft`)."""
        self._end = time.monotonic() + seconds

    def note(self, text: str) -> None:
        """Something worth knowing that is no result."""
        if not self._quiet:
            said = printable(spell_options(text))
            self._err.print(Text(f"note: {said}"), style="dim", soft_wrap=not self._err.is_terminal)

    def error(self, text: str) -> None:
        """Why the run ends."""
        said = printable(spell_options(text))
        self._err.print(Text.assemble(("error: ", "bold red"), said), soft_wrap=not self._err.is_terminal)

    def traceback(self) -> None:
        """An error of ours."""
        self._err.print_exception()
        self.error("this is a defect of labelaudit; please report it with the lines above")

    def json(self, value: Any) -> None:
        """A result for scripts."""
        self._out.send(json.dumps(value, indent=2, allow_nan=False) + "\n")

    def summary(self, summary: dict[str, Any], metadata: dict[str, Any]) -> None:
        """What was audited, how, and the most suspect rows."""
        out = self._out
        source = metadata["source"]
        skipped = ", ".join(f"{count} {name}" for name, count in summary["status"].items() if name != "scored")
        out.print(
            Text.assemble(
                (printable(source["path"]), "bold"),
                f" · {source['kind']} · {format_count(summary['rows'], 'row')}",
                f" ({skipped})" if skipped else "",
                f" · {format_count(summary['classes'], 'class', 'classes')}",
            ),
            soft_wrap=not self._out.is_terminal,
        )
        out.print(Text(_how(metadata), style="dim"), soft_wrap=not self._out.is_terminal)
        scored = summary["status"].get("scored", 0)
        known = summary["known"]
        out.print()
        table = Table(
            title=f"The {len(summary['top'])} most suspect labels", title_justify="left", box=None, pad_edge=False
        )
        for name in (
            "rank",
            "row",
            "given",
            "suggested",
            *(("true",) if known else ()),
            "influence",
            "score",
            "suspect",
        ):
            table.add_column(
                name, justify="right" if name in ("rank", "influence", "score") else "left", overflow="fold"
            )
        for row in summary["top"]:
            cells = [str(row["rank"]), row["id"], row["label"], row["suggested_label"] or "–"]
            cells += [row["true_label"] or "–"] if known else []
            cells += [
                "–" if row["influence"] is None else f"{row['influence']:.2e}",
                f"{row['score']:.3f}",
                "yes" if row["suspect"] else "",
            ]
            table.add_row(*(Text(printable(cell)) for cell in cells))
        out.print(table)
        out.print()
        noise = summary["noise"]
        out.print(
            Text.assemble(
                (format_count(summary["suspects"], "suspect"), "bold"),
                f" among {format_count(scored, 'scored row')}",
                _expected(noise),
            ),
            soft_wrap=not self._out.is_terminal,
        )
        share = printable(spell_options(share_in_words(noise)))
        style = "yellow" if noise["verdict"] == "cannot tell" else ""
        out.print(Text(share, style=style), soft_wrap=not self._out.is_terminal)
        if noise["pairs"]:
            pairs = ", ".join(f"{pair['rows']:.0f} {pair['true']} called {pair['given']}" for pair in noise["pairs"])
            out.print(Text(f"Most often {printable(pairs)}"), soft_wrap=not self._out.is_terminal)
        out.print(Text(printable(accuracy_in_words(summary["accuracy"]))), soft_wrap=not self._out.is_terminal)
        if (advice := summary["accuracy"].get("advice")) is not None:
            said = printable(spell_options(advice))
            out.print(Text(said[0].upper() + said[1:], style="yellow"), soft_wrap=not self._out.is_terminal)
        copies = summary["copies"]
        for said in (*copies_in_words(copies), *near_copies_in_words(copies)):
            alarming = ("contradicting_groups", "in_test", "near_contradicting_groups", "near_in_test")
            style = "yellow" if any(copies[name] for name in alarming) else ""
            out.print(Text(printable(said), style=style), soft_wrap=not self._out.is_terminal)
        if (odd := outliers_in_words(summary["outliers"])) is not None:
            out.print(Text(printable(odd)), soft_wrap=not self._out.is_terminal)
        if known:
            wrong, found = known["wrong_labels"], known["found_among_as_many_first"]
            out.print(
                f"{found:,} of the {format_count(wrong, 'label')} known to be wrong are among the first {wrong:,}",
                soft_wrap=not self._out.is_terminal,
            )

    def plan(self, plan: ScanPlan) -> None:
        """What an audit will take, stage by stage."""
        out = self._out
        test = f", {plan.test_rows:,} in the test set" if plan.test_rows else ""
        classes = f"{format_count(len(plan.classes), 'class', 'classes')} ({listed(plan.classes, SHOWN_CLASSES)})"
        out.print(
            Text.assemble(
                (printable(plan.source), "bold"),
                f" · {plan.kind} · {format_count(plan.rows, 'row')}{test} · {printable(classes)}",
            ),
            soft_wrap=not self._out.is_terminal,
        )
        out.print(
            Text(
                f"{plan.model}, {_parameters(plan.parameters, plan.tracked)}, {plan.input} · "
                f"{format_count(plan.folds, 'fold')}, {format_count(plan.epochs, 'epoch')}, batch {plan.batch_size} · "
                f"{plan.device}",
                style="dim",
            ),
            soft_wrap=not self._out.is_terminal,
        )
        table = Table(box=None, pad_edge=False)
        for name in ("stage", "time", "memory", "disk"):
            table.add_column(name, justify="left" if name == "stage" else "right", no_wrap=True)
        for stage in plan.stages:
            disk = format_bytes(stage.disk) if stage.disk else "–"
            table.add_row(stage.name, format_duration(stage.seconds), format_bytes(stage.memory), disk)
        out.print(table)

    def metrics(self, result: dict[str, Any]) -> None:
        """The table of a flip test."""
        seeds, wrong = result["seeds"], result["wrong_labels"]
        counts = f"{min(wrong)}" if min(wrong) == max(wrong) else f"{min(wrong)} to {max(wrong)}"
        title = f"{counts} wrong labels in {format_count(result['rows'], 'row')}, {format_count(len(seeds), 'seed')}"
        title += ", mean ± std" if len(seeds) > 1 else ""
        table = Table(title=title, title_justify="left", box=None, pad_edge=False)
        table.add_column("ranked by", no_wrap=True)
        for name in TABLE_METRICS.values():
            table.add_column(name, justify="right", no_wrap=True)
        for method, metrics in result["summary"].items():
            cells = [with_deviation(metrics[m]) if m in metrics else "–" for m in TABLE_METRICS]
            table.add_row(method, *cells, style="bold" if method == "score" else None)
        self._out.print(table)
        for line in promises_in_words(
            result["summary"]["score"], len(seeds), planted=result["flips"]["rate"] is not None
        ):
            self._out.print(Text(line), soft_wrap=not self._out.is_terminal)
        self._out.print(Text(GOOD_RESULT, style="dim"), soft_wrap=not self._out.is_terminal)

    def reproduction(self, result: dict[str, Any]) -> None:
        """Our figures beside the paper's."""
        seeds = result["seeds"]
        self._out.print(Text(result["title"], style="bold"), soft_wrap=not self._out.is_terminal)
        count = f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds)} seeds ({seeds[0]} to {seeds[-1]})"
        seconds = result["seconds_of_all_seeds"]
        self._out.print(
            Text(f"{count}, mean ± std · {result['machine']} · {seconds:g} s of work"),
            soft_wrap=not self._out.is_terminal,
        )
        table = Table(box=None, pad_edge=False)
        table.add_column("", overflow="fold")
        for name in ("paper", "original setting", "our setting"):
            table.add_column(name, justify="right", no_wrap=True)
        for cell in result["cells"]:
            columns = [cell["paper"], *(cell["settings"].get(s, {}).get("figures", {}) for s in ("original", "ours"))]
            table.add_row(Text(printable(cell["cell"]), style="bold"))
            for figure in dict.fromkeys(name for column in columns for name in column):
                table.add_row(f"  {figure}", *(_figure(column.get(figure)) for column in columns))
        self._out.print(table)
        for note in result["notes"]:
            self._out.print(Text(note, style="dim"), soft_wrap=not self._out.is_terminal)

    def raw(self, text: str) -> None:
        """A document of its own form, which may be for a machine."""
        self._out.send(text)

    def written(self, text: str) -> None:
        """Where the results are."""
        self._out.print(Text(printable(text)), soft_wrap=True)


def _parameters(number: int, tracked: int) -> str:
    return f"{number:,} parameters" + (f" (influence goes through {tracked:,})" if tracked < number else "")


def _how(metadata: dict[str, Any]) -> str:
    """The network, its training and the query; where nothing was trained, by what labels were judged."""
    training, query = metadata["training"], printable(metadata["query"]["rows"])
    if not metadata["parameters"]:
        return f"{metadata['model']} · {query}"
    return (
        f"{metadata['model']}, {_parameters(metadata['parameters'], metadata['tracked_parameters'])}, "
        f"{metadata['input']} · {format_count(training['epochs'], 'epoch')}, batch {training['batch_size']}, "
        f"learning rate {training['learning_rate']:g} · query: {query}"
    )


def _expected(noise: dict[str, Any]) -> str:
    expected = noise["expected_precision"]
    if expected is None:
        return ""
    return f", of which {precision_in_words(expected)}"


def _figure(value: dict[str, float] | None) -> str:
    if value is None:
        return "–"
    return with_deviation(value, digits=2 if abs(value["mean"]) >= 2 else 3)


def printable(text: str) -> str:
    """Text without anything that could move the cursor or colour the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
