"""The report's columns and the version they carry."""

from __future__ import annotations

import pyarrow as pa

SCHEMA_VERSION = 6
METADATA_KEY = b"labelaudit"

REVIEWED = "reviewed"
"""The status of a scored row that somebody has decided on."""

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("content_hash", pa.string()),
        pa.field("label", pa.string()),
        pa.field("suggested_label", pa.string()),
        pa.field("influence", pa.float64()),
        pa.field("influence_by_epoch", pa.list_(pa.float64())),
        pa.field("rank", pa.int64()),
        pa.field("score", pa.float64()),
        pa.field("suspect", pa.bool_(), nullable=False),
        pa.field("p_label", pa.float64()),
        pa.field("p_suggested", pa.float64()),
        pa.field("loss", pa.float64()),
        pa.field("similar", pa.list_(pa.int64())),
        pa.field("similar_given", pa.list_(pa.int64())),
        pa.field("terms_suggested", pa.list_(pa.string())),
        pa.field("terms_given", pa.list_(pa.string())),
        pa.field("duplicate_group", pa.int64()),
        pa.field("contradicts", pa.bool_(), nullable=False),
        pa.field("in_test", pa.bool_(), nullable=False),
        pa.field("near_duplicate_of", pa.int64()),
        pa.field("near_in_test", pa.bool_(), nullable=False),
        pa.field("outlier", pa.float64()),
        pa.field("status", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("true_label", pa.string()),
        pa.field("is_flipped", pa.bool_()),
    ]
)
