from __future__ import annotations

import csv
import filecmp
import runpy

from tests.support.paths import SAMPLE


def test_the_script_makes_the_same_bytes(dataset_file, tmp_path):
    make = runpy.run_path(str(SAMPLE / "make.py"))["make"]
    make(dataset_file("mnist.npz"), tmp_path)
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    kept = sorted(
        path.relative_to(SAMPLE) for part in ("train", "test") for path in (SAMPLE / part).rglob("*") if path.is_file()
    )
    assert len(made) == 801
    assert [path for path in made if path.suffix == ".png"] == kept
    _, mismatch, errors = filecmp.cmpfiles(SAMPLE, tmp_path, made, shallow=False)
    assert (mismatch, errors) == ([], [])


def test_what_the_readme_says_of_it():
    with (SAMPLE / "truth.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 600
    assert sum(row["path"].split("/")[0] != row["true_label"] for row in rows) == 30
    assert {row["true_label"] for row in rows} == set("0123456789")
    assert sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file()) < 1_500_000
