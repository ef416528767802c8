"""A report, and whether some of its labels were found wrong → the report of the rest, without training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import logit

from labelaudit.config import AuditConfig
from labelaudit.data.dataset import NO_LABEL
from labelaudit.detection.promises import Precision
from labelaudit.detection.ranking import choose_suspects
from labelaudit.detection.refine import Refined, Rows, evidence_of, refine_scores
from labelaudit.detection.share import Share
from labelaudit.detection.share import Verdict as SaidVerdict
from labelaudit.report.build import noise_figures, pair_of, share_figures
from labelaudit.report.report import Report
from labelaudit.report.schema import REVIEWED
from labelaudit.report.spot_check import COLUMNS, Found, draw
from labelaudit.types import Floats

OF_SUGGESTION = ("similar", "terms_suggested")  # columns that are about the class that was suggested
_RIGHT, _WRONG = "reviewed: the label is right", "reviewed: the label is wrong"


@dataclass(frozen=True)
class Verdict:
    """What was found of a row's label.

    Attributes:
        wrong: Whether it is wrong.
        new_label: What it should be; None where that is not known, or no class.
    """

    wrong: bool
    new_label: str | None


def found_wrong(reason: str | None) -> bool:
    """Whether the reason of a reviewed row says that its label is wrong."""
    return reason == _WRONG


def recalibrate(
    report: Report, verdicts: Mapping[int, Verdict], *, list_wrong: bool, found: Found | None = None
) -> Report:
    """Re-estimate scores, ranking, suspects and the share of wrong labels by verdicts on some rows.

    Where the scores are not reliable, verdicts say nothing of other rows, and these stay as they are.

    Args:
        report: What an audit found.
        verdicts: By row; all of these rows are scored, and there is at least one.
        list_wrong: Whether rows whose label was found wrong are suspects, ranked first, with the new label suggested;
            else they are ranked last, for nothing is left to find in them. Those found right are last in any case.
        found: What the spot check says, whose range of the share counts.
    """
    frame = report.to_pandas()
    scored = np.flatnonzero(frame["rank"].notna())
    rows = np.array(sorted(verdicts), dtype=np.int64)
    wrong = np.array([verdicts[row].wrong for row in rows])
    places = np.searchsorted(scored, rows)
    refined: Refined | None = None
    if report.metadata["noise"]["doubt"] is None:
        said = _rows_of(frame.iloc[scored], report.metadata["classes"])
        refined = refine_scores(said, _share(report, said.score), places, wrong)
        if found is not None:
            refined = replace(refined, share=by_draw(refined.share, found, bool(wrong.any())))
        score, log_odds = refined.score, refined.log_odds
    else:
        score = frame["score"].to_numpy(dtype=np.float64)[scored]
        score[places] = wrong
        with np.errstate(divide="ignore"):
            log_odds = logit(score)
    config = AuditConfig.model_validate(report.metadata["config"])
    suspicion = log_odds if config.rank_by == "score" else -frame["influence"].to_numpy()[scored]
    group = np.ones(len(scored), dtype=np.int64)
    group[places] = np.where(wrong & list_wrong, 0, 2)
    order = np.lexsort((-suspicion, ~np.isposinf(log_odds), group))  # ties keep the input's order
    candidates = order[group[order] < 2]
    reliable = refined is not None and refined.share.verdict == "measured"
    chosen = choose_suspects(candidates, score, config.selection, reliable=reliable)
    chosen = np.union1d(chosen, np.flatnonzero(group == 0))
    table = _with_columns(report, frame, verdicts, scored, order, score, chosen)
    reviewed = {"right": int((~wrong).sum()), "wrong": int(wrong.sum())}
    # What is drawn from a refined report would not be decided on with the scan's, which all decisions are for.
    spot = draw(table.select(COLUMNS).to_pandas(), report.metadata["dataset_fingerprint"]) if list_wrong else []
    metadata = report.metadata | {"reviewed": reviewed, "spot_check": spot}
    if refined is not None:
        metadata["noise"] = _noise(report, frame.iloc[scored], refined, chosen, chosen[group[chosen] == 1])
    return Report(table, metadata, report.dataset)


def _share(report: Report, score: Floats) -> Share:
    """The share of wrong labels by the report and its scores (n,), whose mean is not said where it cannot tell."""
    noise = report.metadata["noise"]
    figures = {name: noise[name] for name in ("verdict", "seen", "disagreeing", "gain", "basis")}
    return Share(float(score.mean()), noise["rate_low"], noise["rate_high"], **figures)


def by_draw(share: Share, found: Found, any_wrong: bool) -> Share:
    """The share by a finished spot check; the scores only say where in its range it is."""
    point = min(max(share.point, found.low), found.high)
    verdict: SaidVerdict = "measured" if any_wrong else "none seen"
    return replace(share, point=point, low=found.low, high=found.high, basis="spot check", verdict=verdict)


def _rows_of(frame: pd.DataFrame, classes: Sequence[str]) -> Rows:
    index = {name: number for number, name in enumerate(classes)}
    p_label, loss, influence = (frame[name].to_numpy(dtype=np.float64) for name in ("p_label", "loss", "influence"))
    return Rows(
        score=frame["score"].to_numpy(dtype=np.float64),
        evidence=evidence_of(p_label, loss, influence),
        given=np.array([index[name] for name in frame["label"]], dtype=np.int64),
        suggested=np.array([index.get(name, NO_LABEL) for name in frame["suggested_label"]], dtype=np.int64),
    )


def _with_columns(
    report: Report,
    frame: pd.DataFrame,
    verdicts: Mapping[int, Verdict],
    scored: NDArray[np.int64],
    order: NDArray[np.int64],
    score: Floats,
    chosen: NDArray[np.int64],
) -> pa.Table:
    """The table with other verdicts, ranks, scores and suspects."""
    rank, suspect = np.empty(len(scored), dtype=np.int64), np.zeros(len(frame), dtype=np.bool_)
    rank[order] = np.arange(1, len(scored) + 1)
    suspect[scored[chosen]] = True
    table, classes = report.table, report.metadata["classes"]
    names = ("suggested_label", "status", "reason", *OF_SUGGESTION)
    cells: dict[str, list[Any]] = {name: table[name].to_pylist() for name in names}
    for row, verdict in verdicts.items():
        cells["status"][row], cells["reason"][row] = REVIEWED, _WRONG if verdict.wrong else _RIGHT
        if verdict.new_label in classes and verdict.new_label != cells["suggested_label"][row]:
            cells["suggested_label"][row] = verdict.new_label
            for name in OF_SUGGESTION:
                cells[name][row] = None
    columns = {
        "rank": _spread(rank, scored, len(frame), pa.int64()),
        "score": _spread(score, scored, len(frame), pa.float64()),
        "suspect": pa.array(suspect),
    } | {name: pa.array(values, table.schema.field(name).type) for name, values in cells.items()}
    for name, column in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(place), column)
    return table


def _spread(values: NDArray[Any], scored: NDArray[np.int64], rows: int, kind: pa.DataType) -> pa.Array:
    """A column of all rows, null where they are not scored."""
    column, missing = np.zeros(rows, dtype=values.dtype), np.full(rows, True)
    column[scored], missing[scored] = values, False
    return pa.array(column, kind, mask=missing)


def _noise(
    report: Report, scored: pd.DataFrame, refined: Refined, suspects: NDArray[np.int64], still_open: NDArray[np.int64]
) -> dict[str, Any]:
    """The estimates, in the form of `report.build`.

    Args:
        report: Before.
        scored: Its scored rows.
        refined: The new scores.
        suspects: Places of the suspects among the scored rows.
        still_open: Of those suspects that nobody has decided on.
    """
    share = refined.share
    pairs = []
    for pair in report.metadata["noise"]["pairs"]:
        given = (scored["label"] == pair["given"]).to_numpy()
        both = given & (scored["suggested_label"] == pair["true"]).to_numpy()
        rows = both if both.any() else given
        before = max(scored["score"].to_numpy()[rows].sum(), np.finfo(np.float64).tiny)
        pairs.append(pair_of(pair["given"], pair["true"], pair["rows"] * refined.score[rows].sum() / before, share))
    expected = _with_known(refined.precision(still_open), len(still_open), len(suspects))
    told = sorted((pair for pair in pairs if pair["rows"] >= 1), key=lambda pair: -pair["rows"])
    return share_figures(share) | noise_figures(told, expected, None)


def _with_known(expected: Precision | None, still_open: int, suspects: int) -> Precision | None:
    """The expected precision of a list of which the others were found wrong."""
    if suspects == 0:
        return None
    known = suspects - still_open
    parts = [0.0] * 3 if expected is None else [expected.mean, expected.low or 0.0, expected.high or 0.0]
    return Precision(*((known + part * still_open) / suspects for part in parts))
