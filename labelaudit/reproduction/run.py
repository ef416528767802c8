"""Run a recipe: every cell, setting and seed, over processes, each result kept as soon as it is there."""

from __future__ import annotations

import json
import os
import platform
import re
import time
from collections.abc import Iterable
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from labelaudit.data.dataset import content_hash
from labelaudit.errors import InputError
from labelaudit.influence.dynamics import classify_patterns
from labelaudit.progress import Progress
from labelaudit.reproduction.experiments import EXPERIMENTS, Figures, Outcome, make_trial
from labelaudit.reproduction.image_pool import check_pool, rank_pool
from labelaudit.reproduction.recipe import Cell, Recipe, SettingName
from labelaudit.reproduction.tasks import load_task, task_files
from labelaudit.runtime.files import file_hash, write_atomically

RESULTS = "seeds"  # the folder below `out`
DRAWN = "patterns"  # the experiment whose influence over the epochs is drawn


@dataclass(frozen=True)
class Job:
    """One seed of one setting in one cell."""

    recipe: Recipe
    cell: Cell
    setting: SettingName
    seed: int
    data: Path
    weights: Path
    device: str

    @property
    def file_name(self) -> str:
        """Where its result is kept, below the results' folder."""
        return "-".join(re.findall(r"\w+", self.cell.name)) + f"-{self.setting}-{self.seed}.json"

    @property
    def files(self) -> list[Path]:
        """What it reads."""
        images = self.recipe.images
        if images is None:
            return task_files(self.cell.task, self.data)
        return [self.data / images.file] + ([self.weights / images.weights] if images.weights else [])

    @property
    def mark(self) -> str:
        """A hash of what decides its result: setting, seed, versions and the content of the files."""
        setting = self.cell.settings()[self.setting]
        parts: list[Any] = [
            setting.model_dump(mode="json", exclude={"seeds"}),
            self.cell.model_dump(mode="json", exclude={"original", "ours", "paper"}),
        ]
        images = None if self.recipe.images is None else self.recipe.images.model_dump(mode="json")
        parts += [self.recipe.experiment, self.recipe.train, images, self.seed]
        parts.append([file_hash(file) for file in self.files if file.is_file()])
        versions = [version("labelaudit"), torch.__version__]
        return content_hash(json.dumps([parts, versions], sort_keys=True).encode())

    def run(self) -> Outcome:
        """Do it.

        Raises:
            InputError: The data is missing or not what it should be.
        """
        setting = self.cell.settings()[self.setting]
        if self.recipe.experiment == "image-pool":
            return rank_pool(self.recipe, self.cell, setting, self.seed, self.data, self.weights, self.device)
        n = self.recipe.train
        task = load_task(self.cell.task, self.data, self.seed, n, n, setting.query_rows)
        return EXPERIMENTS[self.recipe.experiment](make_trial(self.cell, setting, task, self.seed))


def reproduce(
    recipe: Recipe,
    data: Path,
    out: Path,
    progress: Progress,
    *,
    weights: Path,
    settings: Iterable[SettingName] = ("original", "ours"),
    seeds: int | None = None,
    first_seed: int = 0,
    only: str = "",
    processes: int | None = None,
    device: str = "auto",
) -> dict[str, Any]:
    """Run a recipe, or go on with it, and put our figures beside the paper's.

    Args:
        recipe: What to run.
        data: Folder with the datasets.
        out: Each seed's result is kept here, and not computed again.
        progress: Told of each seed.
        weights: Folder with pretrained weights.
        settings: Which settings.
        seeds: How many seeds; None for the recipe's number.
        first_seed: The first of them.
        only: Run only the cells whose name contains this.
        processes: How many to use; None for one a core. Image pools use one, with all cores.
        device: Where image pools run.

    Returns:
        JSON values: for each cell and setting the mean, deviation and number of each figure, and the paper's.

    Raises:
        InputError: No cell's data is at hand, no cell is called like that, or matplotlib is missing.
    """
    wanted = [cell for cell in recipe.cells if only.lower() in cell.name.lower()]
    if not wanted:
        raise InputError(f"no cell's name contains {only!r}; there are: " + ", ".join(c.name for c in recipe.cells))
    if recipe.experiment == DRAWN and find_spec("matplotlib") is None:
        raise InputError("this table is drawn as well, which needs matplotlib: pip install 'labelaudit[plots]'")
    cells = _with_data(recipe, wanted, data, weights, progress)
    jobs = [
        Job(recipe, cell, name, seed, data, weights, device)
        for cell in cells
        for name, setting in cell.settings().items()
        if name in settings
        for seed in range(first_seed, first_seed + (seeds or setting.seeds or recipe.seeds))
    ]
    if not jobs:
        raise InputError("the recipe has no such setting; try `setting` both")
    folder = out / RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    done = {job.file_name: kept for job in jobs if (kept := _load(folder / job.file_name, job)) is not None}
    if done:
        progress.note(f"{len(done)} of {len(jobs)} results are in {folder} already")
    missing = [job for job in jobs if job.file_name not in done]
    problems: list[str] = []
    with progress.stage("Seeds", len(missing)) as advance:
        for job, result in _results(missing, 1 if recipe.experiment == "image-pool" else processes):
            if "problem" in result:
                problems.append(f"{job.cell.name}, {job.setting} setting, seed {job.seed}: {result['problem']}")
                progress.note(problems[-1])
                advance(1)
                continue
            done[job.file_name] = result
            _save(folder / job.file_name, job, result)
            advance(1)
    if not done:
        raise InputError(problems[0])
    _plot(jobs, done, out)
    return _summary(recipe, jobs, done)


def _with_data(recipe: Recipe, cells: list[Cell], data: Path, weights: Path, progress: Progress) -> list[Cell]:
    """The cells whose data is at hand; the others are named with what they need."""
    problems: dict[str, str] = {}
    found = []
    for cell in cells:
        if cell.task not in problems:
            try:
                if recipe.experiment == "image-pool":
                    check_pool(recipe, data, weights)
                else:
                    load_task(cell.task, data, 0, recipe.train, recipe.train, recipe.train)
            except InputError as error:
                problems[cell.task] = str(error)
                progress.note(f"left out {cell.task}: {error}")
            else:
                problems[cell.task] = ""
        if not problems[cell.task]:
            found.append(cell)
    if not found:
        raise InputError(next(iter(problems.values())))
    return found


def _results(jobs: list[Job], processes: int | None) -> Iterable[tuple[Job, dict[str, Any]]]:
    processes = min(processes or os.cpu_count() or 1, len(jobs))
    if processes <= 1:
        for job in jobs:
            yield job, _work(job)
        return
    # Fresh processes: what torch has begun in this one would not survive a fork.
    data = ProcessPoolExecutor(processes, get_context("spawn"), torch.set_num_threads, (1,))
    try:
        futures: dict[Future[dict[str, Any]], Job] = {data.submit(_work, job): job for job in jobs}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        data.shutdown(cancel_futures=True)


def _work(job: Job) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        outcome = job.run()
    except InputError as error:  # of one seed: the others may do
        return {"problem": str(error)}
    figures = {name: value for name, value in outcome.figures.items() if np.isfinite(value)}
    influence = None if outcome.influence is None else outcome.influence.tolist()
    return {"figures": figures, "influence": influence, "seconds": round(time.perf_counter() - started, 2)}


def _load(path: Path, job: Job) -> dict[str, Any] | None:
    """A kept result, if it is of the same job."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(kept, dict) or kept.get("mark") != job.mark or kept.get("sha256") != _hash(kept.get("result")):
        return None
    result: dict[str, Any] = kept["result"]
    return result


def _hash(result: Any) -> str:
    return content_hash(json.dumps(result, sort_keys=True).encode())


def _save(path: Path, job: Job, result: dict[str, Any]) -> None:
    kept = {"mark": job.mark, "sha256": _hash(result), "result": result}
    write_atomically(path, lambda file: file.write_text(json.dumps(kept) + "\n"))


def _plot(jobs: list[Job], done: dict[str, dict[str, Any]], out: Path) -> None:
    """Draw the first seed's influence over the epochs, and the patterns in it, for each cell and setting."""
    if jobs[0].recipe.experiment != DRAWN:
        return
    from labelaudit.reproduction.plots import (  # brings in matplotlib
        plot_influence_over_epochs,
        plot_patterns,
        save_png,
    )

    drawn = set()
    for job in jobs:
        influence = done.get(job.file_name, {}).get("influence")
        if influence is None or (job.cell.name, job.setting) in drawn:
            continue
        drawn.add((job.cell.name, job.setting))
        series, name = np.array(influence), job.file_name.removesuffix(".json")
        title = f"{job.cell.name}, {job.setting} setting, seed {job.seed}"
        extreme = {int(series[:, -1].argmin()): "most harmful", int(series[:, -1].argmax()): "most helpful"}
        highlighted = {row: f"{what} in the last epoch" for row, what in extreme.items()}
        save_png(plot_patterns(classify_patterns(series), title), out / f"patterns-{name}.png")
        save_png(plot_influence_over_epochs(series, highlighted, title), out / f"influence-{name}.png")


def _summary(recipe: Recipe, jobs: list[Job], done: dict[str, dict[str, Any]]) -> dict[str, Any]:
    cells = []
    for cell in recipe.cells:
        settings = {}
        for name in cell.settings():
            results = [done[j.file_name] for j in jobs if (j.cell, j.setting) == (cell, name) and j.file_name in done]
            if not results:
                continue
            settings[name] = {
                "setting": cell.settings()[name].model_dump(mode="json"),
                "figures": _mean_and_deviation([result["figures"] for result in results]),
                "seconds_a_seed": round(float(np.mean([result["seconds"] for result in results])), 2),
            }
        if not settings:
            continue
        paper = {figure: {"mean": mean, "std": std} for figure, (mean, std) in cell.paper.items()}
        cells.append({"cell": cell.name, "paper": paper, "settings": settings})
    return {
        "title": recipe.title,
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}",
        "labelaudit_version": version("labelaudit"),
        "seeds": sorted({job.seed for job in jobs}),
        "seconds_of_all_seeds": round(sum(result["seconds"] for result in done.values()), 1),
        "notes": list(recipe.notes),
        "cells": cells,
    }


def _mean_and_deviation(seeds: list[Figures]) -> dict[str, dict[str, float]]:
    """Over the seeds that have a figure; the deviation is that of a sample, as in the paper's tables."""
    names = dict.fromkeys(name for figures in seeds for name in figures)
    columns = {name: [figures[name] for figures in seeds if name in figures] for name in names}
    return {
        name: {
            "mean": round(float(np.mean(values)), 4),
            "std": round(float(np.std(values, ddof=1)), 4) if len(values) > 1 else 0.0,
            "seeds": len(values),
        }
        for name, values in columns.items()
    }
