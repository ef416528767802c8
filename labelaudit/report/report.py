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
from labelaudit.report.estimates import Accuracy, NoiseEstimate, accuracy_of, noise_of
from labelaudit.report.schema import METADATA_KEY, SCHEMA
from labelaudit.report.validation import check_table, read_metadata
from labelaudit.report.wording import range_in_words, share_in_words
from labelaudit.runtime.commits import current
from labelaudit.runtime.files import write_atomically
from labelaudit.runtime.regular_files import require_regular
from labelaudit.runtime.sealed import BLANK, SEAL, DamagedError, is_sealed, seal
from labelaudit.types import checked
from labelaudit.units import format_count

FILE_NAME = "report.parquet"
NOTEBOOK_ROWS = 10


@dataclass(frozen=True)
class Report:
    """A finished audit.

    Attributes:
        table: The rows, of the schema `report.schema.SCHEMA`.
        metadata: Versions, configuration, dataset fingerprint, class names, timings, device and so on.
        dataset: What was audited, as long as it is at hand; not saved.
        probabilities: Class probabilities of each row, in columns `p(CLASS)`, by networks that were not trained on it,
            if `scan` was asked to keep them; not saved.
    """

    table: pa.Table
    metadata: dict[str, Any]
    dataset: Dataset | None = field(default=None, repr=False, compare=False)
    probabilities: pd.DataFrame | None = field(default=None, repr=False, compare=False)

    def to_pandas(self) -> pd.DataFrame:
        """All rows, in the input's order."""
        frame: pd.DataFrame = self.table.to_pandas()
        return frame

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        noise, suspects = self.metadata["noise"], len(self.suspects())
        return (
            f"Report of {self.metadata['source']['path']}: {format_count(len(self), 'row')}, "
            f"{format_count(len(self.metadata['classes']), 'class', 'classes')}\n"
            f"  {format_count(suspects, 'suspect')}; wrong labels: {range_in_words(noise)}\n"
            f"  .suspects(), .ranked(), .to_pandas(); .accuracy, .noise; .save('report.html'), .save('report.parquet')"
        )

    @property
    def accuracy(self) -> Accuracy:
        """How often networks agree with the labels of rows that they were not trained on, in all and by class."""
        return accuracy_of(self.metadata)

    @property
    def noise(self) -> NoiseEstimate:
        """How many labels are estimated to be wrong, which class is called which, and how good the suspects are."""
        return noise_of(self.metadata)

    def suspects(self) -> pd.DataFrame:
        """The suspects, the most suspect first, with the columns that hold something."""
        frame = self.to_pandas()
        frame = frame[frame["suspect"]].sort_values("rank")
        return frame if frame.empty else frame.dropna(axis="columns", how="all")

    def ranked(self) -> pd.DataFrame:
        """All scored rows, the most suspect first."""
        frame = self.to_pandas()
        return frame[frame["rank"].notna()].sort_values("rank")

    @checked
    def to_html(self, path: str | Path) -> None:
        """Write the report to look through: one HTML file with everything in it.

        Raises:
            InputError: What was audited is no longer at hand, or no longer the same.
        """
        from labelaudit.report.html import write_html

        write_html(self, self.dataset or self.reopen(), Path(path))

    @checked
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
            raise InputError(f"{error}{'' if source else '; where the data is now, say with `source`'}") from error

    def _repr_html_(self) -> str:
        """What a notebook shows: how many labels are wrong, and the first suspects."""
        noise, first = self.metadata["noise"], self.ranked().head(NOTEBOOK_ROWS)
        columns = ["rank", "id", "label", "suggested_label", "score", "influence", "suspect"]
        rows: str = first[columns].to_html(index=False, escape=True, float_format="{:.3g}".format)
        said = f"{len(self.suspects())} suspects in {self.table.num_rows} rows; {share_in_words(noise)}"
        return f"<p>{escape(said)}</p>{rows}"

    @checked
    def save(self, path: str | Path) -> None:
        """Write a Parquet file with its SHA-256, or the HTML page; its folder is made if need be.

        Args:
            path: Ends in `.parquet` or `.html`.

        Raises:
            InputError: It ends in something else.
        """
        path = Path(path)
        ending = path.suffix.lower()
        if ending == ".html":
            self.to_html(path)
            return
        if ending != ".parquet":
            raise InputError(
                f"{path} does not end in .parquet or .html, as a report is saved; write its rows to other formats with "
                "report.to_pandas(), for example report.to_pandas().to_csv(…)"
            )
        metadata = {METADATA_KEY: json.dumps(self.metadata, allow_nan=False).encode()}
        table = self.table.replace_schema_metadata(metadata)

        def write(file: Path) -> None:
            with pq.ParquetWriter(file, table.schema) as writer:
                writer.write_table(table)
                writer.add_key_value_metadata({SEAL.decode(): BLANK.decode()})
            seal(file)

        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, write)

    @staticmethod
    @checked
    def load(path: str | Path) -> Report:
        """Read a report back, strictly.

        Args:
            path: The file, or the folder it is in.

        Raises:
            InputError: It is no report of this schema version, or not as it was written.
        """
        path = Path(path)
        path = path / FILE_NAME if path.is_dir() else path
        newest = current(path)
        if not newest.exists():
            raise InputError(f"{path} does not exist: give a report.parquet, or the folder it is in")
        require_regular(newest)
        try:
            content = newest.read_bytes()
            sealed = is_sealed(content)
            table = pq.read_table(pa.BufferReader(content))
        except DamagedError as error:
            raise InputError(f"{path} is damaged: {error}; make it anew") from error
        except (OSError, pa.ArrowException, ValueError) as error:
            raise InputError(f"cannot read {path} as a report: {str(error).partition(chr(10))[0]}") from error
        stored = (table.schema.metadata or {}).get(METADATA_KEY)
        if stored is None:
            raise InputError(f"{path} is not a labelaudit report")
        try:
            metadata = read_metadata(stored)
            if not table.schema.equals(SCHEMA):
                raise ValueError("it does not have the columns of a labelaudit report")
            check_table(table, metadata["classes"])
        except ValueError as error:
            raise InputError(f"{path} cannot be used: {error}; make it anew") from error
        if not sealed:
            raise InputError(f"{path} carries no SHA-256: another program has written it; make it anew")
        return Report(table.replace_schema_metadata({METADATA_KEY: stored}), metadata)
