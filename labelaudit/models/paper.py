"""The paper's three small networks (Appendix F-A), for any number of classes."""

from __future__ import annotations

from torch import Tensor, nn


class Logistic(nn.Module):
    """Turns a network with a single output z into one for two classes, with logits (0, z).

    Softmax over them is the logistic function of z, and cross-entropy the paper's binary one.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (B, 2) of inputs (B, …)."""
        return nn.functional.pad(self.network(inputs), (1, 0))


def logistic_regression(num_classes: int, num_features: int) -> nn.Module:
    """Multinomial logistic regression on the flattened input."""
    return nn.Sequential(nn.Flatten(), nn.Linear(num_features, num_classes))


def dnn(num_classes: int, num_features: int) -> nn.Module:
    """Two hidden layers of eight ReLU units, on the flattened input."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(num_features, 8),
        nn.ReLU(),
        nn.Linear(8, 8),
        nn.ReLU(),
        nn.Linear(8, num_classes),
    )


def cnn(num_classes: int, channels: int, image_size: int) -> nn.Module:
    """Two 3×3 convolutions (32, 64), each with ReLU and 2×2 max pooling, then a linear layer."""
    return nn.Sequential(  # pooling first: bit for bit the same, with a quarter of the numbers to put through the ReLU
        nn.Conv2d(channels, 32, 3, padding=1),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64 * (image_size // 4) ** 2, num_classes),
    )
