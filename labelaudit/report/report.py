"""The report: one row for each input row, with all that is known of the run in its metadata."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from labelaudit.config import SourceConfig
from labelaudit.data.dataset import Dataset
from labelaudit.errors import InputError
from labelaudit.files import write_atomically
from labelaudit.report.schema import METADATA_KEY, SCHEMA, SCHEMA_VERSION

FILE_NAME = "report.parquet"
NOTEBOOK_ROWS = 10


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

    def to_html(self, path: str | Path) -> None:
        """Write the report to look through: one HTML file with everything in it.

        Raises:
            InputError: What was audited is no longer at hand, or no longer the same.
        """
        from labelaudit.report.html import write_html

        write_html(self, self.dataset or self.reopen(), Path(path))

    def reopen(self, source: str | None = None) -> Dataset:
        """Open the audited data again.

        Args:
            source: Where it is now; None for where it was.

        Raises:
            InputError: It is not there.
        """
        from labelaudit.data.sources import load_dataset

        config = SourceConfig.model_validate(self.metadata["config"]["source"])
        try:
            return load_dataset(source or self.metadata["source"]["path"], config)
        except InputError as error:
            raise InputError(f"{error}{'' if source else '; where the data is now, say with --source'}") from error

    def _repr_html_(self) -> str:
        """What a notebook shows: how many labels are wrong, and the first suspects."""
        noise, first = self.metadata["noise"], self.ranked().head(NOTEBOOK_ROWS)
        rate = f"not reliable: {noise['doubt']}" if noise["doubt"] else f"about {noise['rate']:.1%} of labels wrong"
        columns = ["rank", "id", "label", "suggested_label", "score", "influence", "suspect"]
        rows: str = first[columns].to_html(index=False, escape=True, float_format="{:.3g}".format)
        return f"<p>{len(self.suspects())} suspects in {self.table.num_rows} rows; {escape(rate)}</p>{rows}"

    def save(self, path: str | Path) -> None:
        """Write the Parquet file, atomically; its folder is made if need be."""
        path = Path(path)
        metadata = {METADATA_KEY: json.dumps(self.metadata, allow_nan=False).encode()}
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: pq.write_table(self.table.replace_schema_metadata(metadata), file))

    @staticmethod
    def load(path: str | Path) -> Report:
        """Read a report back, strictly.

        Args:
            path: The file, or the folder it is in.

        Raises:
            InputError: It is no report of this schema version.
        """
        path = Path(path)
        path = path / FILE_NAME if path.is_dir() else path
        if not path.exists():
            raise InputError(f"{path} does not exist: give a report.parquet, or the folder it is in")
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
