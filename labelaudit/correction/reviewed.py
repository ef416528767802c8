"""Labels that people have reviewed: decisions made with an earlier report, matched with the rows as they are now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labelaudit.correction.decisions import DROP, decision_lines, stated_label
from labelaudit.correction.group_decisions import GROUP_DECISIONS, check_group_label
from labelaudit.errors import InputError
from labelaudit.report.recalibrated import Verdict, found_wrong
from labelaudit.report.report import Report
from labelaudit.report.schema import REVIEWED
from labelaudit.types import Hashes
from labelaudit.units import format_count

_KEPT, _WRONG = "keep", DROP  # what stands for a verdict that a report keeps


@dataclass(frozen=True)
class Review:
    """A decision on a row as it was at the time.

    Attributes:
        where: File and line, or which report.
        id: The row's id.
        label: Its label; None if that is not said.
        content_hash: The hash of its content; None if that is not said.
        decision: The word.
        new_label: The label that it is to have; None if that is its own, or not said.
    """

    where: str
    id: str
    label: str | None
    content_hash: str | None
    decision: str
    new_label: str | None


@dataclass(frozen=True)
class ReviewableRows:
    """The rows of a dataset as they are now.

    Attributes:
        source: The dataset, as the user named it.
        ids: Their ids.
        labels: Their labels, None where there is none.
        hashes: Content hashes.
        renamed: Class names that have changed: the name now → the one in `labels`.
    """

    source: str
    ids: Sequence[str]
    labels: Sequence[str | None]
    hashes: Hashes
    renamed: Mapping[str, str]

    def name(self, label: str | None) -> str | None:
        """A label as `labels` has it."""
        return None if label is None else self.renamed.get(label, label)


def read_reviews(paths: Sequence[Path]) -> list[Review]:
    """Read decisions without the report that they were made with.

    Raises:
        InputError: A file cannot be read, holds no decision, decides twice about a row, or contradicts itself.
    """
    reviews: list[Review] = []
    for path in paths:
        lines: dict[str, int] = {}
        for line, cells in decision_lines(path, "reviewed"):
            where, row_id = f"{path}, line {line}", cells["id"]
            if row_id in lines:
                raise InputError(
                    f"{path} decides twice about {row_id!r}, in lines {lines[row_id]} and {line}: leave one of them"
                )
            lines[row_id] = line
            decision = cells["decision"].strip().lower()
            if decision in GROUP_DECISIONS:
                new_label = check_group_label(decision, cells.get("new_label", ""), row_id, where)
                if new_label is None:  # that copies are dropped says nothing of labels
                    continue
                decision = "relabel"
            else:
                new_label = stated_label(decision, cells.get("new_label", ""), row_id, where)
            label = cells.get("label") or None
            if decision == "accept" and new_label is None and label is None:
                raise InputError(
                    f"{where}: neither label nor new_label says what was accepted for {row_id!r}; give the file that "
                    "report.html exports, or that `apply` writes beside the copy"
                )
            reviews.append(Review(where, row_id, label, cells.get("content_hash") or None, decision, new_label))
        if not lines:
            raise InputError(f"{path} holds no decision", option="reviewed")
    return reviews


def reviews_in(report: Report) -> list[Review]:
    """The reviewed rows that a report knows of."""
    names = ("id", "label", "content_hash", "status", "reason")
    rows = report.table.select(names).to_pylist()
    return [
        Review("the report", row["id"], row["label"], row["content_hash"], _WRONG if wrong else _KEPT, None)
        for row in rows
        if row["status"] == REVIEWED
        for wrong in (found_wrong(row["reason"]),)
    ]


def match_reviews(
    stored: Sequence[Review], given: Sequence[Review], rows: ReviewableRows, truth: Sequence[str | None] | None = None
) -> tuple[dict[int, Verdict], list[str]]:
    """What the reviews say of the rows' labels as they are now.

    A row is found by its id, and has the content that it had; or else by its content alone, as a file that was moved.

    Args:
        stored: Of an earlier report; where a given one is about the same row, that one counts.
        given: The user's own.
        rows: The rows.
        truth: True labels where they are known.

    Returns:
        The verdict on each row that has one; and what the user should know.

    Raises:
        InputError: The given ones are about none of the rows, contradict each other or labels known to be true.
    """
    matched, notes = _Matching(rows), []
    for review in given:
        matched.add(review)
    if given and not matched.places:
        raise InputError(
            f"none of the {format_count(len(given), 'decision')} is about a row of {rows.source}, the first is about "
            f"{given[0].id!r} ({given[0].where}): were they made for other data?",
            option="reviewed",
        )
    if truth is not None:
        _check_truth(matched, rows, truth)
    notes = matched.notes()
    earlier = _Matching(rows)
    for review in stored:
        earlier.add(review)
    return earlier.verdicts | matched.verdicts, notes


class _Matching:
    """Verdicts, review by review, and what became of the others."""

    def __init__(self, rows: ReviewableRows) -> None:
        self._rows = rows
        self._by_id = {row_id: row for row, row_id in enumerate(rows.ids)}
        self._by_hash: dict[str, list[int]] = {}
        for row, content in enumerate(rows.hashes[: len(rows.ids)]):
            if content is not None:
                self._by_hash.setdefault(content, []).append(row)
        self.places: dict[int, Review] = {}  # the review of each row that has one
        self.verdicts: dict[int, Verdict] = {}
        self._left: dict[str, list[str]] = {}  # what is to be said → an example of each

    def add(self, review: Review) -> None:
        """Take one more review into account."""
        row, why_not = self._row_of(review)
        if row is None:
            self._leave(why_not, f"{review.id!r} ({review.where})")
            return
        before = self.verdicts.get(row)
        first = self.places.setdefault(row, review)
        verdict = self._verdict(review, row)
        if verdict is None:
            return
        if before is not None and before.wrong != verdict.wrong:
            raise InputError(
                f"{first.where} and {review.where} contradict each other about {review.id!r} ({first.decision}, "
                f"{review.decision}): leave one of them"
            )
        self.verdicts[row] = verdict

    def _row_of(self, review: Review) -> tuple[int | None, str]:
        row, content = self._by_id.get(review.id), review.content_hash
        changed = row is not None and content is not None and self._rows.hashes[row] != content
        if row is not None and not changed:
            return row, ""
        same = self._by_hash.get(content or "", [])
        if len(same) == 1:
            return same[0], ""
        if changed:
            return None, "about rows that have other content now, which are judged anew"
        return None, f"about rows that are not in {self._rows.source}"

    def _verdict(self, review: Review, row: int) -> Verdict | None:
        """Whether the label that a row has now was found wrong; None if that was left open, or it is another one."""
        now, then, new = self._rows.labels[row], self._rows.name(review.label), self._rows.name(review.new_label)
        if review.decision == "unsure":
            self._leave("unsure, which leaves the label to be judged", repr(review.id))
            return None
        if new is not None and new == now:
            return Verdict(wrong=False, new_label=None)
        if then is not None and then != now:
            self._leave(
                "about labels that have changed since, which are judged anew",
                f"{review.id!r} (was {review.label!r}, is {now!r})",
            )
            return None
        if then is None:
            self._leave("without the label they are about, and count for the one that the row has now", repr(review.id))
        return Verdict(wrong=review.decision != _KEPT, new_label=new)

    def _leave(self, why: str, example: str) -> None:
        self._left.setdefault(why, []).append(example)

    def notes(self) -> list[str]:
        """What became of decisions that were not simply taken, a line for each kind."""
        return [
            f"{format_count(len(examples), 'decision')} {'is' if len(examples) == 1 else 'are'} {why}: for example "
            f"{examples[0]}"
            for why, examples in self._left.items()
        ]


def _check_truth(matched: _Matching, rows: ReviewableRows, truth: Sequence[str | None]) -> None:
    """Refuse decisions that contradict labels known to be true."""
    for row, verdict in matched.verdicts.items():
        true, now = truth[row], rows.labels[row]
        said = verdict.new_label if verdict.wrong else now
        if true is not None and (said != true if said is not None else now == true):
            review = matched.places[row]
            raise InputError(
                f"{review.where}: {review.decision} contradicts the label of {review.id!r} that is known to be true, "
                f"{true!r}: correct one of them",
                option="reviewed",
            )
