"""The constants of the product are those that the documentation states: neither changes without the other."""

from __future__ import annotations

import functools

import pytest
import torch

from labelaudit.audit import doubts, evidence, setup
from labelaudit.data import copies
from labelaudit.detection import (
    accuracy,
    calibration,
    fitted_rows,
    noise,
    one_rate,
    outliers,
    posterior,
    query_shift,
    refine,
    scale,
    share,
    spot_check,
    transition,
)
from labelaudit.influence import derivatives
from labelaudit.likeness import compare, images, nearest, search, texts
from labelaudit.models import parts, registry, timm_models
from labelaudit.report import html
from labelaudit.report import spot_check as draw
from labelaudit.training import convergence, thinning, trees
from labelaudit.training.optimizers import AdamW
from tests.support.paths import ROOT

PLAIN, TIMM = registry.SMALL_MODELS, (timm_models.CONVOLUTIONAL, timm_models.TRANSFORMER)
STATED = {
    "method.md": [
        (share.MISFIT, 0.12, "max(0, s − .12 d − δ(s))"),
        ((share.MISFIT, round(share.CLEAR - share.MISFIT, 9)), (0.12, 0.08), "(s/d − .12)/.08"),
        (share.NORMAL, 1.645, "δ(x) = 1.645 √(x(1 − x)/N)"),
        ((share.HIDDEN, share.HIDDEN_BY_HARDNESS), (0.7, 1.6), "m = s (1 + (.7 + 1.6 (1 − h))"),
        (share.EVEN_SPREAD, 25, "(1 + (σ/25)⁴)"),
        (share.MIN_EVENNESS, 0.3, "in [.3, 1]"),
        (
            (share.MIN_GAIN, share.BLIND, share.BLIND_WEAKER),
            (4, 0.15, 0.2),
            "G ≥ 4 and s > .15 d (of the second view of texts: .2 d)",
        ),
        (share.CLEAR_GAIN, 30, "G ≥ 30 and low > 0"),
        (share.FEW, 0.1, "*none seen* where that is at most 10%"),
        (share.LEARNT, 0.7, "see less than .7 of what it sees"),
        (share.MOST_HIDDEN, 4, "s/s₁ at most 4"),
        (noise.STARTS, ((1, 0.05), (2, 0.1), (4, 0.25)), "from three starts (w₀, 5%), (2w₀, 10%), (4w₀, 25%)"),
        (noise.MIN_FREE_GAIN, 6, "but two where that gains 6 nats"),
        (noise.BELIEVED, 0.05, "predict them within .05 nats a label of the best"),
        (
            (evidence.FORETOLD, evidence.NOT_LEARNT),
            (0.01, 0.02),
            "all labels of a table but 1%, and the network does not (2% or more)",
        ),
        (evidence.RATE_OF_RULES, 0.1, "with a rate of .1"),
        (accuracy.WELL_ENOUGH, 0.75, "three quarters of what there is to gain in accuracy"),
        (fitted_rows.FEW_A_CLASS, 10, "With fewer than ten rows a class on average, T cannot be told"),
        (trees.ROWS_OF_LEAF, 20, "Trees need 20 rows a class"),
        (
            (thinning.MOST_CELLS, thinning.FEWEST_ROWS),
            (2_000_000, 500),
            "exceed two million, but on no fewer than some 500 rows",
        ),
        (
            (nearest.NEIGHBOURS, nearest.CANDIDATES, nearest.PROJECTED),
            (10, 30, 64),
            "with more than 64 numbers, thirty candidates",
        ),
        (nearest.WITHIN, 0.15, "δ ≤ .15 δ₁₀"),
        (round(1 - texts.SIMILAR, 9), 0.15, "δ ≤ .05 (texts: .15)"),
        (nearest.DENSEST, 0.1, "no less than its 10% quantile over all rows"),
        (compare.BY_CHANCE, 0.05, "a rate of false discoveries of at most 5%"),
        (
            (images.SIDE, images.SMALL, images.FREQUENCIES),
            (32, 16, 6),
            "log(1 + 10 |F|) of the 6 × 6 lowest frequencies F of 16 × 16 pixels",
        ),
        (
            (images.LIKELY, images.LARGEST_SHIFT),
            (0.85, 3),
            "nearer than .85 of the tenth are compared: δ = 1 − the best correlation over shifts up to three pixels",
        ),
        (texts.SKETCHED, 256, "with random signs (256 numbers)"),
        (outliers.BY_CHANCE, 0.2, "the rate of false discoveries is .2 at most"),
        (
            (spot_check.FEWEST, spot_check.DOUBTFUL),
            (2, 0.1),
            "a tenth of all rows at least, the most doubtful; and the rest. Of n rows drawn, two come from each",
        ),
        (spot_check.CLIPPED, (0.02, 0.98), "with p_h its mean score between .02 and .98"),
        (spot_check.JEFFREYS, 0.5, "a = k_h + ½"),
        ((spot_check.LEVEL, spot_check.CONFIDENCE), (0.9, 0.95), "whose 5% and 95% quantiles are taken"),
        (
            derivatives.PERTURBATION,
            {torch.float32: 1e-3, torch.float64: 1e-5},
            "‖εu‖ = 1e-3 in float32 and 1e-5 in float64",
        ),
        (AdamW().epsilon_root, 1e-6, "The default is 1e-6"),
    ],
    "how-it-works.md": [
        (evidence.WEIGHTS["held out"], 1, "| predictions of the network that has not seen the row | 1 |"),
        (
            (evidence.WEIGHTS["trees"], evidence.TREES_AS_REFERENCE),
            (2, 4),
            "(`--trees auto`) | 2; 4 where they predict the given labels better",
        ),
        (evidence.TREES_WORSE, 0.01, "left out where they are worse by .01 nats a label"),
        (trees.ROWS_OF_LEAF, 20, "with fewer than 20 rows a class |"),
        (evidence.WEIGHTS["training"], 2, "averaged over the networks that trained on it | 2 |"),
        (evidence.WEIGHTS["influence"], 1, "under every label the row could have | 1 |"),
        (evidence.WEIGHTS["refitted"], 2, "probably wrong by all of the above | 2 |"),
        (setup.MOST_ROWS_OF_SECOND_VIEW, 50_000, "a cross-audit of up to 50,000 texts"),
        (setup.FEWEST_FOLDS_TO_REFIT, 3, "small networks, three folds or more, unless there are trees"),
        (query_shift.MIN_AUROC, 0.8, "AUROC from 0.8"),
        (query_shift.MIN_TOTAL_VARIATION, 0.2, "(χ², a fifth of the rows or more)"),
    ],
    "choosing.md": [
        (
            (convergence.FEWEST_EPOCHS, convergence.FEWEST_STEPS, convergence.MOST_STEPS),
            (3, 60, 1500),
            "from three epochs and 60 steps up to 1,500 steps",
        ),
        ((convergence.SPACING, convergence.PATIENCE), (1.3, 4), "by 1.3, the cross-entropy"),
        (convergence.PATIENCE, 4, "Four looks without a smaller one end the search"),
        (tuple(PLAIN[name][1].epochs for name in ("cnn", "lr", "dnn")), (6, 5, 5), "| 6 or 5; up to 30"),
        (
            tuple(PLAIN[name][1].learning_rate for name in ("cnn", "lr", "dnn")),
            (0.01, 0.003, 0.01),
            "| 0.01, 0.003, 0.01 |",
        ),
        ((setup.LEAST_STEPS, setup.MOST_EPOCHS), (200, 30), "up to 30 where the rows are few, for 200 steps"),
        (
            [(model.epochs, model.learning_rate) for model in TIMM],
            [(3, 0.001), (3, 0.0003)],
            "timm | 3 | 0.001 | | vision transformers of timm | 3 | 0.0003 |",
        ),
        (
            (registry.CUSTOM_DEFAULTS.epochs, registry.CUSTOM_DEFAULTS.learning_rate),
            (5, 0.01),
            "a network of your own | 5 | 0.01 |",
        ),
    ],
    "cost.md": [
        (setup.MORE_FOLDS, ((2000, 5), (10_000, 3)), "or fewer than a million parameters), up to 2,000 rows"),
        (setup.MORE_FOLDS[1], (10_000, 3), "three folds | the same, up to 10,000 rows"),
        ((trees.PARTS, trees.ITERATIONS), (5, 100), "five times 100 trees for each class"),
        (trees.MOST_WORK, 60_000_000, "up to 60 million cells times classes"),
        (
            (fitted_rows.FIT_ROWS, fitted_rows.FIT_CELLS),
            (20_000, 4_000_000),
            "of every class its part; to fewer where rows times classes are more than four million",
        ),
        (fitted_rows.MOST_CLASSES, 2000, "more than 2,000 classes, have one rate of wrong labels for all"),
    ],
    "scan.md": [
        (
            (parts.SMALL_NETWORK, parts.LARGE_PART),
            (1_000_000, "last:2"),
            "a million parameters or more they are the head and the last two blocks",
        )
    ],
    "review.md": [
        ((draw.CHECKED, html.SHOWN), (30, 500), "At most 500 rows are embedded"),
        (refine.SLIP, 0.01, "One decision in a hundred is reckoned to be a slip"),
    ],
}


@functools.cache
def words_of(page: str) -> str:
    return " ".join((ROOT / "docs" / page).read_text(encoding="utf-8").split())


@pytest.mark.parametrize(
    ("page", "value", "expected", "stated"), [(page, *case) for page, cases in STATED.items() for case in cases]
)
def test_the_constant_is_the_stated_one(page, value, expected, stated):
    assert value == expected
    assert stated in words_of(page)


TUNED = {
    noise: {
        "DIAGONAL_PRIOR": 5,
        "START_ROWS": 4000,
        "ITERATIONS": 60,
        "STEPS": 2,
        "TOLERANCE": 1e-5,
        "MIN_CLASS_PROBABILITY": 1e-3,
        "SINGULAR": 0.02,
        "SIZES": (0, 0.25, 0.5, 0.65, 0.8, 0.9, 1, 1.1, 1.25, 1.4, 1.6, 2),
        "MIN_RATE": 1e-3,
        "MIN_LEARNT_GAIN": 10,
    },
    one_rate: {"MOST_WRONG": 0.9, "MAX_WEIGHT": 100, "STARTS": ((1, 0.01), (1, 0.2))},
    calibration: {"BIAS_PENALTY": 1e-3},
    transition: {"STRENGTH_BOUNDS": (1e-3, 1e6), "MIN_PROBABILITY": 1e-9, "MIN_RIGHT": 0.02},
    posterior: {"LARGEST_LOG_ODDS": 30, "LEAST_RATE": 1e-6, "PRIOR_ROWS": 50},
    scale: {"LARGEST": 1000, "UNSEEN": 1, "CLEARLY": 5},
    query_shift: {"ROWS": 1000, "MIN_ROWS": 50, "FOLDS": 5, "MAX_P_VALUE": 1e-3},
    refine: {
        "FROM_NOTHING": 10,
        "UNKNOWN_END": 0.5,
        "LEAST_LEVEL": 0.5,
        "SLOPE": 0.2,
        "BEND": 0.5,
        "BEND_LENGTH": 3,
        "OF_EVIDENCE": 0.25,
        "OF_CLASS": 0.25,
        "OF_PAIR": 0.5,
        "CLIPPED": 4,
        "DRAWS": 400,
        "INTERVAL": (0.025, 0.975),
    },
    doubts: {
        "MEMORISED_RATIO": 0.1,
        "DEVIATIONS": 3,
        "DEVIATIONS_OF_FOLD": 2,
        "CHANCE_OF_FOLD": 0.02,
        "MAX_NOISE_RATE": 0.6,
    },
    copies: {"OFTEN": 0.01, "RICH": 6, "MEASURED_ROWS": 10_000},
    search: {"ALL_PRODUCTS": 1.5e12, "CELLS_OF": 3, "LARGEST_CELL": 10_000},
    trees: {"LEARNING_RATE": 0.05, "LEAVES": 15, "FEWEST_CELLS": 50_000, "MOST_CATEGORIES": 254},
    convergence: {"LITTLE_LOSS": 0.01, "TEMPERATURES": (1, 1.3, 1.7, 2.2, 3, 4, 5, 7, 10)},
}


@pytest.mark.parametrize(("module", "constants"), TUNED.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_who_changes_a_tuned_constant_measures_again(module, constants):
    """They were chosen on the tuning data, and no page states them: run `benchmarks.detection` before they change."""
    assert {name: getattr(module, name) for name in constants} == constants


def test_log_odds_change_smoothly_between_the_same_knots():
    assert refine.KNOTS.tolist() == [-12 + 1.5 * step for step in range(17)]
