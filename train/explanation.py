"""What a network looks at: saliency, Grad-CAM, and a map of its last hidden layer.

Saliency and the map are those of Esteva et al. 2017 (Extended Data Figure 4 and Figure 4). They show what a score is sensitive
to, not why it is right.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import torch
from sklearn.manifold import TSNE
from torch import nn

from mobile_runtime.errors import DataError
from train.network import LesionNetwork, turned_back

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]


def _as_batch(pixels: Pixels) -> torch.Tensor:
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy()).float()[None]


def _log_probability(logits: torch.Tensor, mask: Floats) -> torch.Tensor:
    """Log of the summed probability of the marked classes; logits [1, C], mask [C]."""
    allowed = torch.from_numpy(mask > 0).to(logits.device)
    return torch.logsumexp(torch.log_softmax(logits, 1)[:, allowed], 1).sum()


def saliency(network: LesionNetwork, pixels: Pixels, mask: Floats) -> Floats:
    """How strongly each pixel moves the log probability of the marked classes.

    The L1 norm over the three colours of the gradient with respect to the input (Simonyan et al. 2014, Deep inside
    convolutional networks, section 3; the norm is that of Esteva et al. 2017).

    Args:
        network: in evaluation mode.
        pixels: uint8 RGB [S, S, 3].
        mask: float32 [C], 1 for the classes whose sum is asked about.

    Returns:
        float32 [S, S], at least 0, per grey level.
    """
    batch = _as_batch(pixels).requires_grad_()
    (gradient,) = torch.autograd.grad(_log_probability(network(batch), mask), batch)
    return gradient[0].abs().sum(0).numpy()


class _Probe(nn.Module):
    """From a picture to the log probability of the marked classes, by way of `maps`, the last feature maps."""

    def __init__(self, network: LesionNetwork, mask: Floats) -> None:
        super().__init__()
        self.network, self.mask = network, mask
        self.maps = nn.Identity()

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        maps = self.maps(self.network.backbone.forward_features(self.network.views(batch)))
        if maps.ndim != 4:
            raise DataError("Grad-CAM needs a convolutional backbone, this one has no feature maps; leave it out with --no-cam")
        logits = self.network.head(self.network.averaged(self.network.backbone.forward_head(maps)))
        return _log_probability(logits, self.mask)[None]


def grad_cam(network: LesionNetwork, pixels: Pixels, mask: Floats) -> Floats:
    """Where the last feature maps speak for the marked classes (Selvaraju et al. 2017, Grad-CAM, eq. 1 and 2).

    Of the log probability, so that several classes can be asked about.

    Args:
        network: in evaluation mode, with a convolutional backbone.
        pixels: uint8 RGB [S, S, 3].
        mask: float32 [C], 1 for the classes whose sum is asked about.

    Returns:
        float32 [S, S], 0..1; all zeros where nothing speaks for them.

    Raises:
        DataError: the backbone has no feature maps.
    """
    from captum.attr import LayerGradCam  # imports matplotlib's pyplot, for which no other command should wait

    probe = _Probe(network, mask)
    heats = LayerGradCam(probe, probe.maps).attribute(_as_batch(pixels).requires_grad_(), relu_attributions=True).detach()
    heat: Floats = turned_back(heats, network.orientations)[0, 0].numpy()
    size = pixels.shape[0]
    heat = cv2.resize(heat, (size, size), interpolation=cv2.INTER_LINEAR)
    return heat / heat.max() if heat.max() > 0 else heat


def embedding_map(embeddings: Floats, seed: int = 0) -> npt.NDArray[np.float64]:
    """t-SNE of the last hidden layer (van der Maaten & Hinton 2008), from principal components.

    Args:
        embeddings: float32 [N, D].
        seed: the same seed gives the same map.

    Returns:
        float64 [N, 2].

    Raises:
        DataError: fewer than ten images.
    """
    if len(embeddings) < 10:
        raise DataError(f"{len(embeddings)} images are too few for a map; give at least 10")
    perplexity = min(30.0, (len(embeddings) - 1) / 3)
    reduced = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(embeddings)
    return np.asarray(reduced, dtype=np.float64)
