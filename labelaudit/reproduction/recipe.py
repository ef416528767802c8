"""Recipes: one TOML file for each table of the paper, validated."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path, PurePath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from labelaudit.errors import InputError
from labelaudit.runtime.regular_files import require_regular
from labelaudit.types import Estimator, QueryAt, QueryName, Removal, Schedule

Experiment = Literal["patterns", "agreement", "agreement-by-pattern", "stages", "flips", "image-pool"]
SettingName = Literal["original", "ours"]


def _own_network(name: str) -> str:
    """Refuse a factory: what a file says is never imported."""
    if ":" in name:
        raise ValueError("a recipe names networks of labelaudit or timm, never code")
    return name


def _inside(name: str) -> str:
    """Refuse a file that is not below the folder it is looked for in."""
    path = PurePath(name)
    if not name or path.is_absolute() or ".." in path.parts:
        raise ValueError("a file is named relative to the folder it is in, without ..")
    return name


NetworkName = Annotated[str, AfterValidator(_own_network)]
FileName = Annotated[str, AfterValidator(_inside)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)


class Setting(_Strict):
    """How a network is trained and its influence estimated; the defaults are the paper's.

    `trained` is what of an image pool's network is trained: all of it, or a new head that sees the class tokens of the
    last `blocks` blocks (0: what the network's own head sees), standardised over the pool. `seeds` is how many seeds
    there are by default, where those of the recipe would take too long.
    """

    learning_rate: Annotated[float, Field(gt=0)]
    schedule: Schedule = "constant"
    epochs: Annotated[int, Field(ge=1)] = 21
    batch_size: Annotated[int, Field(ge=1)] = 64
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    weight_decay: Annotated[float, Field(ge=0)] = 0.001
    query: QueryName = "loss"
    query_rows: Annotated[int, Field(ge=2)] = 256
    estimator: Estimator = "visited"
    scoring_steps: Annotated[int, Field(ge=1)] = 4
    removal: Removal = "start"
    query_at: QueryAt = "final"
    solver: Literal["cg", "sgd"] = "cg"
    trained: Literal["all", "head"] = "all"
    blocks: Annotated[int, Field(ge=0)] = 0
    damping: Annotated[float, Field(ge=0)] = 0.01
    solver_iterations: Annotated[int, Field(ge=1)] = 100
    seeds: Annotated[int, Field(ge=1)] | None = None


class Cell(_Strict):
    """One network on one dataset, with the paper's figures for it.

    Attributes:
        model: lr, dnn or cnn; for image pools any timm model.
        task: The dataset.
        label: What sets it apart from another cell with the same network and dataset.
        flips: How many training labels are flipped.
        original: The paper's own setting, as far as it is known.
        ours: The one we would choose, where it is another.
        leave_one_out: Whether to retrain without each sample where the table has a column for it.
        paper: Mean and deviation of each figure, in the paper.
    """

    model: NetworkName
    task: str
    label: str = ""
    flips: Annotated[int, Field(ge=0)] = 0
    original: Setting | None = None
    ours: Setting | None = None
    leave_one_out: bool = True
    paper: dict[str, tuple[float, float]] = {}

    @property
    def name(self) -> str:
        """What a table calls it."""
        flips = f"{self.flips} flips" if self.flips else ""
        return " · ".join(part for part in (self.model, self.task, self.label, flips) if part)

    def settings(self) -> dict[SettingName, Setting]:
        """The settings there are."""
        both: dict[SettingName, Setting | None] = {"original": self.original, "ours": self.ours}
        return {name: setting for name, setting in both.items() if setting is not None}


class ImagePool(_Strict):
    """The pool of Table VI: two classes of photographs, fine-tuned for an epoch.

    Attributes:
        file: Parquet with encoded images, in the data folder.
        flipped_class: Its labels are flipped to the other one's.
        query_per_class: Rows of each class held out as the query.
        pool: Rows that are trained on and ranked.
        weights: File with the network's weights, in the weights folder; None for a random network.
        image_size: Side in pixels.
    """

    file: FileName
    flipped_class: str
    query_per_class: int
    pool: int
    weights: FileName | None = None
    image_size: int | None = None


class Recipe(_Strict):
    """An experiment of the paper.

    Attributes:
        title: What it shows.
        experiment: What is done in each cell.
        cells: The table's cells.
        seeds: How many seeds by default.
        train: Training rows; as many validation rows are drawn.
        images: For `image-pool`.
        notes: What the reader should know.
    """

    title: str
    experiment: Experiment
    cells: tuple[Cell, ...]
    seeds: Annotated[int, Field(ge=1)] = 16
    train: Annotated[int, Field(ge=2)] = 256
    images: ImagePool | None = None
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _cells_have_names_of_their_own(self) -> Recipe:
        names = [cell.name for cell in self.cells]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two cells are called {twice[0]!r}: give one of them a label")
        return self


def recipe_names() -> list[str]:
    """The recipes that come with the package."""
    return sorted(file.name.removesuffix(".toml") for file in _folder().iterdir() if file.name.endswith(".toml"))


def load_recipe(name: str) -> Recipe:
    """Read a recipe by its name, or by the path of a TOML file.

    Raises:
        InputError: There is no such recipe, or it is not valid.
    """
    path = Path(name) if name.endswith(".toml") else _folder() / f"{name}.toml"
    if ("/" in name and not name.endswith(".toml")) or not path.exists():
        raise InputError(f"there is no recipe {name!r}; there are {', '.join(recipe_names())}, or give a TOML file")
    require_regular(path)
    try:
        return Recipe.model_validate(tomllib.loads(path.read_bytes().decode("utf-8-sig")))
    except ValidationError as error:
        raise InputError(_what_is_wrong(path, error)) from error
    except RecursionError as error:
        raise InputError(f"{path}: it is nested too deep") from error
    except (OSError, ValueError) as error:  # as those of TOML and of text that is not UTF-8 are
        raise InputError(f"{path}: it is no TOML: {error}") from error


def _what_is_wrong(path: Path, error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{path}: {place}: {first['msg'].lower()} (it is {str(first['input'])[:100]!r})"


def _folder() -> Path:
    """The recipes' folder: in an installed package beside its modules, in a checkout at the top."""
    installed = Path(str(files("labelaudit"))) / "recipes"
    return installed if installed.is_dir() else installed.parent.parent / "recipes"
