from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from labelaudit import Report, load_dataset
from labelaudit.cli.report import report as report_command
from labelaudit.data.content import EncodedImages, Texts
from labelaudit.data.dataset import Dataset, content_hash
from labelaudit.errors import InputError
from labelaudit.report.cards import choose_rows
from labelaudit.report.escaping import embed_json, percent, scientific, visible
from labelaudit.report.html import render_html, write_html
from tests.support.made_up import HOSTILE, Page, make_dataset, make_report, texts_dataset
from tests.support.paths import SAMPLE


@pytest.fixture
def digits() -> tuple[Report, Dataset]:
    dataset = load_dataset(SAMPLE / "train")
    return make_report(dataset, suspects=40, similar=3), dataset


def test_every_suspect_is_there_with_what_is_known_of_it(digits):
    report, dataset = digits
    page = Page(render_html(report, dataset))
    cards = [int(card["data-row"]) for card in page.all("article")]
    ranked = report.ranked()["row"].tolist()
    assert cards[:100] == ranked[:100]  # 40 suspects, and the next in rank
    drawn = {row for row in spot_rows(render_html(report, dataset)) if row not in ranked[:100]}
    assert len(cards) == 124 + len(drawn)
    assert cards[100:-24] == [row for row in ranked if row in drawn]
    assert set(cards[-24:]) <= set(ranked[100:]) - drawn
    assert cards[-24:] == sorted(cards[-24:])
    first = report.ranked().iloc[0]
    assert page.data["rows"][0] == {
        "row": first["row"],
        "id": first["id"],
        "hash": first["content_hash"],
        "given": int(first["label"]),
        "suggested": int(first["suggested_label"]),
        "rank": 1,
        "score": first["score"],
        "influence": first["influence"],
        "suspect": True,
        "stratum": 0,
    }
    assert [row["suspect"] for row in page.data["rows"]] == [True] * 40 + [False] * (84 + len(drawn))
    assert page.data["classes"] == list("0123456789")
    similar = [image for image in page.all("img") if "title" in image]
    assert [image["title"] for image in similar[:3]] == [dataset.ids[row] for row in first["similar"]]
    assert len(similar) == 3 * 40


def test_tiny_images_keep_their_pixels(digits):
    report, dataset = digits
    page = Page(render_html(report, dataset))
    (first, *_) = page.all("img")
    assert (first["width"], first["height"], first["class"]) == ("112", "112", "tiny")
    kind, encoded = first["src"].split(",")
    assert kind == "data:image/png;base64"
    row = report.ranked()["row"].iloc[0]
    import io

    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))
    np.testing.assert_array_equal(shown, np.asarray(Image.open(SAMPLE / "train" / dataset.ids[row])))


def test_the_same_report_gives_the_same_page(digits, tmp_path):
    report, dataset = digits
    write_html(report, dataset, tmp_path / "new" / "report.html")
    assert (tmp_path / "new" / "report.html").read_bytes().decode() == render_html(report, dataset)


def test_the_page_needs_and_may_load_nothing_else(digits):
    html = render_html(*digits)
    page = Page(html)
    (policy,) = page.all("meta", http_equiv="Content-Security-Policy")
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1]
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (page.scripts[1], style)]
    assert policy["content"] == (
        f"default-src 'none'; img-src data:; script-src 'sha256-{hashes[0]}'; style-src 'sha256-{hashes[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )
    assert len(page.scripts) == 2
    assert all(image["src"].startswith("data:") for image in page.all("img"))
    linked = [value for _, got in page.elements for name, value in got.items() if name in ("src", "href")]
    assert all(value.startswith(("data:", "#")) for value in linked)
    # What the policy would block: handlers and styles in attributes.
    assert not [name for _, got in page.elements for name in got if name.startswith("on") or name == "style"]
    assert "url(" not in style
    assert "@import" not in style


def test_hostile_names_are_text(tmp_path):
    ids = [f"{row} {HOSTILE[row % len(HOSTILE)]}" for row in range(40)]
    labels = [HOSTILE[row % len(HOSTILE)] for row in range(40)]
    dataset = make_dataset(Texts(tuple(HOSTILE * 5)), ids, labels)
    plain = make_dataset(Texts(tuple("abcdefgh" * 5)), [str(row) for row in range(40)], list("abcdefgh" * 5))
    problem = "\u202e<script>alert(2)</script>"
    report = make_report(dataset, suspects=30, similar=2, doubt=problem)
    report.metadata["noise"]["pairs"] = [{"given": labels[0], "true": labels[1], "rows": 3.0}]
    report.metadata["source"] |= {"path": problem, "kind": problem, "notes": [problem]}
    page = Page(render_html(report, dataset))
    names = {tag for tag, _ in Page(render_html(make_report(plain, 30, 2, "doubt"), plain)).elements}
    assert {tag for tag, _ in page.elements} == names
    assert len(page.scripts) == 2
    assert {row["id"] for row in page.data["rows"]} == set(ids)
    assert sorted(page.data["classes"]) == sorted(set(labels))
    shown = "\n".join(page.texts)
    assert "<script>alert(1)</script>" in shown
    assert "'{{ 7 * 7 }}" in shown
    assert r"\u202egnp.exe" in shown
    assert "\u202e" not in "".join([*page.texts, *(str(value) for _, got in page.elements for value in got.values())])
    assert r"\u202e<script>alert(2)</script>" in shown


def test_json_cannot_end_its_element():
    text = embed_json({"a": "</script><!-- <script> & \u2028 ' \" \\", "b": [1, None]})
    assert not re.search(r"[<>&\u2028]", text)
    assert json.loads(text) == {"a": "</script><!-- <script> & \u2028 ' \" \\", "b": [1, None]}


def test_no_percentage_says_that_something_is_certain():
    assert [percent(share) for share in (0, 0.004, 0.006, 0.5, 0.994, 0.995, 1)] == [
        "<1%",
        "<1%",
        "1%",
        "50%",
        "99%",
        ">99%",
        ">99%",
    ]


def test_what_cannot_be_seen_is_written_out():
    assert visible("a\nb\u202ec\x00\x85é日") == r"a\nb\u202ec\x00\x85é日"
    assert visible("a\r\n\tb\u2066", lines=True) == "a\n\tb\\u2066"
    assert visible("abcdef", 4) == "abc…"
    assert visible("abcd", 4) == "abcd"
    assert scientific(-3.894e-3) == "−3.9e−3"
    assert scientific(0.0) == "0.0e0"
    assert scientific(float("nan")) == scientific(float("inf")) == "–"


def spot_rows(html):
    """All rows of a page's spot check."""
    spot = Page(html).data["spot"]
    return {*spot["rows"], *spot["list"]}


def test_at_most_so_many_are_shown_and_the_page_says_so():
    dataset = texts_dataset([str(row % 3) for row in range(900)])
    report = make_report(dataset, suspects=700)
    chosen = choose_rows(report.to_pandas(), 500, ())
    ranked = report.ranked()["row"].tolist()
    assert (chosen.suspects, chosen.further, len(chosen.sample)) == (ranked[:500], [], 24)
    assert set(chosen.sample) <= set(ranked[700:])
    assert len(set(chosen.sample)) == 24
    assert choose_rows(report.to_pandas(), 500, ()) == chosen
    shown = render_html(report, dataset, shown=5)
    assert "The 5 most suspect of 700; report.parquet has them all, of 900 scored rows." in shown
    assert len(Page(shown).all("article")) == len(spot_rows(shown).union(ranked[:5])) + 24
    few = choose_rows(make_report(dataset, suspects=30).to_pandas(), 500, ())
    assert (few.suspects, few.further) == (ranked[:30], ranked[30:100])
    fewer = choose_rows(make_report(dataset, suspects=30).to_pandas(), 40, ())
    assert (fewer.suspects, fewer.further) == (ranked[:30], ranked[30:40])


def test_a_report_of_100_000_photographs_is_small(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (40, 224, 224, 3), dtype=np.uint8)
    files = []
    for number, pixels in enumerate(noise):  # worse than any photograph
        Image.fromarray(pixels).save(tmp_path / f"{number}.jpg", quality=90)
        files.append((tmp_path / f"{number}.jpg").read_bytes())
    labels = [f"class {row % 300}" for row in range(100_000)]
    content = EncodedImages(lambda row: files[row % 40])
    dataset = make_dataset(content, [f"folder/{row:08}.jpg" for row in range(100_000)], labels)
    hashes = [content_hash(file) for file in files]
    report = make_report(
        make_dataset(Texts(("",) * 100_000), dataset.ids, labels),
        suspects=6000,
        similar=4,
        content_hash=[hashes[row % 40] for row in range(100_000)],
    )
    write_html(report, dataset, tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 15_000_000
    page = Page((tmp_path / "report.html").read_text())
    images = page.all("img")
    shown = spot_rows((tmp_path / "report.html").read_text()).union(report.ranked()["row"].head(500))
    assert len([image for image in images if "title" not in image]) == len(shown) + 24 + 1
    assert len([image for image in images if "title" in image]) > 500  # as many as there is room for
    assert len(page.data["classes"]) == 300


def test_rows_left_out_are_counted_by_reason():
    labels = ["a", "b", None, None] * 10
    problems = tuple("not an image" if row in (4, 8) else "<empty>" if row == 5 else None for row in range(40))
    dataset = make_dataset(Texts(("text",) * 40), [f"id-{row}" for row in range(40)], labels, problems)
    page = Page(render_html(make_report(dataset, suspects=3), dataset))
    shown = " ".join(page.texts)
    assert "not an image: 2 id-4, id-8" in shown
    assert "<empty>: 1 id-5" in shown
    assert "no label given: 20 id-2, id-3, id-6, id-7, id-10, id-11, id-14, id-15, …" in shown
    assert not {4, 5, 2} & {row["row"] for row in page.data["rows"]}


def test_an_unreliable_ranking_says_so_first():
    dataset = texts_dataset(["a", "b"] * 20)
    page = Page(render_html(make_report(dataset, suspects=0, doubt="the network learnt nothing"), dataset))
    assert "This ranking is not reliable." in page.texts
    assert "the network learnt nothing" in page.texts
    assert "No row is suspect: see above why the ranking is not reliable." in page.texts
    assert not page.all("section", id="suspects")
    assert len(page.all("article")) == 40


def test_a_flip_test_says_that_labels_were_changed():
    dataset = texts_dataset(["a", "b"] * 20)
    report = make_report(dataset, suspects=3)
    assert "This is a flip test." not in Page(render_html(report, dataset)).texts
    report.metadata["flips"] = {"rate": 0.125, "noise": "pair", "known": None}
    (said,) = [text for text in Page(render_html(report, dataset)).texts if "made wrong on purpose" in text]
    assert said == "12.5% of the labels were made wrong on purpose, so the labels here are not those of the dataset."


def test_an_influence_without_a_number_is_no_obstacle():
    dataset = texts_dataset(["a", "b"] * 20)
    report = make_report(dataset, suspects=3, influence=pa.array([float("nan"), float("inf")] * 20))
    html = render_html(report, dataset)
    assert {row["influence"] for row in Page(html).data["rows"]} == {0}
    assert html.count("<dt>influence</dt><dd>–</dd>") == 40


def test_decisions_belong_to_one_audit(digits):
    report, dataset = digits
    key = Page(render_html(report, dataset)).data["key"]
    assert key.startswith("labelaudit:ffffffffffffffff:")
    report.metadata["seconds"]["audit"] += 0.1  # the same audit, made again
    assert Page(render_html(report, dataset)).data["key"] != key


def test_another_dataset_is_refused(digits):
    report, dataset = digits
    with pytest.raises(InputError, match="the source has 3 rows, the report 600: it is another dataset"):
        render_html(report, texts_dataset(["a", "b", "c"]))
    ids = ["0/other.png", *dataset.ids[1:]]
    with pytest.raises(InputError, match=f"row 0 is '0/other.png', in the report '{dataset.ids[0]}'"):
        render_html(report, make_dataset(dataset.content, ids, dataset.labels))


@pytest.fixture
def run():
    app = typer.Typer()
    app.command()(report_command)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_writes_the_page_beside_the_report(run, digits, tmp_path):
    report, dataset = digits
    report.save(tmp_path / "report.parquet")
    for place in (tmp_path, tmp_path / "report.parquet"):
        result = run(place, "--shown", "7")
        assert (result.exit_code, result.stdout) == (0, f"Report: {tmp_path / 'report.html'}\n")
        assert (tmp_path / "report.html").read_text() == render_html(report, dataset, shown=7)
        (tmp_path / "report.html").unlink()
    assert run(tmp_path, "--out", tmp_path / "other.html").exit_code == 0
    assert (tmp_path / "other.html").read_text() == render_html(report, dataset)


def test_the_command_says_what_is_wrong_in_a_line(run, digits, tmp_path):
    report, _ = digits
    report.metadata["source"]["path"] = str(tmp_path / "moved")
    report.save(tmp_path / "report.parquet")
    result = run(tmp_path)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {tmp_path / 'moved'} does not exist")
    assert result.stderr.endswith("; where the data is now, say with --source\n")
    assert result.stderr.count("\n") == 1
    assert run(tmp_path, "--source", SAMPLE / "train").exit_code == 0
    for arguments, message in (
        (
            (tmp_path, "--source", SAMPLE / "test"),
            f"error: {SAMPLE / 'test'} has 200 rows, the report 600: it is "
            "another dataset, or has changed since the audit\n",
        ),
        (
            (tmp_path, "--source", SAMPLE / "train", "--out", tmp_path),
            f"error: --out: {tmp_path} is a folder; name a file in it\n",
        ),
    ):
        result = run(*arguments)
        assert (result.exit_code, result.stderr) == (2, message)
    assert run(Path("no-such-report")).exit_code == 2
