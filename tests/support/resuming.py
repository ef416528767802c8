"""A short audit that keeps what it has, to be stopped and gone on with."""

from __future__ import annotations

from labelaudit.config import AuditConfig, InfluenceConfig, ModelConfig, TrainingConfig


def settings(trajectory: str = "memory", seed: int = 0) -> AuditConfig:
    return AuditConfig(
        model=ModelConfig(name="dnn"),
        training=TrainingConfig(epochs=2, batch_size=6, optimizer="adamw", augmentation="shift"),
        influence=InfluenceConfig(trajectory=trajectory, window="steps:2-7", removal="start"),
        folds="2",
        seed=seed,
    )
