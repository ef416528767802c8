"""Rows that belong together: `group_column`, and classes of which all rows are in one group."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from labelaudit import InputError, scan
from labelaudit.checking.baseline import save_baseline
from labelaudit.checking.verdict import Limits
from labelaudit.commands.check import check, folds_of
from labelaudit.commands.dry_run import plan_scan
from labelaudit.commands.scan import scan_and_keep
from labelaudit.config import AuditConfig, SourceConfig, TrainingConfig
from labelaudit.progress import NullProgress
from tests.support.data import digit_folders
from tests.support.progress import Notes

CONFIG = AuditConfig(source=SourceConfig(group_column="Patient"), training=TrainingConfig(epochs=30))


@pytest.fixture
def visits() -> pd.DataFrame:
    """Forty patients with five visits each, of which a column tells who it is."""
    generator = np.random.default_rng(0)
    patient = np.repeat(np.arange(40), 5)
    ill = generator.random(40) < 0.5
    frame = pd.DataFrame(generator.normal(size=(40, 30))[patient]).add_prefix("gene")
    frame.insert(0, "patient", [f"p{number}" for number in patient])
    frame["fever"] = generator.normal(size=200)
    frame["label"] = np.where(ill[patient], "ill", "well")
    return frame.sample(frac=1, random_state=0, ignore_index=True)


def test_a_group_shares_a_fold_and_is_no_feature(visits):
    report, audit = scan_and_keep(visits, config=CONFIG)
    frame = visits.assign(fold=audit.findings.networks.fold_of)
    assert (frame.groupby("patient")["fold"].nunique() == 1).all()
    assert frame["fold"].nunique() == 5
    assert "patient" not in report.metadata["config"]["source"]["feature_columns"]
    apart, _ = scan_and_keep(visits.drop(columns="patient"), config=AuditConfig(training=TrainingConfig(epochs=30)))
    assert apart.accuracy.overall > 0.85  # by genes that say nothing of illness, but who a patient is
    assert report.accuracy.overall < 0.7


def test_a_test_set_needs_no_groups(visits):
    trusted = visits[100:].drop(columns="patient")
    report, _ = scan_and_keep(visits[:100], trusted, config=CONFIG)
    assert report.metadata["query"]["rows"] == "test set DataFrame, 100 rows"


def test_a_check_keeps_groups_together(visits, tmp_path, monkeypatch):
    visits.insert(0, "id", [f"visit-{row}" for row in range(200)])
    visits[:180].to_csv(tmp_path / "visits.csv", index=False)
    report, audit = scan_and_keep(tmp_path / "visits.csv", config=CONFIG)
    (tmp_path / "baseline").mkdir()
    save_baseline(tmp_path / "baseline", report, audit)
    visits.to_csv(tmp_path / "visits.csv", index=False)
    seen = []
    monkeypatch.setattr(
        "labelaudit.commands.check.folds_of", lambda *arguments: seen.append(folds_of(*arguments)) or seen[-1]
    )
    found = check(tmp_path / "visits.csv", tmp_path / "baseline", limits=Limits(suspects=None))
    assert len(found.changes) == 20
    for fold in seen[0]:
        assert not set(visits["patient"][fold.train]) & set(visits["patient"][fold.query])
        assert len(fold.train) + len(fold.query) == 200


def test_a_plan_knows_groups_and_a_column_that_is_not_there_is_refused(visits, tmp_path):
    visits.to_csv(tmp_path / "visits.csv", index=False)
    plan_scan(tmp_path / "visits.csv", None, CONFIG, tmp_path / "out", NullProgress())
    with pytest.raises(InputError, match=r"has no column 'ward' \(`group_column`\); it has: patient, gene0"):
        scan(visits, group_column="ward")
    with pytest.raises(InputError, match="'label' is the label column, and no group"):
        scan(visits, group_column="label", label_column="label")
    with pytest.raises(InputError, match=r"^`group_column`: .* is no table, and has no columns"):
        scan(digit_folders(tmp_path / "digits", "01", 6), group_column="patient")


def test_a_class_of_one_group_is_not_scored_as_no_network_could_learn_it(visits):
    visits.loc[visits["patient"] == "p7", "label"] = "rare"
    notes = Notes()
    report = scan(visits, config=CONFIG, progress=notes)
    frame = report.to_pandas()
    assert set(frame.loc[frame["label"] == "rare", "reason"]) == {"all rows of its class are copies or of one group"}
    assert any("all rows of a class are copies or of one group" in note and "'rare'" in note for note in notes.notes)
    assert frame.loc[frame["label"] != "rare", "status"].eq("scored").all()


def test_two_groups_are_two_folds(visits):
    visits["patient"] = np.where(np.arange(200) % 2, "odd", "even")
    report, audit = scan_and_keep(visits, config=CONFIG)
    assert visits.assign(fold=audit.findings.networks.fold_of).groupby("patient")["fold"].nunique().tolist() == [1, 1]
    assert report.table["status"].to_pylist() == ["scored"] * 200
    with pytest.raises(InputError, match="`folds` 3: the rows can be split into 2 parts at most"):
        scan(visits, group_column="patient", folds=3)
    with pytest.raises(InputError, match="fewer than two classes with rows that are no copies of each other, and not"):
        scan(visits.assign(patient=visits["label"]), group_column="patient")


def test_copies_alone_are_nothing_to_learn_from():
    frame = pd.DataFrame({"text": ["yes please"] * 6 + ["no thanks"] * 6, "label": ["a"] * 6 + ["b"] * 6})
    with pytest.raises(InputError, match="fewer than two classes with rows that are no copies of each other"):
        scan(frame)
