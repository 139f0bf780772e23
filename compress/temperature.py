"""Temperature scaling (Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, logsumexp

from mobile_runtime.errors import DataError

BOUNDS = (0.05, 20.0)


def fit_temperature(probabilities: npt.NDArray[np.float32], masks: npt.NDArray[np.float32]) -> float:
    """The temperature that makes held-out labels likeliest; partial labels count through their marginal likelihood.

    Args:
        probabilities: float32 [N, C] of a softmax at temperature 1 (its log is the logits up to a constant).
        masks: float32 [N, C] of zeros and ones: which classes each label may be.

    Raises:
        DataError: no samples, or probabilities that are not finite.
    """
    if not len(probabilities) or not np.isfinite(probabilities).all():
        raise DataError("temperature needs finite probabilities of at least one labelled image")
    logits = np.log(np.maximum(probabilities.astype(np.float64), 1e-30))

    def negative_log_likelihood(log_temperature: float) -> float:
        log_p = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(logsumexp(np.where(masks > 0, log_p, -np.inf), axis=1).mean())

    found = minimize_scalar(negative_log_likelihood, bounds=np.log(BOUNDS), method="bounded")
    return float(np.exp(found.x))
