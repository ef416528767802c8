"""Every setting of an audit: type, default, range and description. The command line makes its options from them.

The report keeps the configuration. `labelaudit.settings` has the same settings as one flat list.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

from labelaudit import types
from labelaudit.types import described as _described

DATA, MODEL, TRAINING, INFLUENCE, REPORT, RUN = "Data", "Model", "Fine-tune", "Influence", "Report", "Run"
"""The panels of the settings, in the order in which help shows them."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)
    panel: ClassVar[str]


def _names(value: object) -> object:
    """`A,B` as ("A", "B"); anything else as it is."""
    return tuple(value.split(",")) if isinstance(value, str) else value


class SourceConfig(_Settings):
    """Where a dataset's columns and files are; None: guess, and say what was guessed."""

    panel = DATA

    kind: types.Kind | None = _described(
        None,
        "What the rows of a table are.",
        shown="guessed",
        choices={
            "images": "paths of image files, or encoded images",
            "texts": "a column of texts",
            "table": "columns of numbers and categories",
            "vectors": "a column of lists of numbers, such as embeddings",
        },
    )
    label_column: str | None = _described(None, "Column with the label, in tables.", shown="guessed")
    image_column: str | None = _described(None, "Column with image paths or encoded images.", shown="guessed")
    text_column: str | None = _described(None, "Column with texts.", shown="guessed")
    vector_column: str | None = _described(None, "Column with lists of numbers.", shown="guessed")
    feature_columns: Annotated[tuple[str, ...], BeforeValidator(_names)] | None = _described(
        None, "Columns to learn from, as A,B,C.", shown="all but label and id"
    )
    vectors: Path | None = _described(
        None, "File (.npy) with a row of numbers for each row of the data, used instead of its content.", shown="none"
    )
    split: str | None = _described(None, "Split of a Hugging Face dataset.", shown="train, or the only one")
    id_column: str | None = _described(None, "Column with unique row ids.", shown="guessed")
    group_column: str | None = _described(
        None,
        "Column that says which rows belong together, such as patient or video: they share a fold.",
        shown="none; copies always share one",
    )
    near: float | None = _described(
        None, "How alike near copies have to be, up to 1 (none but copies).", shown="told by the data", ge=0, le=1
    )
    separator: str | None = _described(
        None,
        "What separates the cells of a CSV, such as ';' or '\\t'.",
        shown="recognised",
        pattern=r"^(.|\\t)$",
    )
    encoding: str | None = _described(
        None, "Encoding of a text table, such as utf-16 or cp1252.", shown="recognised", max_length=64
    )
    classes: Annotated[tuple[str, ...], BeforeValidator(_names)] | None = _described(
        None, "All class names in the order in which the network has them, as A,B,C.", shown="those of the labels"
    )
    image_root: Path | None = _described(
        None, "Folder that image paths in a table are relative to.", shown="the table's folder"
    )
    allow_missing: bool = _described(False, "Keep rows whose image file is missing, as unreadable.")
    max_unreadable: float = _described(0.1, "Share of unreadable images above which to stop.", ge=0, le=1)


class ModelConfig(_Settings):
    """Which network is fine-tuned, and from which weights. Without a name, what suits the kind of data."""

    panel = MODEL

    name: str | None = _described(
        None,
        "Network to fine-tune: lr, dnn, cnn, any timm model such as resnet18, or your own as package.module:factory.",
        shown="cnn for images, else lr",
        option="model",
    )
    pretrained: bool = _described(False, "Start from timm's pretrained weights, downloading them if need be.")
    weights: Path | None = _described(
        None, "Start from the weights in this file (safetensors, or a PyTorch state dict).", shown="random weights"
    )
    image_size: int | None = _described(
        None, "Side of the images the network gets, in pixels.", shown="the model's own", ge=4, le=1_000_000
    )
    train: types.Part = _described(
        "all",
        "Which part of the network is trained.",
        choices={
            "all": "the whole network",
            "last:N": "its head and the N blocks before it",
            "head": "a linear layer on features of the pretrained network, computed once and cached",
        },
    )
    text_encoding: types.TextEncoding = _described(
        "auto",
        "What texts are counted in.",
        choices={
            "auto": "what predicts held-out labels best",
            "words": "words",
            "pairs": "words and pairs of adjacent words",
            "characters": "up to four adjacent characters; for typos, and languages without spaces",
        },
    )
    image_cache: types.ImageCache = _described(
        "auto",
        "Where images are kept once decoded and resized.",
        choices={
            "auto": "memory if they fit, else disk",
            "memory": "in memory",
            "disk": "in a file in the cache folder",
            "none": "nowhere: decode them anew in each pass",
        },
    )
    image_cache_limit: float | None = _described(
        None, "Largest size of that file, in GB.", shown="80% of the free disk", gt=0
    )


class TrainingConfig(_Settings):
    """The fine-tune. None: what suits the model and the number of rows."""

    panel = TRAINING

    epochs: int | None = _described(None, "Passes over the training rows.", shown="3 to 6, by model", ge=1, le=100_000)
    batch_size: int | None = _described(None, "Rows in a mini-batch.", shown="32", ge=1, le=2**31)
    learning_rate: float | None = _described(
        None, "Learning rate at the start of the schedule.", shown="0.0003 to 0.01, by model", gt=0, le=1e30
    )
    optimizer: types.OptimizerName = _described(
        "sgd",
        "Optimizer of the fine-tune.",
        choices={"sgd": "stochastic gradient descent with momentum", "adamw": "Adam with decoupled weight decay"},
    )
    momentum: float = _described(0.9, "Momentum of sgd.", ge=0, lt=1)
    nesterov: bool = _described(False, "Use Nesterov momentum with sgd.")
    epsilon_root: float = _described(
        1e-6, "Constant under the square root of adamw; smaller values make influence noisy.", gt=0, le=1e30
    )
    clip_norm: float | None = _described(
        None, "Norm to which a mini-batch's gradient is clipped.", shown="no clipping", gt=0, le=1e30
    )
    weight_decay: float = _described(1e-4, "L2 penalty with sgd, decoupled weight decay with adamw.", ge=0, le=1e30)
    schedule: types.Schedule = _described(
        "constant",
        "Learning-rate schedule over the T steps of the run.",
        choices={
            "constant": "the same rate in every step",
            "linear": "falls to 0 in a straight line",
            "cosine": "falls to 0 in half a cosine wave",
            "inverse-sqrt": "falls as 1/√(t + 1)",
        },
    )
    warmup_steps: int = _described(0, "Steps in which the learning rate rises to the schedule's.", ge=0, le=2**31)
    augmentation: types.Augmentation = _described(
        "none",
        "Random changes of the training images.",
        choices={
            "none": "no changes",
            "shift": "shift by up to 1/8 of the side",
            "flip-shift": "the same, and mirror left to right",
        },
        option="augment",
    )


class InfluenceConfig(_Settings):
    """What influence is measured on, and how it is computed."""

    panel = INFLUENCE

    query: types.QueryName = _described(
        "probability",
        "Quantity on the query rows that influence is on.",
        choices={
            "probability": "mean calibrated probability of a wrong answer",
            "calibrated": "mean loss at the temperature that fits best",
            "loss": "mean cross-entropy, as in the paper",
            "margin": "mean margin of the label's logit, negated",
        },
    )
    estimator: types.Estimator = _described(
        "expected",
        "How a row's contribution to a step is taken.",
        choices={
            "expected": "its expectation over the draw of the mini-batch",
            "visited": "the sum over the steps that saw the row, as in the paper",
        },
    )
    scoring_steps: int = _described(
        1,
        "Points of the window at which estimator 'expected' scores all rows; each costs 2/3 of an epoch.",
        ge=1,
        le=2**31,
    )
    window: str = _described(
        "last",
        "Steps a row is left out of: an epoch as last, first, middle or 3; several as 3-5 or full; steps as "
        "steps:1-100.",
        max_length=64,
    )
    removal: types.Removal = _described(
        "window",
        "From when on a row is left out.",
        choices={"window": "in the window's steps only", "start": "from the first step of the run"},
    )
    query_at: types.QueryAt = _described(
        "ends",
        "Parameters at which the query is taken.",
        choices={"ends": "those where the window ends", "final": "those at the end of the run"},
    )
    trajectory: types.TrajectoryMode = _described(
        "auto",
        "Where the parameters of the window's T steps are kept.",
        choices={
            "auto": "by what memory and disk are free",
            "memory": "all of them in memory",
            "disk": "all of them on disk",
            "replay": "those of every √T-th step; the others are computed again",
        },
    )
    derivatives: types.DerivativeMethod = _described(
        "auto",
        "How Hessian-vector products are computed.",
        choices={
            "auto": "by precision and size of the network",
            "central-differences": "from two gradients each; less memory",
            "forward-over-reverse": "exactly, by automatic differentiation",
        },
    )
    track: types.Tracked = _described(
        "auto",
        "Parameters that influence goes through.",
        choices={
            "auto": "all of a small network, last:2 from a million parameters on",
            "all": "all that are trained",
            "last:N": "the head and the N blocks before it",
            "head": "the head",
        },
    )
    over_epochs: bool = _described(
        False,
        "Compute each row's influence in every epoch, too. Takes half as long again, or some times as long.",
        panel=REPORT,
    )


class SelectionRule(_Settings):
    """Which rows are suspects.

    With neither, those whose label is more probably wrong than right, which has the fewest expected errors. With
    `precision`, as many as keep that expected share of wrong labels; with `budget`, the first so many.
    """

    panel = REPORT

    precision: float | None = _described(
        None,
        "Call as many rows suspects as keep this share of them expected to be wrong.",
        shown="those more probably wrong than right",
        gt=0,
        le=1,
    )
    budget: int | None = _described(
        None, "Call this many first rows of the ranking suspects.", shown="none", ge=1, le=2**62
    )


class AuditConfig(_Settings):
    """All settings of one audit."""

    panel = RUN

    source: SourceConfig = SourceConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    influence: InfluenceConfig = InfluenceConfig()
    test_fraction: float | None = _described(
        None,
        "Share of the rows to hold out as the query; they are not scored.",
        shown="cross-audit",
        panel=DATA,
        gt=0,
        lt=1,
    )
    folds: types.Folds = _described(
        "auto",
        "Folds of the cross-audit: each trains on all but one part of the rows, its query.",
        choices={
            "auto": "5 up to 2,000 rows and 3 up to 10,000 with a network below a million parameters, else 2",
            "2 to 99": "so many; K folds take as long as K − 1 of two",
        },
        panel=TRAINING,
    )
    trees: types.Trees = _described(
        "auto",
        "Whether boosted trees on the columns of a table are a further kind of evidence.",
        choices={"auto": "for tables, unless they would take more than some five minutes", "off": "the network alone"},
        panel=MODEL,
    )
    rank_by: types.RankBy = _described(
        "score",
        "What the ranking goes by.",
        choices={"score": "all evidence of the run together", "influence": "DIT influence alone"},
        panel=REPORT,
    )
    selection: SelectionRule = SelectionRule()
    seed: int = _described(0, "Seed of everything random.", ge=0, lt=2**32)
    device: str = _described(
        "auto", "Device to compute on, such as cpu, cuda or cuda:1.", shown="the first GPU, or else the CPU"
    )
    dtype: types.Dtype = _described(
        "float32",
        "Floating-point type of the computation.",
        choices={
            "float32": "single precision",
            "float64": "double precision",
            "bfloat16": "mixed precision: 16 bits in passes, parameters in float32",
        },
    )
    deterministic: bool = _described(
        False, "Leave times out of the report, for runs with the same results to write the same bytes.", panel=REPORT
    )
    shard: types.Shard = _described(
        "auto",
        "Whether the parameters are spread over the processes that torchrun started.",
        choices={
            "auto": "if one process cannot hold them all",
            "always": "spread them",
            "never": "each process holds all of them",
        },
    )
