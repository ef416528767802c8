"""What the networks say of rows once the folds are done."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import make_blobs

from labelaudit import Report, scan
from labelaudit.audit.afterwards import TERMS
from tests.support.progress import Notes


@pytest.fixture(scope="module")
def blobs() -> tuple[np.ndarray, list[str | None]]:
    """Two blobs, whose first four rows have no label and whose fifth has a wrong one."""
    values, truth = make_blobs(120, centers=[[-3, 0], [3, 0]], random_state=0)
    labels: list[str | None] = ["right" if number else "left" for number in truth]
    labels[:4] = [None] * 4
    labels[4] = "left" if truth[4] else "right"
    return values, labels


def test_rows_without_a_label_get_a_suggestion_with_its_probability(blobs, tmp_path):
    values, labels = blobs
    report = scan(values, labels, epochs=20)
    frame = report.to_pandas()
    assert frame["status"][:4].tolist() == ["unlabelled"] * 4
    assert frame["suggested_label"][:4].tolist() == ["right" if x > 0 else "left" for x in values[:4, 0]]
    assert (frame["p_suggested"][:4] > 0.6).all()
    assert frame["p_suggested"][4:].isna().all()
    assert frame["score"][:4].isna().all()
    report.save(tmp_path / "report.parquet")
    assert Report.load(tmp_path).table.equals(report.table)
    report.save(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"row-0: {frame['suggested_label'][0]}" in page


def test_probabilities_are_those_of_networks_that_did_not_train_on_the_row(blobs):
    values, labels = blobs
    report = scan(values, labels, epochs=20, save_probabilities=True)
    found, frame = report.probabilities, report.to_pandas()
    assert list(found.columns) == ["id", "label", "status", "p(left)", "p(right)"]
    assert found[["p(left)", "p(right)"]].sum(axis=1).to_numpy() == pytest.approx(np.ones(120))
    own = np.where(found["label"] == "left", found["p(left)"], found["p(right)"])[4:]
    assert own == pytest.approx(frame["p_label"][4:].to_numpy(dtype=float))
    suggested = np.where(frame["suggested_label"] == "left", found["p(left)"], found["p(right)"])[:4]
    assert suggested == pytest.approx(frame["p_suggested"][:4].to_numpy(dtype=float))
    assert scan(values, labels, epochs=1).probabilities is None


def test_rows_that_every_network_knows_have_no_probabilities(blobs):
    values, labels = blobs
    notes = Notes()
    report = scan(values, labels, test_fraction=0.25, epochs=5, save_probabilities=True, progress=notes)
    without = report.probabilities["p(left)"].isna()
    assert without[4:].all()
    assert not without[:4].any()
    assert any("rows that were trained on have no probabilities" in note for note in notes.notes)


def test_the_words_that_speak_for_each_class_are_named():
    """A text of the other class's words: they speak for that class, and the one of its own for its own."""
    draw = np.random.default_rng(0)
    words = {"sea": ["wave", "ship", "tide", "sail"], "land": ["hill", "road", "tree", "barn"]}
    texts = [" ".join(draw.choice(words[name], 6)) for name in ["sea", "land"] * 40]
    texts[0] = "hill road tree wave"
    report = scan(pd.Series(texts), ["sea", "land"] * 40, text_encoding="words", epochs=20, budget=5)
    row = report.to_pandas().iloc[0]
    assert row["suggested_label"] == "land"
    assert set(row["terms_suggested"]) == {"hill", "road", "tree"}
    assert list(row["terms_given"]) == ["wave"]
    others = report.to_pandas().iloc[1:]
    assert others["terms_given"].isna().sum() == others["suggested_label"].isna().sum()
    assert max(map(len, others["terms_given"].dropna()), default=0) <= TERMS


def test_what_is_said_afterwards_is_the_same_with_another_layer_between():
    """A network of one's own, with parts that are not trained: they are those of the fold again."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    network[0].requires_grad_(False)
    values, truth = make_blobs(80, centers=[[-3, 0], [3, 0]], random_state=1)
    labels = [None, *map(str, truth[1:])]
    report = scan(values, labels, model=network, epochs=20, learning_rate=0.05)
    assert report.to_pandas()["suggested_label"][0] == str(truth[0])
