"""`labelaudit reproduce`: the paper's tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from labelaudit.cli.console import Console
from labelaudit.cli.exit_codes import ending_in_exit_codes
from labelaudit.cli.options import AsJson, Quiet, with_choices

REPRODUCE_EXAMPLES = {
    "labelaudit reproduce table2 --data data": "the paper's table 2, with the files in data",
    "labelaudit reproduce table2 --only 'dnn · mnist' --seeds 1": "a first look at one cell",
}
SettingChoice = Literal["both", "original", "ours"]


def reproduce(
    recipe: Annotated[str, Argument(metavar="RECIPE", help="table1 to table6, or a TOML file of your own.")],
    data: Annotated[Path, Option(metavar="FOLDER", help="Folder with the datasets' files.")] = Path("data"),
    weights: Annotated[
        Path | None,
        Option(metavar="FOLDER", help="Folder with pretrained weights.", show_default="the data's neighbour 'weights'"),
    ] = None,
    setting: Annotated[
        SettingChoice,
        Option(
            metavar="CHOICE",
            help=with_choices(
                "Which settings to run.",
                {"both": "both of these", "original": "the paper's own", "ours": "the ones we would choose"},
            ),
        ),
    ] = "both",
    seeds: Annotated[
        int | None, Option(min=1, metavar="N", help="Number of seeds.", show_default="the recipe's")
    ] = None,
    first_seed: Annotated[int, Option(min=0, metavar="N", help="The first of them.")] = 0,
    only: Annotated[
        str,
        Option(metavar="TEXT", help="Only cells whose name contains this, such as 'dnn · mnist'.", show_default="all"),
    ] = "",
    processes: Annotated[
        int | None, Option(min=1, metavar="N", help="Number of processes.", show_default="one a core")
    ] = None,
    device: Annotated[
        str,
        Option(metavar="NAME", help="Device for table6, as cuda:1.", show_default="the first GPU, or else the CPU"),
    ] = "auto",
    out: Annotated[
        Path | None,
        Option(
            metavar="FOLDER",
            help="Folder for RECIPE.json and each seed's result.",
            show_default="reproduction/RECIPE",
        ),
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Run an experiment of the DIT paper and put our figures beside the paper's.

    Each seed's result is kept in --out and not computed again: give the same command to go on after a kill, or to add
    seeds. The summary is OUT/RECIPE.json.
    """
    console = Console(quiet=quiet, as_json=as_json)
    with ending_in_exit_codes(console):
        from labelaudit.reproduction.recipe import load_recipe
        from labelaudit.runtime.files import write_atomically

        loaded = load_recipe(recipe)
        from labelaudit.reproduction.run import reproduce as run_recipe  # torch takes seconds to import

        name = Path(recipe).stem
        folder = out or Path("reproduction") / name
        result = run_recipe(
            loaded,
            data,
            folder,
            console,
            weights=weights or data.parent / "weights",
            settings=("original", "ours") if setting == "both" else (setting,),
            seeds=seeds,
            first_seed=first_seed,
            only=only,
            processes=processes,
            device=device,
        )
        path = folder / f"{name}.json"
        write_atomically(path, lambda file: file.write_text(json.dumps(result, indent=2, allow_nan=False) + "\n"))
        if console.as_json:
            console.json(result)
        else:
            console.reproduction(result)
            console.written(f"Results: {path}")
