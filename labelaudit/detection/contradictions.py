"""Copies of one thing with different labels, of which at least one is wrong, whatever a network says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from labelaudit.data.copies import contradicting
from labelaudit.detection.noise import Noise
from labelaudit.detection.share import Share
from labelaudit.runtime.large_arrays import blocks
from labelaudit.types import Floats, Labels, Rows

LEAST = 1e-12  # a probability that counts as none


def judge_together(posterior: Floats, labels: Labels, alike: Rows, noise: Noise) -> Noise:
    """Judge copies with different labels by all of these (`join_copies`, in place), and the share by what they prove.

    Args:
        posterior: P(true label c | row, given label), shape (N, C).
        labels: Given class indices, shape (N,).
        alike: The group of copies that each row is in, −1 for none, shape (N,).
        noise: How labels go wrong.

    Returns:
        The noise, with a share that is no less than that of the labels that are surely wrong.
    """
    join_copies(posterior, labels, alike, noise)
    return replace(noise, share=with_surely_wrong(noise.share, surely_wrong(labels, alike), len(labels)))


def contradicting_rows(labels: Labels, alike: Rows) -> Rows:
    """Places of rows that have a copy with another label, group by group.

    Args:
        labels: Given class indices, shape (N,).
        alike: The group of copies that each row is in, −1 for none, shape (N,).
    """
    rows = np.flatnonzero(contradicting(alike, labels))
    found: Rows = rows[np.argsort(alike[rows], kind="stable")]
    return found


def join_copies(posterior: Floats, labels: Labels, alike: Rows, noise: Noise) -> None:
    """Let copies with different labels say together what they are, in place.

    They have one true label c. Given each one's P(c | row, its label g), which holds the factor T[c, g], that is in
    proportion to the geometric mean of P(c | row, g) / T[c, g], what the networks say, times the product of all
    T[c, g], what the labels say. Copies with one label are left as they are: it may have been copied with them.

    Args:
        posterior: P(true label c | row, given label), shape (N, C).
        labels: Given class indices, shape (N,).
        alike: The group of copies that each row is in, −1 for none, shape (N,).
        noise: How labels go wrong.
    """
    rows = contradicting_rows(labels, alike)
    ends = np.flatnonzero(np.diff(alike[rows], append=-1)) + 1
    groups = np.split(rows, ends[:-1]) if len(rows) else []
    for members in groups:
        by_networks, by_labels = np.zeros(posterior.shape[1]), np.zeros(posterior.shape[1])
        for block in blocks(len(members), posterior.shape[1]):
            part = members[block]
            likelihood = np.log(np.maximum(noise.likelihood(labels[part]), LEAST))
            by_networks += (np.log(np.maximum(posterior[part].astype(float), LEAST)) - likelihood).sum(0)
            by_labels += likelihood.sum(0)
        log_p = by_networks / len(members) + by_labels
        p = np.exp(log_p - log_p.max())
        posterior[members] = p / p.sum()


def surely_wrong(labels: Labels, alike: Rows) -> int:
    """How many labels are wrong at the least: in each group of copies all but those of its most frequent label."""
    rows = contradicting_rows(labels, alike)
    if not len(rows):
        return 0
    pairs, counts = np.unique(np.stack([alike[rows], labels[rows]]), axis=1, return_counts=True)
    _, starts = np.unique(pairs[0], return_index=True)
    return int(len(rows) - np.maximum.reduceat(counts, starts).sum())


def with_surely_wrong(share: Share, wrong: int, rows: int) -> Share:
    """The share of wrong labels, where so many of so many are known to be wrong.

    That none are seen is no longer so; what cannot be told beyond them still cannot.
    """
    least = wrong / rows
    if least <= share.low:
        return share
    verdict = "measured" if share.verdict == "none seen" else share.verdict
    point, high = max(share.point, least), max(share.high, least)
    return replace(share, low=least, point=point, high=high, seen=max(share.seen, least), verdict=verdict)
