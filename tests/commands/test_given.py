"""`scan` with probabilities of the user's own: from labels to a report and a corrected copy, without training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from typer.testing import CliRunner

from labelaudit import InputError, Report, scan
from labelaudit.cli.app import app
from labelaudit.commands.apply import apply_decisions
from labelaudit.detection.calibration import log_softmax
from labelaudit.detection.noise import estimate_noise
from labelaudit.detection.posterior import Evidence, label_posterior
from tests.support.progress import Notes
from tests.support.reports import decisions_of

CLASSES = ["bird", "cat", "dog"]
ROWS = 400


@pytest.fixture(scope="module")
def made():
    """Labels of which 40 are wrong, and probabilities of a network that did not see them."""
    draw = np.random.default_rng(0)
    true = np.arange(ROWS) % 3
    given = true.copy()
    given[:40] = (given[:40] + 1 + draw.integers(0, 2, 40)) % 3
    p = softmax(4 * np.eye(3)[true] + 1.2 * draw.normal(size=(ROWS, 3)), axis=1)
    return (
        pd.DataFrame({"id": [f"r{row}" for row in range(ROWS)], "label": [CLASSES[c] for c in given]}),
        p,
        true,
        given,
    )


def table_of(p):
    return pd.DataFrame(p, columns=CLASSES)


def test_labels_are_judged_as_by_the_estimator_alone(made):
    frame, p, true, given = made
    report = scan(frame, pred_probs=table_of(p))
    evidence = log_softmax(np.log(p))
    noise = estimate_noise(evidence, given)
    posterior = label_posterior(Evidence(evidence, 1.0), [], given, noise)
    table = report.to_pandas()
    assert table["score"].to_numpy() == pytest.approx(1 - posterior[np.arange(ROWS), given])
    assert table["p_label"].to_numpy() == pytest.approx(p[np.arange(ROWS), given])
    assert report.noise.verdict == "measured"
    assert report.noise.rate_low < 0.1 < report.noise.rate_high
    assert (true != given)[table["suspect"]].mean() > 0.8
    assert table["influence"].isna().all()
    assert table["loss"].isna().all()
    assert report.metadata["model"] == "given probabilities"
    assert report.metadata["query"]["rows"] == "your probabilities: nothing was trained"


def test_of_several_views_the_geometric_mean_counts(made):
    frame, p, *_ = made
    other = softmax(np.log(p) * 0.5 + np.random.default_rng(1).normal(size=p.shape) / 2, axis=1)
    both = scan(frame, pred_probs=[table_of(p), table_of(other)])
    mean = scan(frame, pred_probs=table_of(softmax((np.log(p) + np.log(other)) / 2, axis=1)))
    assert both.table["score"].to_numpy() == pytest.approx(mean.table["score"].to_numpy(), abs=1e-6)


def test_a_row_without_a_label_gets_one_suggested(made):
    frame, p, *_ = made
    missing = frame.copy()
    missing.loc[7, "label"] = None
    table = scan(missing, pred_probs=table_of(p)).to_pandas()
    assert table["status"][7] == "unlabelled"
    assert table["suggested_label"][7] == CLASSES[p[7].argmax()]
    assert table["p_suggested"][7] == pytest.approx(p[7].max())


def test_from_labels_alone_to_a_corrected_copy(made, tmp_path, monkeypatch):
    """The ids are names of images that are not there: only ids and labels are read, and said to be."""
    frame, p, *_ = made
    monkeypatch.chdir(tmp_path)
    frame = frame.assign(id=frame["id"] + ".png")
    frame.to_csv("labels.csv", index=False)
    table_of(p).assign(id=frame["id"]).sample(frac=1, random_state=0).to_csv("p.csv", index=False)
    result = CliRunner().invoke(app, ["scan", "labels.csv", "--pred-probs", "p.csv", "--json", "--out", "r"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["noise"]["verdict"] == "measured"
    report = Report.load("r")
    first = report.ranked().iloc[0]
    page = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    assert first["id"] in page
    assert "given probabilities" in page
    decisions_of(tmp_path / "d.csv", (first["id"], "accept", ""))
    apply_decisions(report, Path("d.csv"), Path("fixed.csv"))
    fixed = pd.read_csv("fixed.csv")
    assert fixed.loc[fixed["id"] == first["id"], "label"].tolist() == [first["suggested_label"]]
    assert (fixed["label"] != frame["label"]).sum() == 1
    text = CliRunner().invoke(app, ["scan", "labels.csv", "--pred-probs", "p.csv", "--out", "again"])
    assert "given probabilities · your probabilities: nothing was trained" in text.stdout
    assert "note: only ids and labels are read, for labels.csv names 400 image files that are not below" in text.stderr
    again = CliRunner().invoke(app, ["report", "r"])
    assert again.exit_code == 0


def test_what_would_be_ignored_is_refused(made):
    frame, p, *_ = made
    given = {"epochs": 3, "model": "lr", "rank_by": "influence", "folds": "3", "test_fraction": 0.2, "test": frame}
    for name, value in (given | {"save_probabilities": True}).items():
        with pytest.raises(InputError, match=f"nothing is trained, so that `{name}` would mean nothing"):
            scan(frame, pred_probs=table_of(p), **{name: value})
    with pytest.raises(InputError, match="nothing beside its labels and ids"):
        scan(frame)


def test_probabilities_that_say_nothing_make_no_list(made):
    frame, *_ = made
    draw, progress = np.random.default_rng(0), Notes()
    report = scan(frame, pred_probs=table_of(draw.dirichlet(np.ones(3), ROWS)), progress=progress)
    assert report.noise.verdict == "cannot tell"
    assert not report.suspects()["suspect"].any()
    assert "the network learnt nothing" in progress.notes[-1]
