"""skintriage's runtime: the phone pipeline in Python. Not a medical device.

from mobile_runtime import Bundle, TriagePipeline
assessment = TriagePipeline(Bundle.load()).assess("photo.jpg")
"""

from mobile_runtime.assessment import Assessment
from mobile_runtime.bundle import Bundle
from mobile_runtime.burst import BurstAssessment
from mobile_runtime.decision import Decision
from mobile_runtime.errors import (
    BundleError,
    CaptureError,
    DataError,
    EngineError,
    MissingExtraError,
    ServingError,
    SkintriageError,
    TaxonomyError,
)
from mobile_runtime.frames import CameraFrame
from mobile_runtime.pipeline import Prediction, TriagePipeline
from mobile_runtime.planes import Plane

__all__ = [
    "Assessment",
    "Bundle",
    "BundleError",
    "BurstAssessment",
    "CameraFrame",
    "CaptureError",
    "DataError",
    "Decision",
    "EngineError",
    "MissingExtraError",
    "Plane",
    "Prediction",
    "ServingError",
    "SkintriageError",
    "TaxonomyError",
    "TriagePipeline",
]
__version__ = "0.16.0"
