"""Every setting of a run, typed and validated; the command line fills one of these, and the report keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from labelaudit.errors import InputError

Schedule = Literal["constant", "linear", "cosine", "inverse-sqrt"]
OptimizerName = Literal["sgd", "adamw"]
Removal = Literal["window", "start"]
QueryAt = Literal["ends", "final"]
TrajectoryMode = Literal["auto", "memory", "disk", "replay"]
Augmentation = Literal["none", "shift", "flip-shift"]
QueryName = Literal["probability", "calibrated", "loss", "margin"]
Estimator = Literal["expected", "visited"]
DerivativeMethod = Literal["auto", "central-differences", "forward-over-reverse"]
Dtype = Literal["float32", "float64", "bfloat16"]
Noise = Literal["symmetric", "pair"]
RankBy = Literal["influence", "score"]
Shard = Literal["auto", "always", "never"]
ImageCache = Literal["auto", "memory", "disk", "none"]
Kind = Literal["images", "texts", "table", "vectors"]
Part = Annotated[str, Field(pattern=r"^(all|head|last:\d+)$")]
"""A part of a network: all of it, its head, or `last:N`, the head and the N blocks before it."""
Tracked = Annotated[str, Field(pattern=r"^(auto|all|head|last:\d+)$")]
"""A part of a network, or `auto`: all of a small network, the last two blocks of a large one."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class SourceConfig(_Settings):
    """Where a dataset's columns and files are; None means: guess, and say what was guessed."""

    kind: Kind | None = None
    label_column: str | None = None
    image_column: str | None = None
    text_column: str | None = None
    vector_column: str | None = None
    feature_columns: tuple[str, ...] | None = None
    vectors: Path | None = None
    split: str | None = None
    id_column: str | None = None
    image_root: Path | None = None
    allow_missing: bool = False
    max_unreadable: Annotated[float, Field(ge=0, le=1)] = 0.1


class ModelConfig(_Settings):
    """Which network is fine-tuned, and from which weights. Without a name, what suits the kind of data."""

    name: str | None = None
    pretrained: bool = False
    weights: Path | None = None
    image_size: Annotated[int, Field(ge=4)] | None = None
    train: Part = "all"
    image_cache: ImageCache = "auto"
    image_cache_limit: Annotated[float, Field(gt=0)] | None = None


class TrainingConfig(_Settings):
    """The fine-tune. None means: what suits the model kind and the number of rows."""

    epochs: Annotated[int, Field(ge=1)] | None = None
    batch_size: Annotated[int, Field(ge=1)] | None = None
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    optimizer: OptimizerName = "sgd"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    nesterov: bool = False
    epsilon_root: Annotated[float, Field(gt=0)] = 1e-6
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    schedule: Schedule = "constant"
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    augmentation: Augmentation = "none"


class InfluenceConfig(_Settings):
    """What the sweep estimates, and how its derivatives are computed."""

    query: QueryName = "probability"
    estimator: Estimator = "expected"
    scoring_steps: Annotated[int, Field(ge=1)] = 1
    window: str = "last"
    removal: Removal = "window"
    query_at: QueryAt = "ends"
    trajectory: TrajectoryMode = "auto"
    derivatives: DerivativeMethod = "auto"
    track: Tracked = "auto"
    over_epochs: bool = False


class Aim(_Settings):
    """Which rows to call suspects.

    With neither, those whose label is more probably wrong than right, which has the fewest expected errors. With
    `precision`, as many as can be had at that expected share of wrong labels; with `budget`, the first so many.
    """

    precision: Annotated[float, Field(gt=0, le=1)] | None = None
    budget: Annotated[int, Field(ge=1)] | None = None


class AuditConfig(_Settings):
    """One audit, whole."""

    source: SourceConfig = SourceConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    influence: InfluenceConfig = InfluenceConfig()
    test_fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    rank_by: RankBy = "score"
    aim: Aim = Aim()
    seed: Annotated[int, Field(ge=0)] = 0
    device: str = "auto"
    dtype: Dtype = "float32"
    shard: Shard = "auto"


_OTHER_NAMES = {"model": "name", "augment": "augmentation"}  # of options whose section says the rest


def audit_config(**options: Any) -> AuditConfig:
    """The configuration that some options make, under the names they have on the command line.

    Example:
        >>> config = audit_config(model="lr", epochs=3, precision=0.8)
        >>> config.model.name, config.training.epochs, config.aim.precision
        ('lr', 3, 0.8)

    Raises:
        InputError: There is no such option, a value is out of its range, or two exclude each other.
    """
    if options.get("precision") is not None and options.get("budget") is not None:
        raise InputError("--precision and --budget exclude each other: one aims at a share, the other at a number")
    values: dict[str, Any] = {}
    for name, field in AuditConfig.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            own = {inner: options.pop(option) for option in list(options)
                   if (inner := _OTHER_NAMES.get(option, option)) in section.model_fields}  # fmt: skip
            values[name] = _checked(section, own)
    unknown = [option for option in options if option not in AuditConfig.model_fields or option in values]
    if unknown:
        raise InputError(f"there is no option {unknown[0]!r}; `labelaudit scan --help` names them all")
    checked: AuditConfig = _checked(AuditConfig, values | options)
    return checked


def _checked(settings: type[BaseModel], values: dict[str, Any]) -> Any:
    try:
        return settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        option = {inner: option for option, inner in _OTHER_NAMES.items()}.get(
            str(first["loc"][0]), str(first["loc"][0])
        )
        raise InputError(f"--{option.replace('_', '-')}: {first['msg'].lower()} (it is {first['input']})") from error
