"""`refine`: which decisions count, what the new report says, and every input that cannot be used."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from labelaudit import InputError, Report, refine
from labelaudit.cli.app import app
from labelaudit.cli.refine import what_changed
from labelaudit.commands.apply import apply_decisions
from labelaudit.detection.spot_check import Looked, share_wrong
from labelaudit.report.html import render_html
from labelaudit.report.schema import SCHEMA
from labelaudit.report.spot_check import draw
from labelaudit.report.wording import range_in_words, share_in_words
from tests.support.reports import decisions_of, learnt_nothing, noise_of, report_of

ROWS = 60


def changed(report, **columns):
    table = report.table
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, SCHEMA.field(name), pa.array(values, SCHEMA.field(name).type))
    return dataclasses.replace(report, table=table)


@pytest.fixture
def report(tmp_path):
    """60 rows of two classes, the first 40 of them suspects; scores fall from .99 by .016."""
    lines = ["id,text,label", *(f"r{row},some words {row},{'xy'[row % 2]}" for row in range(ROWS))]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    plain = report_of(tmp_path / "t.csv", {f"r{row}": "yx"[row % 2] for row in range(40)})
    score = 0.99 - 0.016 * np.arange(ROWS)
    plain.metadata["training"] |= {"epochs": 3, "batch_size": 32, "learning_rate": 0.01}
    plain.metadata["noise"] |= noise_of(float(score.mean()), 0.4, 0.6)
    return changed(plain, score=score, suspect=np.arange(ROWS) < 40, p_label=1 - score, loss=-np.log(1.0001 - score))


def decide(tmp_path, *lines, name="d.csv"):
    return decisions_of(tmp_path / name, *lines)


def test_decided_rows_are_known_and_ranked_last(report, tmp_path):
    path = decide(
        tmp_path,
        ("r0", "keep", ""),
        ("r1", "accept", ""),
        ("r2", "relabel", "z"),
        ("r3", "drop", ""),
        ("r4", "unsure", ""),
        ("r5", "relabel", "y"),
        ("r50", "relabel", "y"),
    )
    refined = refine(report, path)
    assert (refined.wrong, refined.right, refined.unused, refined.decided_suspects) == (4, 2, 1, 5)
    assert refined.decisions == {"keep": 1, "accept": 1, "relabel": 3, "drop": 1, "unsure": 1}
    frame = refined.report.to_pandas()
    # r5 is called y already: that says its label is right
    assert frame["score"][[0, 1, 2, 3, 5, 50]].tolist() == [0, 1, 1, 1, 0, 1]
    assert frame["rank"][[1, 2, 3, 50, 0, 5]].tolist() == [55, 56, 57, 58, 59, 60]
    assert not frame["suspect"][[0, 1, 2, 3, 5, 50]].any()
    rest = frame.drop([0, 1, 2, 3, 5, 50])
    assert sorted(rest["rank"]) == list(range(1, 55))
    assert (np.diff(rest.sort_values("rank")["score"]) <= 0).all()
    assert (rest["suspect"] == (rest["score"] > 0.5)).all()
    assert ((rest["score"] > 0) & (rest["score"] < 1)).all()
    assert frame["status"][[0, 1, 2, 3, 4, 5]].tolist() == ["reviewed"] * 4 + ["scored", "reviewed"]
    assert frame["reason"][[0, 1]].tolist() == ["reviewed: the label is right", "reviewed: the label is wrong"]
    unchanged = ["id", "row", "label", "influence", "loss", "p_label", "true_label", "content_hash"]
    assert frame[unchanged].equals(report.to_pandas()[unchanged])


def test_what_changed_is_said(report, tmp_path):
    path = decide(tmp_path, *((f"r{row}", "keep", "") for row in range(0, 40, 2)))
    refined = refine(report, path)
    noise = refined.report.metadata["noise"]
    assert refined.before["rate"] == report.metadata["noise"]["rate"]
    assert refined.before["suspects"] == 40
    assert refined.after["rate"] == noise["rate"] < refined.before["rate"]
    assert noise["rate_low"] <= noise["rate"] <= noise["rate_high"]
    frame = refined.report.to_pandas()
    assert noise["rate"] == pytest.approx(frame["score"].mean())
    expected = noise["expected_precision"]
    if frame["suspect"].any():
        assert expected["mean"] == pytest.approx(frame["score"][frame["suspect"]].mean())
        assert 0 <= expected["low"] <= expected["mean"] <= expected["high"] <= 1
    assert refined.after["suspects"] == frame["suspect"].sum() < 20
    assert refined.report.metadata["refined"] == {"decisions": 20, "wrong": 0, "before": refined.before}


def test_the_command_prints_each_figure_before_and_after(report, tmp_path):
    report.save(tmp_path / "scan" / "report.parquet")
    path = decide(tmp_path, *((f"r{row}", "keep", "") for row in range(0, 40, 2)))
    out = tmp_path / "refined"
    result = CliRunner().invoke(app, ["refine", str(tmp_path / "scan"), "--decisions", str(path), "--out", str(out)])
    assert result.exit_code == 0, result.output
    left = Report.load(out)
    assert result.stdout.splitlines() == [
        "20 decisions used: 0 wrong, 20 right",
        f"Wrong labels: 40.0% to 60.0% → {range_in_words(left.metadata['noise'])}",
        "Suspects: 40 (20 of them decided on) → 0 left",
        "Expected to be wrong of them: – → –",
        f"Report: {out / 'report.html'}",
    ]


def test_the_new_report_is_a_report(report, tmp_path):
    path = decide(tmp_path, ("r0", "accept", ""), ("r1", "keep", ""), ("r2", "accept", ""))
    refined = refine(report, path).report
    refined.save(tmp_path / "refined" / "report.parquet")
    loaded = Report.load(tmp_path / "refined")
    assert loaded.metadata == refined.metadata
    assert loaded.table.equals(refined.table.replace_schema_metadata(loaded.table.schema.metadata))
    assert "Refined by 3 decisions." in render_html(loaded, loaded.reopen())
    out = tmp_path / "corrected.csv"
    assert len(apply_decisions(loaded, path, out).changes) == 2
    with pytest.raises(InputError, match="refined already"):
        refine(loaded, path)


def test_several_files_count_as_one(report, tmp_path):
    first = decide(tmp_path, ("r0", "accept", ""), ("r1", "keep", ""), name="a.csv")
    second = decide(tmp_path, ("r1", "keep", ""), ("r2", "drop", ""), name="b.csv")
    both = decide(tmp_path, ("r0", "accept", ""), ("r1", "keep", ""), ("r2", "drop", ""), name="c.csv")
    apart, together = refine(report, [first, second]), refine(report, both)
    assert apart.report.table.equals(together.report.table)
    assert apart.to_json() == together.to_json()
    other = decide(tmp_path, ("r1", "accept", ""), name="e.csv")
    with pytest.raises(InputError, match=r"a\.csv and .*e\.csv decide differently about 'r1' \(keep, accept\)"):
        refine(report, [first, other])


def test_aims_hold_for_the_rest(report, tmp_path):
    path = decide(tmp_path, ("r0", "accept", ""), ("r7", "keep", ""))
    report.metadata["config"]["selection"]["budget"] = 3
    report.metadata["config"]["rank_by"] = "influence"
    influence = np.arange(ROWS, dtype=np.float64) - 100
    refined = refine(changed(report, influence=influence), path).report.to_pandas()
    assert refined.sort_values("rank")["id"].head(3).tolist() == ["r1", "r2", "r3"]
    assert refined["id"][refined["suspect"]].tolist() == ["r1", "r2", "r3"]


def drawn(report):
    """The report with its spot check, and the ids that each stratum has drawn."""
    report.metadata["spot_check"] = draw(report.to_pandas(), report.metadata["dataset_fingerprint"])
    return [[f"r{row}" for row in part["drawn"]] for part in report.metadata["spot_check"]]


def test_a_finished_spot_check_of_the_list_has_its_bound(report, tmp_path):
    spot = drawn(report)[0]
    assert set(spot) <= {f"r{row}" for row in range(40)}
    decided = [(name, "accept", "") for name in spot[:27]] + [(name, "keep", "") for name in spot[27:29]]
    assert refine(report, decide(tmp_path, *decided)).spot_check is None
    found = refine(report, decide(tmp_path, *decided, (spot[29], "unsure", ""), ("r59", "keep", ""))).spot_check
    assert (found.wrong, found.checked, found.unsure, found.suspects) == (27, 30, 1, 40)
    assert f"{found.at_least:.3f}" == "0.761"
    assert (found.rows, found.share) == (0, None)  # the other strata are not looked at


def test_a_list_that_is_checked_to_the_end_has_its_share(report, tmp_path):
    few = changed(report, suspect=np.arange(ROWS) < 4)
    drawn(few)
    path = decide(tmp_path, *((f"r{row}", "accept", "") for row in range(3)), ("r3", "keep", ""))
    assert refine(few, path).spot_check.at_least == 0.75


def test_a_spot_check_of_all_strata_says_the_share(report, tmp_path):
    """Four of each stratum's drawn rows are wrong; what is decided on beside the draw counts for itself alone."""
    few = changed(report, suspect=np.arange(ROWS) < 30)
    strata = drawn(few)
    first = [part["first"] for part in few.metadata["spot_check"]]
    assert sum(first) == 30
    assert first[2] == 0  # as many doubtful rows as suspects: all others
    decided = [
        (name, "drop" if at < 4 else "keep", "")
        for names, count in zip(strata, first, strict=True)
        for at, name in enumerate(names[:count])
    ]
    refined = refine(few, decide(tmp_path, *decided))
    looked = [Looked(30, wrong=4, right=count - 4) for count in first[:2]]
    share, low, high = share_wrong(looked)
    spot, noise = refined.spot_check, refined.report.metadata["noise"]
    assert (spot.rows, spot.share, spot.low, spot.high) == (30, share, low, high)
    assert (noise["rate_low"], noise["rate_high"], noise["basis"]) == (low, high, "spot check")
    assert low <= noise["rate"] <= high
    assert noise["verdict"] == "measured"
    assert "by the rows that were drawn at random and decided on" in share_in_words(noise)
    assert (
        f"by all 30 rows drawn, {low:.1%} to {high:.1%} of the labels are wrong (90% range" in what_changed(refined)[-1]
    )
    far = strata[0][first[0] + 1]  # not the next of the draw, so it was chosen
    further = refine(few, decide(tmp_path, *decided, (far, "drop", ""))).spot_check
    looked[0] = Looked(30, wrong=4, right=first[0] - 4, others_wrong=1)
    assert further.share == pytest.approx(share_wrong(looked)[0])
    near = strata[0][first[0]]
    assert refine(few, decide(tmp_path, *decided, (near, "keep", ""))).spot_check.rows == 31
    unfinished = refine(few, decide(tmp_path, *decided[1:]))
    assert unfinished.report.metadata["noise"]["basis"] == "decisions"
    assert refined.report.metadata["spot_check"] == []


def test_a_spot_check_that_finds_nothing_says_so(report, tmp_path):
    strata = drawn(report)
    decided = [
        (name, "keep", "")
        for names, part in zip(strata, report.metadata["spot_check"], strict=True)
        for name in names[: part["first"]]
    ]
    noise = refine(report, decide(tmp_path, *decided)).report.metadata["noise"]
    assert (noise["verdict"], noise["rate_low"]) == ("none seen", pytest.approx(0, abs=0.005))
    assert 0.01 < noise["rate_high"] < 0.1


def test_a_spot_check_that_is_not_that_of_the_rows_is_refused(report, tmp_path):
    drawn(report)
    with pytest.raises(InputError, match="spot check in the report's metadata is not that of its rows"):
        refine(changed(report, suspect=np.arange(ROWS) < 39), decide(tmp_path, ("r0", "keep", "")))


def test_rows_that_were_not_scored_stay_so(report, tmp_path):
    nulls = {name: report.table[name].to_pylist() for name in ("score", "rank", "influence", "loss", "status")}
    for name, value in (("score", None), ("rank", None), ("influence", None), ("loss", None), ("status", "unreadable")):
        nulls[name][59] = value
    refined = refine(changed(report, **nulls), decide(tmp_path, ("r59", "keep", ""), ("r0", "keep", "")))
    assert (refined.right, refined.unused) == (1, 1)
    row = refined.report.table.slice(59, 1).to_pylist()[0]
    assert (row["score"], row["rank"], row["suspect"], row["status"]) == (None, None, False, "unreadable")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "no decision in .*d.csv"),
        ([("r0", "unsure", "")], "none of the 1 decisions says whether the label of a scored row is right"),
        ([("r0", "keep", ""), ("r0", "keep", "")], "decides twice about 'r0'"),
        ([("q", "keep", "")], "was it made with another report"),
        ([("r0", "perhaps", "")], "none of accept, keep, unsure, relabel, drop"),
        ([("r0", "drop", "x")], "drop leaves 'r0' its label, but new_label is 'x'"),
    ],
)
def test_decisions_that_cannot_be_used(report, tmp_path, lines, message):
    with pytest.raises(InputError, match=message):
        refine(report, decide(tmp_path, *lines))


def test_decisions_for_another_label_are_refused(report, tmp_path):
    path = decisions_of(tmp_path / "d.csv", ("r0", "y", "keep"), head=("id", "label", "decision"))
    with pytest.raises(InputError, match="made with another report"):
        refine(report, path)


@pytest.mark.parametrize("line", [("r0", "accept", ""), ("r1", "keep", ""), ("r1", "drop", ""), ("r1", "relabel", "z")])
def test_decisions_that_contradict_the_truth_are_refused(report, tmp_path, line):
    true = [None] * ROWS
    true[:2] = ["x", "x"]
    known = changed(
        report, true_label=true, is_flipped=[None if name is None else row == 1 for row, name in enumerate(true)]
    )
    assert refine(known, decide(tmp_path, ("r0", "keep", ""), ("r1", "accept", ""))).wrong == 1
    with pytest.raises(InputError, match=f"{line[0]!r} \\({line[1]}, but its true label is 'x'\\)"):
        refine(known, decide(tmp_path, line))


def test_scores_that_say_nothing_cannot_be_refined(report, tmp_path):
    report.metadata["noise"] |= learnt_nothing("the network learnt nothing")
    with pytest.raises(InputError, match=r"the network learnt nothing$"):
        refine(report, decide(tmp_path, ("r0", "keep", "")))
    first = zip(drawn(report), (part["first"] for part in report.metadata["spot_check"]), strict=True)
    spot = [(name, "keep", "") for names, count in first for name in names[:count]]
    with pytest.raises(
        InputError, match=r"The spot check holds all the same: 0\.0% to \d+\.\d% of the labels are wrong"
    ):
        refine(report, decide(tmp_path, *spot))


def test_one_decision_is_enough(report, tmp_path):
    refined = refine(report, decide(tmp_path, ("r30", "keep", "")))
    assert abs(refined.after["rate"] - refined.before["rate"]) < 0.1
