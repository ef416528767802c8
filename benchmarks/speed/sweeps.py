"""(b): the sweep in units of training its window, in this process, on random images."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import timm
import torch
from torch import Tensor, nn

from benchmarks.speed.processes import Bench, say
from labelaudit import SGD, Plan, QueryLoss, Scoring, Window
from labelaudit.config import InfluenceConfig
from labelaudit.data.batches import Images
from labelaudit.influence.derivatives import Differentiate, central_differences
from labelaudit.influence.dit import sweep
from labelaudit.models.flat import FlatModel
from labelaudit.models.paper import cnn
from labelaudit.models.parts import parameters_of
from labelaudit.runtime.machine import free_memory, reproducible
from labelaudit.training.fine_tune import Run, fine_tune
from labelaudit.training.recording import plan_recording
from labelaudit.types import TrajectoryMode

CLASSES = 10


@dataclass(frozen=True)
class Case:
    """A network and an epoch for it.

    Attributes:
        title: What to call it.
        network: Makes it.
        channels: Of its images.
        side: Of its images, in pixels.
        rows: In the epoch.
        batch_size: Rows in a step.
        repeats: How often all is timed.
    """

    title: str
    network: Callable[[], nn.Module]
    channels: int
    side: int
    rows: int
    batch_size: int
    repeats: int = 3


def _timm(name: str, **options: int) -> Callable[[], nn.Module]:
    return lambda: timm.create_model(name, num_classes=CLASSES, **options)


CASES = (
    Case("cnn, 28 px", lambda: cnn(CLASSES, 1, 28), 1, 28, 1024, 32),
    Case("ViT-Tiny/16, 96 px", _timm("vit_tiny_patch16_224", img_size=96), 3, 96, 128, 8),
    Case("EfficientNet-Lite0, 96 px", _timm("tf_efficientnet_lite0"), 3, 96, 128, 8),
    Case("ViT-S/14, 112 px", _timm("vit_small_patch14_dinov2", img_size=112), 3, 112, 72, 8),
    Case("ViT-B/16, 224 px", _timm("vit_base_patch16_224"), 3, 224, 32, 8, repeats=2),
)
QUICK = (
    Case("cnn, 28 px", lambda: cnn(CLASSES, 1, 28), 1, 28, 128, 8, repeats=1),
    Case("ViT-Tiny/16, 32 px", _timm("vit_tiny_patch16_224", img_size=32), 3, 32, 32, 8, repeats=1),
)


class Fixed:
    """A query whose gradient is known, so that only the sweep is timed."""

    names = ("given",)

    def __init__(self, gradient: Tensor) -> None:
        self._gradient = gradient

    def gradient(self, model: FlatModel) -> Tensor:
        """The vector itself, shape (1, P)."""
        return self._gradient

    def value(self, model: FlatModel) -> Tensor:
        """Nothing that anyone asks for."""
        raise NotImplementedError

    def frozen(self, model: FlatModel) -> Fixed:
        """It fits nothing."""
        return self


@dataclass(frozen=True)
class Epoch:
    """One epoch over random images, and the sweep over it."""

    model: FlatModel
    batches: Images
    plan: Plan

    @classmethod
    def of(cls, case: Case, device: torch.device, track: str = "all", *, mixed: bool = False) -> Epoch:
        """What a case says; influence goes through all parameters, or through a part of them."""
        generator = torch.Generator().manual_seed(0)
        shape = (case.rows, case.channels, case.side, case.side)
        pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        labels = torch.randint(0, CLASSES, (case.rows,), generator=generator)
        torch.manual_seed(0)
        network = case.network()
        return cls(
            FlatModel(network, device, torch.float32, parameters_of(network, track), mixed=mixed),
            Images(pixels, labels, lambda x: x - 0.5, device, torch.float32),
            Plan(SGD(0.9, 1e-4), epochs=1, batch_size=case.batch_size, learning_rate=1e-4),
        )

    @property
    def rows(self) -> Tensor:
        """All."""
        return torch.arange(len(self.batches.labels))

    @property
    def window(self) -> Window:
        """All steps."""
        return Window("last", 0, self.plan.steps_per_epoch(len(self.rows)))

    def train(self, mode: TrajectoryMode | None) -> Run:
        """Train an epoch; without a mode nothing but the last step is recorded."""
        steps = self.window.stop
        window = self.window if mode else Window("last step", steps - 1, steps)
        theta, device = self.model.theta, self.model.theta.device
        recording = plan_recording(
            [window], steps, theta.nbytes, self.plan.optimizer, memory=free_memory(device), mode=mode or "memory"
        )
        return fine_tune(self.model, self.batches, self.rows, self.plan, 0, recording, lambda _: None)

    def query_gradient(self) -> Tensor:
        """Of the default query over as many rows as there are, shape (1, P)."""
        return QueryLoss("probability", self.batches, self.rows, self.plan.batch_size).gradient(self.model)

    def sweep(
        self, run: Run, query: Tensor, scoring: Scoring, differentiate: Differentiate = central_differences
    ) -> Tensor:
        """Influence of each row under each label, shape (N, C)."""
        return sweep(run, [self.window], Fixed(query), differentiate, scoring, lambda _: None)[0, 0]


def seconds_of(work: Callable[[], object]) -> float:
    """How long something takes."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    started = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


def on_cpu(bench: Bench) -> None:
    """Each network's sweep, with all states kept and with every √T-th."""
    for case in QUICK if bench.quick else CASES:
        title = f"b: {case.title}, batches of {case.batch_size}"
        say(title)
        settings = InfluenceConfig()
        epoch, own = (Epoch.of(case, torch.device("cpu"), track) for track in ("all", settings.track))
        with reproducible():
            kept, replayed, as_scan = epoch.train("memory"), epoch.train("replay"), own.train("memory")  # warm up, too
            query, own_query = epoch.query_gradient(), own.query_gradient()
            visited, scoring = Scoring("visited"), Scoring(settings.estimator, settings.scoring_steps)
            timed: dict[str, Callable[[], object]] = {
                "epoch": partial(epoch.train, None),
                "sweep, all states kept": partial(epoch.sweep, kept, query, visited),
                "sweep, √T replay": partial(epoch.sweep, replayed, query, visited),
                "sweep as a scan does it": partial(own.sweep, as_scan, own_query, scoring),
                "gradient of a query of as many rows": own.query_gradient,
            }
            repeats = []
            for number in range(case.repeats):
                repeats.append({name: seconds_of(work) for name, work in timed.items()})
                say(f"  repeat {number + 1}: " + ", ".join(f"{name} {s:.2f} s" for name, s in repeats[-1].items()))
        medians = {name: statistics.median(repeat[name] for repeat in repeats) for name in timed}
        bench.keep(
            title,
            {
                "settings": {
                    "rows": case.rows,
                    "steps": epoch.window.stop,
                    "derivatives": "central differences",
                    "parameters": len(epoch.model.theta),
                    "tracked in a scan": len(own.model.tracked),
                },
                "repeats": repeats,
                "epoch, seconds": medians.pop("epoch"),
                "in epochs": {name: s / statistics.median(r["epoch"] for r in repeats) for name, s in medians.items()},
            },
        )
