from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps

from labelaudit import AuditConfig, InputError, audit_config, flip_test, scan
from labelaudit.audit.fold_plan import plan_fold
from labelaudit.commands.dry_run import plan_scan
from labelaudit.config import InfluenceConfig, ModelConfig, SourceConfig, TrainingConfig
from labelaudit.progress import NullProgress
from tests.support.data import digit_folders
from tests.support.paths import SAMPLE
from tests.support.progress import Notes

TRAIN, TEST, TRUTH = SAMPLE / "train", SAMPLE / "test", SAMPLE / "truth.csv"
LR = AuditConfig(model=ModelConfig(name="lr"))
CNN = AuditConfig(training=TrainingConfig(epochs=8))


@pytest.fixture(scope="module")
def cross_audit() -> pd.DataFrame:
    return scan(TRAIN, known=TRUTH, config=CNN).to_pandas()


def test_same_seed_same_bytes_other_seed_other_scores():
    columns = ["influence", "score", "rank", "p_label", "loss"]
    first, again, other = (
        scan(TRAIN, config=LR.model_copy(update={"seed": seed})).to_pandas()[columns] for seed in (0, 0, 1)
    )
    assert first.to_numpy().tobytes() == again.to_numpy().tobytes()
    assert not np.array_equal(first["influence"], other["influence"])


def test_wrong_labels_come_first_without_a_test_set(cross_audit):
    """30 of 600 labels are wrong: chance is 5%. Checked for DIT alone, and for the score."""
    wrong = cross_audit["is_flipped"].astype(bool)
    assert wrong[cross_audit["influence"].nsmallest(30).index].mean() > 0.5
    assert wrong[cross_audit["rank"].nsmallest(30).index].mean() > 0.6


def test_wrong_labels_come_first_with_a_test_set():
    """85% of them, as the README shows it."""
    config = AuditConfig(training=TrainingConfig(epochs=20, augmentation="shift"))
    report = scan(TRAIN, test=TEST, known=TRUTH, config=config)
    ranked = report.ranked()
    assert ranked["is_flipped"].head(30).mean() >= 0.85
    assert ranked["p_label"].isna().all()
    suspects = report.suspects()
    assert (suspects["suggested_label"] == suspects["true_label"]).mean() > 0.7


def test_suggestions_are_mostly_right(cross_audit):
    wrong = cross_audit[cross_audit["is_flipped"].astype(bool)]
    assert (wrong["suggested_label"] == wrong["true_label"]).mean() > 0.6


def test_test_fraction_holds_out_query_rows():
    frame = scan(TRAIN, config=LR.model_copy(update={"test_fraction": 0.25})).to_pandas()
    assert frame["status"].value_counts().to_dict() == {"scored": 450, "query": 150}
    query = frame[frame["status"] == "query"]
    assert query[["influence", "rank", "score", "p_label", "loss"]].isna().all(axis=None)
    assert not query["suspect"].any()
    assert set(query["reason"]) == {"held out as the query"}


def small_folder(folder, per_class=8):
    return digit_folders(folder, "17", per_class)


def test_bad_rows_keep_their_place_and_shift_no_score(tmp_path):
    good = small_folder(tmp_path / "good")
    bad = small_folder(tmp_path / "bad")
    (bad / "1" / "00000.png").write_bytes(b"broken")
    (bad / "7" / "zzz.png").write_bytes(b"")
    (bad / "loose.png").write_bytes((next((TRAIN / "1").iterdir())).read_bytes())
    config = LR.model_copy(update={"source": SourceConfig(max_unreadable=0.2)})
    expected, found = scan(good, config=config).to_pandas(), scan(bad, config=config).to_pandas()
    assert found["status"].value_counts().to_dict() == {"scored": 16, "unreadable": 2, "unlabelled": 1}
    assert found.set_index("id").loc["1/00000.png", "reason"] == "not an image"
    scored = found[found["status"] == "scored"]
    for column in ("id", "influence", "score", "rank", "loss", "content_hash"):
        assert scored[column].tolist() == expected[column].tolist()


@pytest.mark.parametrize("estimator", ["visited", "expected"])
@pytest.mark.parametrize("query", ["loss", "calibrated", "probability"])
def test_every_query_and_estimator_runs(tmp_path, estimator, query):
    influence = InfluenceConfig(query=query, estimator=estimator)
    training = LR.training.model_copy(update={"epochs": 5})  # after many, nothing is left to learn of so few rows
    config = LR.model_copy(update={"influence": influence, "training": training})
    frame = scan(small_folder(tmp_path / "d"), config=config).to_pandas()
    assert np.isfinite(frame["influence"]).all()
    assert frame["influence"].nunique() == 16


def test_derivatives_can_be_chosen_and_agree(tmp_path):
    folder = small_folder(tmp_path / "d")
    exact, close = (
        scan(folder, config=LR.model_copy(update={"influence": InfluenceConfig(derivatives=method)})).to_pandas()
        for method in ("forward-over-reverse", "central-differences")
    )
    assert close["influence"].tolist() == pytest.approx(exact["influence"].tolist(), rel=1e-2, abs=1e-9)
    assert close["influence"].tolist() != exact["influence"].tolist()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"training": TrainingConfig(batch_size=13)}, "`batch_size` 13 is more than the 12 rows"),
        ({"device": "cuda:7"}, "`device` cuda:7 is not available here"),
        ({"device": "abacus"}, "`device` abacus is not available here"),
        ({"test_fraction": 0.01}, "`test_fraction` 0.01 of 16 rows"),
    ],
)
def test_settings_that_do_not_fit(tmp_path, config, message):
    with pytest.raises(InputError, match=message):
        scan(small_folder(tmp_path / "d"), config=LR.model_copy(update=config))


def test_data_that_cannot_be_audited(tmp_path):
    def refused(folder, message, **options):
        with pytest.raises(InputError, match=message):
            scan(folder, config=LR, **options)

    one_class = small_folder(tmp_path / "one")
    shutil.rmtree(one_class / "7")
    refused(one_class, "has only one class \\('1'\\)")
    single = small_folder(tmp_path / "single")
    for file in sorted((single / "1").iterdir())[1:]:
        file.unlink()
    refused(single, "fewer than two classes of two readable rows or more; alone are '1' \\(1/")
    unreadable = small_folder(tmp_path / "unreadable")
    for file in sorted((unreadable / "1").iterdir())[:3]:
        file.write_bytes(b"?")
    refused(unreadable, "3 of the 16 rows .* are unreadable, more than `max_unreadable` 0.1 allows: 1/")
    for file in unreadable.rglob("*.png"):
        file.write_bytes(b"?")
    refused(unreadable, "none of the 16 images")
    fine = small_folder(tmp_path / "fine")
    refused(fine, "has the label '0' \\(first in 0/.*which .*fine does not know \\(1, 7\\)", test=TEST)


def test_flip_test_measures_ours_beside_the_baselines():
    finished = []
    result = flip_test(
        TRAIN, rate=0.1, seeds=2, config=LR, finished=lambda number, report: finished.append((number, report))
    )
    assert [number for number, _ in finished] == [0, 1]
    assert result.wrong == (60, 60)
    methods = ["score", "influence (DIT)", "final loss", "mean margin (AUM)", "out-of-fold loss", "random"]
    assert list(result.summary) == methods
    assert result.summary["random"]["auroc"]["mean"] == pytest.approx(0.5, abs=0.1)
    for method in methods[:-1]:
        assert result.summary[method]["auroc"]["mean"] > 0.7, method
    first, second = (report.to_pandas() for report in result.reports)
    assert (first["label"] != first["true_label"]).sum() == first["is_flipped"].sum() == 60
    assert not first["is_flipped"].equals(second["is_flipped"])
    figures = result.to_json()
    assert figures["seeds"] == [0, 1]
    assert figures["flips"] == {"rate": 0.1, "noise": "symmetric", "known": None}


def test_flips_as_people_make_them_are_drawn_where_the_network_wavers():
    progress = Notes()
    result = flip_test(TRAIN, rate=0.1, noise="confusion", seeds=2, config=LR, progress=progress)
    assert result.wrong == (60, 60)
    assert sum("audited once as they are" in note for note in progress.notes) == 1
    first, second = (report.to_pandas() for report in result.reports)
    assert not first["is_flipped"].equals(second["is_flipped"])
    even = flip_test(TRAIN, rate=0.1, seeds=1, config=LR).summary["out-of-fold loss"]
    assert result.summary["out-of-fold loss"]["average_precision"]["mean"] < even["average_precision"]["mean"]
    figures = result.summary["score"]
    for name in ("noise_rate", "noise_rate_low", "noise_rate_high", "noise_rate_held"):
        assert 0 <= figures[name]["mean"] <= 1
    assert figures["noise_rate"]["mean"] == pytest.approx(0.1)


def test_flip_test_with_known_truth_plants_nothing_and_a_test_set_leaves_out_the_out_of_fold_loss():
    result = flip_test(TRAIN, known=TRUTH, test=TEST, seeds=1, config=LR)
    assert result.wrong == (30,)
    assert "out-of-fold loss" not in result.summary


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give either `rate`"),
        ({"rate": 0.1, "known": TRUTH}, "give either `rate`"),
        ({"rate": 0.6}, "outside \\(0, 0.5\\]"),
        ({"rate": 0.0}, "outside \\(0, 0.5\\]"),
        ({"rate": 0.001}, "flips none"),
        ({"rate": 0.1, "noise": "confusion", "test": TEST}, "and with `test` there are none"),
    ],
)
def test_flip_tests_that_cannot_be(options, message):
    with pytest.raises(InputError, match=message):
        flip_test(TRAIN, config=LR, **options)


def test_two_rows_of_a_class_are_too_few_to_flip(tmp_path):
    with pytest.raises(InputError, match="of 4 rows flips none"):
        flip_test(small_folder(tmp_path / "d", per_class=2), rate=0.2, config=LR)


def test_a_test_set_of_another_kind_is_told_with_the_evidence(tmp_path):
    def notes(test):
        progress = Notes()
        scan(TRAIN, test=test, config=LR.model_copy(update={"training": TrainingConfig(epochs=2)}), progress=progress)
        return [note for note in progress.notes if "query rows differ" in note]

    for file in TEST.glob("*/*.png"):
        (tmp_path / file.parent.name).mkdir(exist_ok=True)
        ImageOps.invert(Image.open(file).convert("L")).save(tmp_path / file.parent.name / file.name)
    assert notes(TEST) == []
    (note,) = notes(tmp_path)
    assert "tells them from the audited ones in 100% of all pairs" in note


def test_nothing_to_measure(tmp_path):
    (tmp_path / "truth.csv").write_text("path,true_label\n0/00119.png,0\n")
    with pytest.raises(InputError, match="0 of the 1 scored labels whose truth is known are wrong"):
        flip_test(TRAIN, known=tmp_path / "truth.csv", config=LR)


@pytest.mark.parametrize("options", [{"test_fraction": 0.25}, {}])
def test_a_dry_run_splits_as_the_audit_does(tmp_path, monkeypatch, options):
    """41 rows: a quarter held out are 11, not 10; of several folds the largest one counts."""
    frame = pd.DataFrame({"a": np.arange(41.0) % 7, "label": ["x", "y"] * 20 + ["x"]})
    config = audit_config(model="lr", **options)
    seen = []

    def noting(*arguments, **sizes):
        seen.append(sizes)
        return plan_fold(*arguments, **sizes)

    monkeypatch.setattr("labelaudit.audit.fold.plan_fold", noting)
    monkeypatch.setattr("labelaudit.commands.dry_run.plan_fold", noting)
    scan(frame, config=config)
    folds = seen.copy()
    plan_scan(frame, None, config, tmp_path, NullProgress())
    assert seen[-1] == max(folds, key=lambda fold: fold["rows"])
    assert [fold["rows"] + fold["query_rows"] for fold in folds] == [41] * len(folds)
    assert len(folds) == (1 if options else 5)


FOLD_STAGES = "fine-tuning", "sweeping back", "fine-tuning without suspects", "judging labels"


def test_a_dry_run_of_texts_counts_the_fine_tunes_on_the_second_encoding(tmp_path):
    draw = np.random.default_rng(0)
    words = {"sport": "goal league team ball player", "food": "sauce bread oven salt pepper"}
    labels = np.tile(list(words), 40)
    texts = [" ".join(draw.choice(words[label].split(), 4)) for label in labels]
    settings = audit_config(epochs=2, seed=1)
    names = {}
    for model in ("lr", "tests.support.networks:linear"):
        config = settings.model_copy(update={"model": ModelConfig(name=model)})
        plan = plan_scan((texts, labels), None, config, tmp_path, NullProgress())
        names[model] = [stage.name for stage in plan.stages][1:-1]
    second = "fine-tuning on the second encoding"
    again = FOLD_STAGES[2], f"{second}, without suspects"
    assert names["lr"] == [*FOLD_STAGES[:2], second, *again, "judging labels"]
    assert names["tests.support.networks:linear"] == [*FOLD_STAGES]  # it may be made for one number of features


def test_a_dry_run_foretells_the_search_for_epochs(tmp_path):
    """It makes the search, and so has the epochs of the audit."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"a": draw.normal(size=60), "b": draw.normal(size=60)})
    frame["label"] = np.where(frame["a"] + frame["b"] > 0, "x", "y")
    plan = plan_scan(frame, None, audit_config(trees="off"), tmp_path, NullProgress())
    assert plan.epochs == scan(frame, trees="off").metadata["training"]["epochs"] > 5
    assert [stage.name for stage in plan.stages][1:] == ["choosing epochs", *FOLD_STAGES, "all"]
    fixed = plan_scan(frame, None, audit_config(trees="off", epochs=3), tmp_path, NullProgress())
    assert [stage.name for stage in fixed.stages][1:] == [*FOLD_STAGES, "all"]
