"""Every setting of a run, typed and validated; the command line fills one of these, and the report keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Schedule = Literal["constant", "linear", "cosine", "inverse-sqrt"]
OptimizerName = Literal["sgd", "adamw"]
Removal = Literal["window", "start"]
QueryAt = Literal["ends", "final"]
TrajectoryMode = Literal["auto", "memory", "disk", "replay"]
Augmentation = Literal["none", "shift", "flip-shift"]
QueryName = Literal["probability", "calibrated", "loss", "margin"]
Estimator = Literal["expected", "visited"]
DerivativeMethod = Literal["auto", "central-differences", "forward-over-reverse"]
Dtype = Literal["float32", "float64"]
Noise = Literal["symmetric", "pair"]
RankBy = Literal["influence", "score"]
Kind = Literal["images", "texts", "table", "vectors"]


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
    scoring_steps: Annotated[int, Field(ge=1)] = 2
    window: str = "last"
    removal: Removal = "window"
    query_at: QueryAt = "ends"
    trajectory: TrajectoryMode = "auto"
    derivatives: DerivativeMethod = "auto"


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
