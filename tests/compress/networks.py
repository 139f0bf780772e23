"""Small networks to convert: the process that converts must be able to import them."""

from __future__ import annotations

import torch
from torch import nn

from train.network import turned


class Logits(nn.Module):
    """A small network with a depthwise kernel of so many taps a side."""

    def __init__(self, taps: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1),
            nn.ReLU6(),
            nn.Conv2d(8, 8, taps, 1, taps // 2, groups=8),
            nn.ReLU6(),
            nn.Conv2d(8, 16, 1),
            nn.ReLU6(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(16, 7)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.head(self.features((pixels.permute(0, 3, 1, 2).float() - 128) / 127.5))


class Deployed(nn.Module):
    """As a bundle's graph gives it: probabilities and scores."""

    def __init__(self, logits: Logits) -> None:
        super().__init__()
        self.logits = logits
        self.register_buffer("aggregation", torch.tensor([[1.0, 0], [1, 1], [0, 0], [0, 0], [1, 1], [0, 0], [0, 0]]))

    def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        probabilities = torch.softmax(self.logits(pixels), dim=1)
        return {"probabilities": probabilities, "scores": probabilities @ self.aggregation}


class Turning(nn.Module):
    """The mean over several orientations of a picture."""

    def __init__(self, logits: Logits, orientations: int) -> None:
        super().__init__()
        self.features, self.head, self.orientations = logits.features, logits.head, orientations
        self.register_buffer("aggregation", torch.eye(7)[:, :2])

    def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        views = (turned(pixels.permute(0, 3, 1, 2), self.orientations).float() - 128) / 127.5
        embeddings = self.features(views).reshape(self.orientations, -1, 16).mean(0)
        probabilities = torch.softmax(self.head(embeddings), dim=1)
        return {"probabilities": probabilities, "scores": probabilities @ self.aggregation}
