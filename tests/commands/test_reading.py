"""Data that are not as they should be, through the commands."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from labelaudit import InputError, Report, load_dataset, scan
from labelaudit.cli.app import app
from labelaudit.commands.check import check
from labelaudit.report.html import render_html
from tests.support.data import digit_folders
from tests.support.reports import decisions_of


def table(rows: int = 120) -> pd.DataFrame:
    """Two numbers and a label, yes where the first is above 0."""
    numbers = np.random.default_rng(0).normal(size=(rows, 2))
    numbers[:, 0] += 2 * np.sign(numbers[:, 0])
    return pd.DataFrame({"a": numbers[:, 0], "b": numbers[:, 1], "label": np.where(numbers[:, 0] > 0, "yes", "no")})


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_class_names_that_look_like_one_are_in_note_metadata_and_page(tmp_path):
    frame = table()
    frame.loc[frame.index[frame["label"] == "yes"][:5], "label"] = "Yes"
    frame.to_csv(tmp_path / "t.csv", index=False)
    done = run("scan", tmp_path / "t.csv", "--out", tmp_path / "out", "--epochs", "2")
    assert done.exit_code == 0, done.stderr
    assert "class names that look like one: 'yes' (" in done.stderr
    report = Report.load(tmp_path / "out" / "report.parquet")
    (twins,) = report.metadata["class_name_twins"]
    assert (twins["names"], twins["rows"][1]) == (["yes", "Yes"], 5)
    page = render_html(report, load_dataset(tmp_path / "t.csv"))
    assert "Class names that look like one" in page
    assert "<b>Yes</b> (5 rows)" in page


def test_a_new_class_name_that_looks_like_a_known_one_fails_the_check(tmp_path):
    frame = table()
    frame.to_csv(tmp_path / "t.csv", index=False)
    made = run("baseline", tmp_path / "t.csv", "--out", tmp_path / "base", "--epochs", "40")
    assert made.exit_code == 0, made.stderr
    new = pd.DataFrame({"a": [3.25, -3.25], "b": [0.5, 0.25], "label": ["yes ", "no"]})
    pd.concat([frame, new]).to_csv(tmp_path / "t.csv", index=False)
    result = check(tmp_path / "t.csv", tmp_path / "base")
    assert [twins.names for twins in result.class_name_twins] == [("yes", "yes ")]
    assert any(failure.startswith("class names that look like one: 'yes'") for failure in result.failures)
    done = run("check", tmp_path / "t.csv", "--baseline", tmp_path / "base", "--format", "sarif")
    assert done.exit_code == 1
    assert '"labelaudit/class-name"' in done.stdout


def test_the_only_row_of_a_class_is_reported_and_not_scored(tmp_path):
    frame = table()
    frame.loc[7, "label"] = "perhaps"
    report = scan(frame, epochs=2)
    assert report.table["status"][7].as_py() == "unscorable"
    assert report.table["reason"][7].as_py() == "the only row of its class"
    assert report.table["suspect"][7].as_py() is False
    report.save(tmp_path / "report.parquet")
    assert Report.load(tmp_path / "report.parquet").table["status"][7].as_py() == "unscorable"


def test_the_users_own_code_is_named_where_it_fails(tmp_path, monkeypatch):
    class Torn(torch.utils.data.Dataset):
        def __len__(self):
            raise RuntimeError("no disk")

        def __getitem__(self, row):
            raise RuntimeError("no disk")

    with pytest.raises(InputError, match=r"Torn.*RuntimeError: no disk"):
        scan(Torn())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("def factory(num_classes):\n    raise KeyError('no such head')\n")
    done = run("scan", digit_folders(tmp_path / "data", "17", 4), "--model", "mine:factory")
    assert done.exit_code == 2
    assert "mine:factory: the factory cannot be called: KeyError: 'no such head' (mine.py, line 2)" in done.stderr


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "text,label\nsome words of text,a\nmore, words,b\n", "line 3: 3 cells, where the header has 2 names"),
        ("t.csv", "x,price\n1.5,4.5\n2.5,7.25\n", "has no label column I know; name one with --label-column"),
        ("t.csv", "x,label\n1.5,4.5\n2.5,7.25\n", "labels must be classes, not quantities"),
        ("t.csv", "", "it is empty"),
        ("t.jsonl", '{"text": "a"}\n{', "line 2: not valid JSON"),
        ("t.parquet", "no parquet", "cannot read"),
        ("t.csv.gz", "no gzip", "cannot read"),
        ("t.xlsx", "PK", "cannot read"),
        ("t.feather", "no feather", "cannot read"),
        ("t.zip", "PK", "t.zip is an archive, which is not read: unpack it, and name the folder"),
        ("t.tar.gz", "", "perhaps a WebDataset"),
        ("t.pkl", "", "would have to run code"),
        ("t.dat", "", "neither a folder of images nor a table"),
        ("t.json", '{"images": [{}], "annotations": [{}], "categories": [{}]}', "holds COCO boxes"),
    ],
)
def test_unusable_tables_end_in_a_line_and_exit_code_2(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    done = run("scan", tmp_path / name, "--out", tmp_path / "out")
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.startswith("error: ")
    assert not (tmp_path / "out").exists()


def test_a_test_set_that_is_the_data_is_refused(tmp_path):
    table().to_csv(tmp_path / "t.csv", index=False)
    table().sample(frac=1, random_state=0).to_csv(tmp_path / "same.csv", index=False)
    for test in ("t.csv", "same.csv"):
        done = run("scan", tmp_path / "t.csv", "--test", tmp_path / test, "--out", tmp_path / "out")
        assert done.exit_code == 2
        assert "--test" in done.stderr


def test_separator_and_encoding_are_options(tmp_path):
    frame = table(60)
    frame["town"] = np.where(frame.index % 2, "Zürich", "Łódź")
    frame.to_csv(tmp_path / "t.csv", index=False, sep="~", encoding="utf-16-be")
    done = run("scan", tmp_path / "t.csv", "--separator", "~", "--encoding", "utf-16-be", "--dry-run", "--json")
    assert done.exit_code == 0, done.stderr
    assert run("scan", tmp_path / "t.csv", "--separator", "ab", "--dry-run").exit_code == 2


def test_a_table_in_another_dialect_is_audited_and_corrected_in_it(tmp_path):
    frame = table(200).sort_values("label").reset_index(drop=True).replace({"label": {"yes": "été", "no": "hiver"}})
    flipped = [5, 30, 150, 190]
    frame.loc[flipped, "label"] = ["été" if label == "hiver" else "hiver" for label in frame.loc[flipped, "label"]]
    source, out = tmp_path / "t.csv", tmp_path / "corrected.csv"
    frame.round(3).to_csv(source, sep=";", decimal=",", encoding="cp1252")
    done = run("scan", source, "--out", tmp_path / "out", "--epochs", "30")
    assert done.exit_code == 0, done.stderr
    for note in (
        "read as cp1252 (--encoding)",
        "separated by semicolons (--separator)",
        "'Unnamed: 0' (it numbers the",
    ):
        assert note in done.stderr
    right = {"été": "hiver", "hiver": "été"}
    lines = [(f"row-{row}", "relabel", right[frame.loc[row, "label"]]) for row in flipped]
    applied = run("apply", tmp_path / "out", "--decisions", decisions_of(tmp_path / "d.csv", *lines), "--out", out)
    assert applied.exit_code == 0, applied.stderr
    before, after = (path.read_bytes().decode("cp1252").splitlines() for path in (source, out))
    assert [number - 1 for number, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]] == flipped
    assert after[6] == before[6].replace("été", "hiver")


def test_sentences_without_blanks_are_told_apart():
    good, bad = ("好看精彩感人喜欢推荐优秀", "难看无聊失望讨厌糟糕低劣")
    random, rows = np.random.default_rng(0), []
    for number in range(300):
        words = (good, bad)[number % 2]
        chosen = [words[2 * place : 2 * place + 2] for place in random.permutation(6)[:3]]
        rows.append(("这部电影" + "".join(chosen) + "我觉得", "正负"[number % 2]))
    flipped = [3, 40, 77, 120, 201, 262]
    labels = ["正负"["负正".index(label)] if row in flipped else label for row, (_, label) in enumerate(rows)]
    report = scan(pd.DataFrame({"text": [text for text, _ in rows], "label": labels}), epochs=20)
    ranked = np.argsort([rank or len(rows) for rank in report.table["rank"].to_pylist()])
    assert len(set(flipped) & set(ranked[:8].tolist())) >= 5
