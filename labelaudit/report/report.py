"""The report: one row for each input row, with all that is known of the run in its metadata."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from labelaudit.data.dataset import Dataset
from labelaudit.errors import InputError
from labelaudit.files import write_atomically
from labelaudit.report.schema import METADATA_KEY, SCHEMA, SCHEMA_VERSION

FILE_NAME = "report.parquet"


@dataclass(frozen=True)
class Report:
    """A finished audit.

    Attributes:
        table: The rows, of the schema `report.schema.SCHEMA`.
        metadata: Versions, configuration, dataset fingerprint, class names, timings, device and so on.
        dataset: What was audited, as long as it is at hand; not saved.
    """

    table: pa.Table
    metadata: dict[str, Any]
    dataset: Dataset | None = field(default=None, repr=False, compare=False)

    def to_pandas(self) -> pd.DataFrame:
        """All rows, in the input's order."""
        frame: pd.DataFrame = self.table.to_pandas()
        return frame

    def suspects(self) -> pd.DataFrame:
        """The suspects, the most suspect first."""
        frame = self.to_pandas()
        return frame[frame["suspect"]].sort_values("rank")

    def ranked(self) -> pd.DataFrame:
        """All scored rows, the most suspect first."""
        frame = self.to_pandas()
        return frame[frame["rank"].notna()].sort_values("rank")

    def save(self, path: Path) -> None:
        """Write the Parquet file, atomically; its folder is made if need be."""
        metadata = {METADATA_KEY: json.dumps(self.metadata, allow_nan=False).encode()}
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: pq.write_table(self.table.replace_schema_metadata(metadata), file))

    @staticmethod
    def load(path: Path) -> Report:
        """Read a report back, strictly.

        Args:
            path: The file, or the folder it is in.

        Raises:
            InputError: It is no report of this schema version.
        """
        path = path / FILE_NAME if path.is_dir() else path
        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"cannot read {path} as a report: {str(error).splitlines()[0]}") from error
        stored = (table.schema.metadata or {}).get(METADATA_KEY)
        if stored is None:
            raise InputError(f"{path} is not a labelaudit report")
        metadata = json.loads(stored)
        if metadata.get("schema_version") != SCHEMA_VERSION:
            raise InputError(f"{path} has report schema {metadata.get('schema_version')}, this labelaudit reads "
                             f"{SCHEMA_VERSION}: make it anew")  # fmt: skip
        if not table.schema.equals(SCHEMA):
            raise InputError(f"{path} does not have the columns of a labelaudit report")
        return Report(table, metadata)
