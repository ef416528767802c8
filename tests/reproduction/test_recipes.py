from __future__ import annotations

import json
import sys
import tomllib

import numpy as np
import pytest
import torch

from labelaudit.data.batches import Features
from labelaudit.errors import InputError
from labelaudit.reproduction.experiments import EXPERIMENTS, make_trial, two_class_network
from labelaudit.reproduction.image_pool import standardised
from labelaudit.reproduction.recipe import Cell, Recipe, Setting, load_recipe, recipe_names
from labelaudit.reproduction.run import reproduce
from tests.support.data import digits, digits_as_mnist
from tests.support.paths import ROOT, SAMPLE
from tests.support.progress import Notes
from tests.support.training import flat

QUICK = Setting(learning_rate=0.05, epochs=3, batch_size=8, solver="sgd", damping=0.1)


def recipe(experiment: str, cells: tuple[Cell, ...] | None = None) -> Recipe:
    cells = cells or (Cell(model="dnn", task="mnist", original=QUICK, flips=3 if experiment == "flips" else 0),)
    return Recipe(title="Quick", experiment=experiment, cells=cells, seeds=2, train=20)


def run(wanted: Recipe, tmp_path, progress=None, **options):
    options = {"weights": tmp_path, "processes": 1} | options
    return reproduce(wanted, tmp_path, tmp_path / "out", progress or Notes(), **options)


def with_query(wanted: Recipe, rows: int) -> Recipe:
    cells = tuple(
        cell.model_copy(update={"original": cell.original.model_copy(update={"query_rows": rows})})
        for cell in wanted.cells
    )
    return wanted.model_copy(update={"cells": cells})


def test_every_recipe_is_valid_and_has_the_papers_figures():
    assert recipe_names() == ["table1", "table2", "table3", "table4", "table5", "table6", "table6-stand-in"]
    for name in recipe_names():
        assert load_recipe(name).cells
    second = {cell.name: cell.paper for cell in load_recipe("table2").cells}
    assert second["dnn · mnist"]["DIT spearman"] == (0.98, 0.01)
    fifth = {cell.name: cell for cell in load_recipe("table5").cells}
    assert fifth["cnn · mnist · 51 flips"].paper["last-epoch DIT"] == (48.69, 0)
    assert fifth["lr · mnist · 12 flips"].original == Setting(
        learning_rate=0.003, schedule="inverse-sqrt", solver="sgd", damping=0
    )
    assert sorted(file.stem for file in (ROOT / "recipes").glob("*.toml")) == recipe_names()


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_each_experiment_gives_the_figures_of_its_table(experiment, tmp_path):
    digits_as_mnist(tmp_path)
    result = run(with_query(recipe(experiment), 20), tmp_path)
    (cell,) = result["cells"]
    figures = cell["settings"]["original"]["figures"]
    table = {"patterns": 1, "agreement": 2, "agreement-by-pattern": 3, "stages": 4, "flips": 5}[experiment]
    of_paper = set(load_recipe(f"table{table}").cells[0].paper)
    found = set(figures)
    if experiment == "agreement-by-pattern":  # patterns but the stable one may have too few samples
        of_paper = {name for name in of_paper if name.startswith("stable")}
    assert of_paper <= found
    assert all(figure["seeds"] <= 2 for figure in figures.values())
    pictures = sorted(file.name for file in (tmp_path / "out").glob("*.png"))
    assert pictures == (
        ["influence-dnn-mnist-original-0.png", "patterns-dnn-mnist-original-0.png"] if experiment == "patterns" else []
    )
    if experiment == "patterns":
        assert sum(figures[name]["mean"] for name in ("stable", "early", "late", "fluctuating")) == pytest.approx(100)
    if experiment == "flips":
        assert figures["last-epoch DIT"]["mean"] >= 1.5  # of three; chance is 0.45
        assert figures["final loss"]["mean"] >= 1.5
    if experiment == "agreement":
        assert figures["DIT pearson"]["mean"] > figures["IF pearson"]["mean"]
    json.dumps(result, allow_nan=False)


def test_results_are_kept_and_not_computed_again(tmp_path, monkeypatch):
    digits_as_mnist(tmp_path)
    wanted = with_query(recipe("stages"), 20)
    first = run(wanted, tmp_path)
    kept = sorted((tmp_path / "out" / "seeds").iterdir())
    assert [file.name for file in kept] == ["dnn-mnist-original-0.json", "dnn-mnist-original-1.json"]
    kept[1].write_text("{}")  # as if killed while it was written, by someone who does not rename
    progress = Notes()
    second = run(wanted, tmp_path, progress)
    assert progress.notes == [f"1 of 2 results are in {tmp_path / 'out' / 'seeds'} already"]
    assert second["cells"][0]["settings"]["original"]["figures"] == first["cells"][0]["settings"]["original"]["figures"]
    changed = wanted.model_copy(update={"train": 21})
    progress = Notes()
    run(changed, tmp_path, progress)
    assert progress.notes == []
    more = run(changed, tmp_path, processes=2, seeds=3)
    assert more["seeds"] == [0, 1, 2]


def test_results_of_other_data_are_not_kept(tmp_path):
    """The content of the files counts, not where they lie."""
    wanted = with_query(recipe("stages"), 20)
    first = run(wanted, digits_as_mnist(tmp_path), seeds=1)
    moved = tmp_path / "moved"
    moved.mkdir()
    (moved / "mnist.npz").write_bytes((tmp_path / "mnist.npz").read_bytes())
    options = {"weights": tmp_path, "processes": 1, "seeds": 1}
    progress = Notes()
    reproduce(wanted, moved, tmp_path / "out", progress, **options)
    assert progress.notes == [f"1 of 1 results are in {tmp_path / 'out' / 'seeds'} already"]
    arrays = dict(np.load(tmp_path / "mnist.npz"))
    arrays["x_train"] = arrays["x_train"][:, ::-1]  # as long as before
    np.savez(moved / "mnist.npz", **arrays)
    progress = Notes()
    changed = reproduce(wanted, moved, tmp_path / "out", progress, **options)
    assert progress.notes == []
    figures = [result["cells"][0]["settings"]["original"]["figures"] for result in (first, changed)]
    assert figures[0] != figures[1]


def test_cells_without_data_are_left_out_by_name_and_none_is_an_error(tmp_path):
    digits_as_mnist(tmp_path)
    cells = tuple(Cell(model="lr", task=task, original=QUICK) for task in ("mnist", "emnist"))
    progress = Notes()
    result = run(with_query(recipe("stages", cells), 20), tmp_path, progress, seeds=1)
    assert [cell["cell"] for cell in result["cells"]] == ["lr · mnist"]
    assert progress.notes[0].startswith("left out emnist: ")
    assert "emnist-letters-train-images-idx3-ubyte" in progress.notes[0]
    with pytest.raises(InputError, match="emnist-letters-train-images"):
        run(recipe("stages", cells[1:]), tmp_path)
    with pytest.raises(InputError, match=r"no cell's name contains 'vit'; there are: lr · mnist, lr · emnist"):
        run(recipe("stages", cells), tmp_path, only="vit")
    with pytest.raises(InputError, match="no such setting; try `setting` both"):
        run(with_query(recipe("stages", cells[:1]), 20), tmp_path, settings=("ours",))


def test_pictures_without_matplotlib_are_refused_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    digits_as_mnist(tmp_path)
    cells = (Cell(model="lr", task="mnist", original=QUICK),)
    with pytest.raises(InputError, match=r"needs matplotlib: pip install 'labelaudit\[plots\]'"):
        run(with_query(recipe("patterns", cells), 20), tmp_path, seeds=1)
    assert run(with_query(recipe("stages", cells), 20), tmp_path, seeds=1)["seeds"] == [0]


def test_what_is_no_recipe_is_told(tmp_path):
    with pytest.raises(InputError, match=r"there is no recipe 'table7'; there are table1, table2"):
        load_recipe("table7")
    file = tmp_path / "own.toml"
    text = 'title = "t"\nexperiment = "stages"\n[[cells]]\nmodel = "lr"\ntask = "mnist"\n'
    file.write_text(text + "original = { learning_rate = -1 }\n")
    with pytest.raises(InputError, match=r"own.toml: cells.0.original.learning_rate: input should be greater than 0"):
        load_recipe(str(file))
    file.write_text(text + "orginal = { learning_rate = 1 }\n")
    with pytest.raises(InputError, match=r"cells.0.orginal: extra inputs are not permitted"):
        load_recipe(str(file))
    file.write_text(text + "[[cells]]\nmodel = 'lr'\ntask = 'mnist'\n")
    with pytest.raises(InputError, match="two cells are called 'lr · mnist': give one of them a label"):
        load_recipe(str(file))
    file.write_text("title = ")
    with pytest.raises(InputError, match=r"own.toml: "):
        load_recipe(str(file))


def test_flips_are_planted_in_training_rows_only(tmp_path):
    from labelaudit.reproduction.tasks import load_task

    task = load_task("mnist", digits_as_mnist(tmp_path), 0, 20, 20, 20)
    trial = make_trial(Cell(model="lr", task="mnist", flips=5, original=QUICK), QUICK, task, seed=1)
    changed = (trial.labels != task.labels).numpy()
    assert changed.sum() == 5 == trial.flipped.sum()
    assert (changed[task.train.numpy()] == trial.flipped).all()


@pytest.mark.parametrize(("name", "parameters"), [("lr", 785), ("dnn", 6361), ("cnn", 320 + 18496 + 3137)])
def test_the_papers_networks_have_one_output(name, parameters):
    pixels, labels = digits((1, 7), 3)
    batches = Features(pixels.double() / 255, labels)
    model = flat(two_class_network(name, batches.inputs))
    logits = model(batches.batch(labels * 0)[0])
    assert len(model.theta) == parameters
    assert logits.shape == (6, 2)
    assert not logits[:, 0].any()  # softmax over (0, z) is the logistic function of z


def photographs(tmp_path):
    import pandas as pd

    files = [(digit, file) for digit in "07" for file in sorted((SAMPLE / "train" / digit).iterdir())[:30]]
    frame = pd.DataFrame({"jpeg": [file.read_bytes() for _, file in files], "label": [d for d, _ in files]})
    frame.to_parquet(tmp_path / "pair.parquet")


def test_an_image_pool_is_ranked_by_a_held_out_query(tmp_path):
    photographs(tmp_path)
    text = (ROOT / "recipes" / "table6-stand-in.toml").read_text()
    wanted = tomllib.loads(text)
    wanted["images"] = {"file": "pair.parquet", "flipped_class": "0", "query_per_class": 10, "pool": 30}
    setting = {"learning_rate": 0.01, "epochs": 6, "batch_size": 8, "momentum": 0.5, "estimator": "expected"}
    setting |= {"removal": "window", "query_at": "ends"}
    wanted["cells"] = [{"model": "cnn", "task": "digits", "flips": 8, "ours": setting}]
    result = run(Recipe.model_validate(wanted), tmp_path, seeds=2)
    figures = result["cells"][0]["settings"]["ours"]["figures"]
    assert figures["pool"]["mean"] == 30
    assert figures["DIT, found in %"]["mean"] > 60  # chance is 27
    wanted["cells"][0]["flips"] = 21
    with pytest.raises(InputError, match="21 flips are more than the 20 rows of '0' beside the query"):
        run(Recipe.model_validate(wanted), tmp_path, seeds=1)
    wanted["images"]["weights"] = "none.safetensors"
    with pytest.raises(InputError, match=r"it needs none.safetensors in"):
        run(Recipe.model_validate(wanted), tmp_path, seeds=1)


@pytest.mark.parametrize("blocks", [0, 2])
def test_of_a_timm_network_a_head_alone_can_be_trained(blocks, tmp_path):
    """A random network's features of digits, which a linear head tells apart."""
    photographs(tmp_path)
    wanted = tomllib.loads((ROOT / "recipes" / "table6-stand-in.toml").read_text())
    wanted["images"] = {"file": "pair.parquet", "flipped_class": "0", "query_per_class": 10, "pool": 30}
    wanted["images"]["image_size"] = 32
    setting = {"trained": "head", "blocks": blocks, "learning_rate": 0.1, "epochs": 20, "batch_size": 8}
    wanted["cells"] = [{"model": "test_vit", "task": "digits", "flips": 6, "ours": setting | {"estimator": "expected"}}]
    figures = run(Recipe.model_validate(wanted), tmp_path, seeds=1)["cells"][0]["settings"]["ours"]["figures"]
    assert figures["DIT, found in %"]["mean"] > 40  # chance is 20


def test_a_network_without_what_a_head_needs_is_refused(tmp_path):
    photographs(tmp_path)
    wanted = tomllib.loads((ROOT / "recipes" / "table6-stand-in.toml").read_text())
    wanted["images"] = {"file": "pair.parquet", "flipped_class": "0", "query_per_class": 10, "pool": 30}
    wanted["images"]["image_size"] = 32
    for model, blocks, reason in [
        ("cnn", 0, "no head of its own"),
        ("cnn", 4, "no class token"),
        ("test_vit", 99, "blocks, not 99"),
    ]:
        setting = {"trained": "head", "blocks": blocks, "learning_rate": 0.1}
        wanted["cells"] = [{"model": model, "task": "digits", "flips": 6, "ours": setting}]
        with pytest.raises(InputError, match=reason):
            run(Recipe.model_validate(wanted), tmp_path, seeds=1)


def test_standardised_features_are_so_over_the_pool():
    features = torch.tensor([[1.0, 10.0], [3.0, 30.0], [7.0, 20.0]])
    scaled = standardised(features, torch.tensor([0, 1]))
    torch.testing.assert_close(scaled, torch.tensor([[-1.0, -1.0], [1.0, 1.0], [5.0, 0.0]]) / 2**0.5)


def test_the_papers_own_pool_says_what_it_needs(tmp_path):
    with pytest.raises(InputError, match=r"it needs brambling_daisy.parquet in .* one of them called 'brambling'"):
        run(load_recipe("table6"), tmp_path)
