"""A real ViT-B/16, 86 million parameters, fine-tuned and audited on the CPU (about five minutes on two cores)."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from labelaudit import AuditConfig, scan
from labelaudit.config import InfluenceConfig, ModelConfig, TrainingConfig

ROWS = 12


@pytest.mark.slow
def test_vit_b16_is_fine_tuned_and_audited(dataset_file, tmp_path):
    table = pq.read_table(dataset_file("hymenoptera_224.parquet"))
    data = table.take(np.linspace(0, table.num_rows - 1, ROWS).astype(int))
    assert set(data["label"].to_pylist()) == {"ants", "bees"}
    pq.write_table(data, tmp_path / "pool.parquet")
    config = AuditConfig(
        model=ModelConfig(name="vit_base_patch16_224"),
        training=TrainingConfig(epochs=1, batch_size=3),
        influence=InfluenceConfig(scoring_steps=1),
    )
    report = scan(tmp_path / "pool.parquet", config=config)
    frame = report.to_pandas()
    assert report.metadata["parameters"] > 85_000_000
    assert (frame["status"] == "scored").all()
    assert np.isfinite(frame[["influence", "score", "p_label", "loss"]]).all(axis=None)
    assert frame["influence"].nunique() == ROWS
