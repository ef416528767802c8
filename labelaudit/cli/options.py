"""The options every auditing command has, written once, and the configuration they make."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from typer import Option

from labelaudit.cli.console import Console
from labelaudit.cli.ending import ending_in_exit_codes, working_together
from labelaudit.config import (
    AuditConfig,
    Augmentation,
    DerivativeMethod,
    Dtype,
    Estimator,
    ImageCache,
    Kind,
    OptimizerName,
    QueryAt,
    QueryName,
    RankBy,
    Removal,
    Schedule,
    Shard,
    TrajectoryMode,
    audit_config,
)
from labelaudit.launch import leads

DATA, MODEL, TRAINING, INFLUENCE, REPORT = "Data", "Model", "Fine-tune", "Influence", "Report"


def audit_options(
    label_column: Annotated[
        str | None, Option(help="Column with the label, in tables.", show_default="guessed", rich_help_panel=DATA)
    ] = None,
    image_column: Annotated[
        str | None,
        Option(help="Column with image paths or encoded images.", show_default="guessed", rich_help_panel=DATA),
    ] = None,
    id_column: Annotated[
        str | None, Option(help="Column with unique row ids.", show_default="guessed", rich_help_panel=DATA)
    ] = None,
    text_column: Annotated[
        str | None, Option(help="Column with texts.", show_default="guessed", rich_help_panel=DATA)
    ] = None,
    vector_column: Annotated[
        str | None, Option(help="Column with lists of numbers.", show_default="guessed", rich_help_panel=DATA)
    ] = None,
    feature_columns: Annotated[
        str | None,
        Option(help="Columns to learn from, as A,B,C.", show_default="all but label and id", rich_help_panel=DATA),
    ] = None,
    vectors: Annotated[
        Path | None,
        Option(
            help=".npy file with numbers for each row, used instead of its content.",
            show_default="none",
            rich_help_panel=DATA,
        ),
    ] = None,
    kind: Annotated[
        Kind | None, Option(help="What the rows of a table are.", show_default="guessed", rich_help_panel=DATA)
    ] = None,
    split: Annotated[
        str | None,
        Option(help="Split of a Hugging Face dataset.", show_default="train, or the only one", rich_help_panel=DATA),
    ] = None,
    image_root: Annotated[
        Path | None,
        Option(help="Folder image paths are relative to.", show_default="the manifest's folder", rich_help_panel=DATA),
    ] = None,
    allow_missing: Annotated[
        bool,
        Option("--allow-missing", help="Keep rows whose image file is missing, as unreadable.", rich_help_panel=DATA),
    ] = False,
    max_unreadable: Annotated[
        float, Option(help="Share of unreadable images, 0 to 1, above which to stop.", rich_help_panel=DATA)
    ] = 0.1,
    test_fraction: Annotated[
        float | None,
        Option(
            help="Share of rows, 0 to 1, to hold out as the query.",
            show_default="two-fold cross-audit",
            rich_help_panel=DATA,
        ),
    ] = None,
    model: Annotated[
        str | None,
        Option(
            help="lr, dnn, cnn, any timm model, or your own as package.module:factory.",
            show_default="cnn for images, else lr",
            rich_help_panel=MODEL,
        ),
    ] = None,
    pretrained: Annotated[
        bool,
        Option("--pretrained", help="Start from timm's pretrained weights (downloads them).", rich_help_panel=MODEL),
    ] = False,
    weights: Annotated[
        Path | None,
        Option(help="Start from this file: safetensors or a state dict.", show_default="random", rich_help_panel=MODEL),
    ] = None,
    image_size: Annotated[
        int | None,
        Option(
            min=4, help="Side of the network's input, in pixels.", show_default="the model's own", rich_help_panel=MODEL
        ),
    ] = None,
    image_cache: Annotated[
        ImageCache,
        Option(
            help="Where images are kept once decoded and resized: memory, a file on disk, or none: decoded anew for "
            "each pass. auto goes by what is free.",
            rich_help_panel=MODEL,
        ),
    ] = "auto",
    image_cache_limit: Annotated[
        float | None,
        Option(help="Largest such file, in GB.", show_default="80% of the free disk", rich_help_panel=MODEL),
    ] = None,
    train: Annotated[
        str,
        Option(
            help="all: the whole network; last:N: its head and the N blocks before it; head: only a linear layer on "
            "what the pretrained network sees, which is computed once and cached.",
            rich_help_panel=MODEL,
        ),
    ] = "all",
    epochs: Annotated[
        int | None,
        Option(min=1, help="Passes over the data.", show_default="3 to 6, by model", rich_help_panel=TRAINING),
    ] = None,
    batch_size: Annotated[
        int | None, Option(min=1, help="Rows in a step.", show_default="32", rich_help_panel=TRAINING)
    ] = None,
    learning_rate: Annotated[
        float | None,
        Option(help="Learning rate at the start.", show_default="0.0003 to 0.01, by model", rich_help_panel=TRAINING),
    ] = None,
    optimizer: Annotated[OptimizerName, Option(help="sgd or adamw.", rich_help_panel=TRAINING)] = "sgd",
    momentum: Annotated[float, Option(help="SGD momentum, 0 to below 1.", rich_help_panel=TRAINING)] = 0.9,
    nesterov: Annotated[
        bool, Option("--nesterov", help="SGD with Nesterov's look-ahead.", rich_help_panel=TRAINING)
    ] = False,
    epsilon_root: Annotated[
        float, Option(help="AdamW: added under its square root; less makes influence noisy.", rich_help_panel=TRAINING)
    ] = 1e-6,
    weight_decay: Annotated[
        float, Option(help="L2 penalty with sgd, decoupled decay with adamw.", rich_help_panel=TRAINING)
    ] = 1e-4,
    clip_norm: Annotated[
        float | None, Option(help="Longest gradient of a step.", show_default="any", rich_help_panel=TRAINING)
    ] = None,
    schedule: Annotated[
        Schedule, Option(help="How the learning rate goes down.", rich_help_panel=TRAINING)
    ] = "constant",
    warmup_steps: Annotated[
        int, Option(min=0, help="Steps in which the learning rate first rises.", rich_help_panel=TRAINING)
    ] = 0,
    augment: Annotated[
        Augmentation,
        Option(
            help="Random changes of training images: shift by up to 1/8 of the side, mirror.", rich_help_panel=TRAINING
        ),
    ] = "none",
    query: Annotated[
        QueryName,
        Option(
            help="What influence is on: the probability of a wrong answer, the loss at the best temperature, or "
            "the plain loss.",
            rich_help_panel=INFLUENCE,
        ),
    ] = "probability",
    estimator: Annotated[
        Estimator,
        Option(
            help="Sum over the steps that saw a row (the paper's), or its expectation over the batch draw.",
            rich_help_panel=INFLUENCE,
        ),
    ] = "expected",
    scoring_steps: Annotated[
        int,
        Option(
            min=1,
            help="In how many parts of the window 'expected' scores all rows; each costs 2/3 of an epoch.",
            rich_help_panel=INFLUENCE,
        ),
    ] = 1,
    window: Annotated[
        str,
        Option(
            help="Steps a row is left out of: last, first, middle or full; epochs as 3 or 3-5; steps as steps:1-100.",
            rich_help_panel=INFLUENCE,
        ),
    ] = "last",
    removal: Annotated[
        Removal,
        Option(help="Leave a row out of the window only, or from the start of the run.", rich_help_panel=INFLUENCE),
    ] = "window",
    query_at: Annotated[
        QueryAt,
        Option(help="Take the query where the window ends, or at the final network.", rich_help_panel=INFLUENCE),
    ] = "ends",
    trajectory: Annotated[
        TrajectoryMode,
        Option(
            help="Where the window's parameters are kept: all in memory, all on disk, or every √T-th and the rest "
            "replayed; auto goes by what is free.",
            rich_help_panel=INFLUENCE,
        ),
    ] = "auto",
    derivatives: Annotated[
        DerivativeMethod,
        Option(help="How derivatives are computed; auto goes by precision and size.", rich_help_panel=INFLUENCE),
    ] = "auto",
    track: Annotated[
        str,
        Option(
            help="Parameters that influence goes through: all, head, or last:N, the head and the N blocks before it; "
            "auto: all of a small network, last:2 of one of a million parameters or more.",
            rich_help_panel=INFLUENCE,
        ),
    ] = "auto",
    seed: Annotated[int, Option(min=0, help="Decides everything random.", rich_help_panel=TRAINING)] = 0,
    device: Annotated[
        str, Option(help="auto, cpu, cuda, cuda:1, …; auto is the first GPU or else the CPU.", rich_help_panel=TRAINING)
    ] = "auto",
    dtype: Annotated[
        Dtype,
        Option(
            help="Floating-point type; bfloat16: mixed precision, parameters stay float32.", rich_help_panel=TRAINING
        ),
    ] = "float32",
    shard: Annotated[
        Shard,
        Option(
            help="Spread the parameters over the processes torchrun started; auto: if a process cannot hold them all.",
            rich_help_panel=TRAINING,
        ),
    ] = "auto",
    rank_by: Annotated[
        RankBy,
        Option(help="score: all evidence of the run together; influence: DIT alone.", rich_help_panel=REPORT),
    ] = "score",
    precision: Annotated[
        float | None,
        Option(
            help="Call as many rows suspects as keeps this share of them, 0 to 1, expected to be wrong; by default "
            "those that are more probably wrong than right.",
            rich_help_panel=REPORT,
        ),
    ] = None,
    budget: Annotated[int | None, Option(help="Call this many first rows suspects.", rich_help_panel=REPORT)] = None,
    over_epochs: Annotated[
        bool,
        Option(
            "--over-epochs",
            help="Show each row's influence in every epoch, too; takes half as long again, or some times as long.",
            rich_help_panel=REPORT,
        ),
    ] = False,
) -> AuditConfig:
    """Make the configuration of the options.

    Raises:
        InputError: A value is out of its range, or two exclude each other.
    """
    options = locals()
    options["feature_columns"] = None if feature_columns is None else tuple(feature_columns.split(","))
    return audit_config(**options)


def auditing_command(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command all options of `audit_options`, `-q` and `--json`, and turn errors into exit codes.

    The command's parameters `config` and `console` are filled from them.
    """
    hints = get_type_hints(audit_options, include_extras=True) | get_type_hints(command, include_extras=True)
    own = [p for p in inspect.signature(command).parameters.values() if p.name not in ("config", "console")]
    shared = list(inspect.signature(audit_options).parameters.values())
    output = [
        inspect.Parameter("quiet", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[
            bool, Option("--quiet", "-q", help="No progress and no notes.", rich_help_panel=REPORT)]),
        inspect.Parameter("as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[
            bool, Option("--json", help="Print the result as JSON.", rich_help_panel=REPORT)]),
    ]  # fmt: skip

    @functools.wraps(command)
    def run(quiet: bool, as_json: bool, **values: Any) -> None:
        console = Console(quiet=quiet or not leads(), as_json=as_json)
        with ending_in_exit_codes(console), working_together():
            config = audit_options(**{p.name: values.pop(p.name) for p in shared})
            command(config=config, console=console, **values)

    parameters = [
        p.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints.get(p.name, p.annotation))
        for p in (*own, *shared, *output)
    ]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # inspect reads it, Callable has none
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    del run.__wrapped__  # or inspect would look through to the command
    return run
