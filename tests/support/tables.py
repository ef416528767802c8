"""Texts of two classes, and tables of them."""

from __future__ import annotations

PLAYS = ("ball player goal", "team player scored", "league goal keeper", "the referee whistled", "a late penalty")
DISHES = ("sauce bread oven", "salt pepper soup", "oven baked bread", "a pinch of salt", "slowly stirred sauce")


def texts(rows: int = 80) -> list[tuple[str, str]]:
    """Texts of at least four words without commas, and their labels."""
    return [
        (f"{PLAYS[n % 5]} goal league {n}", "sport") if n % 2 == 0 else (f"{DISHES[n % 5]} kitchen {n}", "food")
        for n in range(rows)
    ]


def lines(separator: str = ",", header: str = "text{}label", rows: int = 80) -> list[str]:
    return [header.format(separator), *(separator.join(row) for row in texts(rows))]


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def check_rows(dataset, rows=80):
    assert list(zip(dataset.content.values, dataset.labels, strict=True)) == texts(rows)


def records():
    return [{"text": text, "label": label} for text, label in texts()]
