"""`labelaudit reproduce`: the paper's tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from labelaudit.cli.console import Console
from labelaudit.cli.ending import ending_in_exit_codes

SettingChoice = Literal["both", "original", "ours"]


def reproduce(
    recipe: Annotated[str, Argument(metavar="RECIPE", help="table1 to table6, or a TOML file of your own.")],
    data: Annotated[Path, Option(help="Folder with the datasets' files.")] = Path("data"),
    weights: Annotated[
        Path | None, Option(help="Folder with pretrained weights.", show_default="the data's neighbour 'weights'")
    ] = None,
    setting: Annotated[
        SettingChoice, Option(help="The paper's own settings, the ones we would choose, or both.")
    ] = "both",
    seeds: Annotated[int | None, Option(min=1, help="How many seeds.", show_default="the recipe's")] = None,
    first_seed: Annotated[int, Option(min=0, help="The first of them.")] = 0,
    only: Annotated[str, Option(help="Only cells whose name contains this, such as 'dnn · mnist'.")] = "",
    processes: Annotated[int | None, Option(min=1, help="Processes.", show_default="one a core")] = None,
    device: Annotated[str, Option(help="Where table6 runs: auto, cpu, cuda, ….")] = "auto",
    out: Annotated[
        Path | None, Option(help="Folder for RECIPE.json and each seed's result.", show_default="reproduction/RECIPE")
    ] = None,
    quiet: Annotated[bool, Option("--quiet", "-q", help="No progress and no notes.")] = False,
    as_json: Annotated[bool, Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Run an experiment of the DIT paper and put our figures beside the paper's.

    Each seed's result is kept in --out and not computed again: give the same command to go on after a kill, or to add
    seeds. The summary is OUT/RECIPE.json.
    """
    console = Console(quiet=quiet, as_json=as_json)
    with ending_in_exit_codes(console):
        from labelaudit.files import write_atomically
        from labelaudit.reproduction.recipe import load_recipe

        loaded = load_recipe(recipe)
        from labelaudit.reproduction.run import reproduce as run_recipe  # torch takes seconds to import

        name = Path(recipe).stem
        folder = out or Path("reproduction") / name
        result = run_recipe(
            loaded, data, folder, console, weights=weights or data.parent / "weights",
            settings=("original", "ours") if setting == "both" else (setting,), seeds=seeds, first_seed=first_seed,
            only=only, processes=processes, device=device,
        )  # fmt: skip
        path = folder / f"{name}.json"
        write_atomically(path, lambda file: file.write_text(json.dumps(result, indent=2, allow_nan=False) + "\n"))
        if console.as_json:
            console.json(result)
        else:
            console.reproduction(result)
            console.written(f"Results: {path}")
