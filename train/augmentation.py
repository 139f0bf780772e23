"""Random training views: what phones, dermatoscopes and hands do to a picture.

Views are drawn from the upright source and end in the same resampling as on the phone. Every view is a function of a random
generator alone, so that a run can be resumed exactly.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageOps

from mobile_runtime.resample import centre_square, resample
from train.recipe import Augmentation

Pixels = npt.NDArray[np.uint8]


def augment(image: Pixels, size: int, plan: Augmentation, rng: np.random.Generator) -> Pixels:
    """One random view.

    Args:
        image: upright uint8 RGB [H, W, 3].
        size: S.
        plan: strengths and probabilities.
        rng: the only source of chance.

    Returns:
        uint8 RGB [S, S, 3].
    """
    view = turn(image, rng.uniform(0, 360)) if plan.inscribed_rotation else _frame(image, plan, rng)
    view = _soften(view, plan, rng)
    view = np.ascontiguousarray(np.rot90(resample(view, size), int(rng.integers(4))))
    if rng.random() < 0.5:
        view = np.ascontiguousarray(view[:, ::-1])
    if rng.random() < plan.hair_probability:
        view = draw_hair(view, rng)
    if rng.random() < plan.colour_probability:
        view = _colour(view, plan, rng)
    if rng.random() < plan.blur_probability:
        view = cv2.GaussianBlur(view, (0, 0), rng.uniform(0.4, 1.4))
    if rng.random() < plan.noise_probability:
        noise = rng.standard_normal(view.shape, dtype=np.float32) * rng.uniform(2, 10)
        view = np.clip(view + noise, 0, 255).astype(np.uint8)
    if rng.random() < plan.jpeg_probability:
        _, data = cv2.imencode(".jpg", view[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 96))])
        view = np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[..., ::-1])
    if rng.random() < plan.erase_probability:
        view = _erase(view, rng)
    for _ in range(plan.random_operations):
        view = _operate(view, plan.operation_strength * rng.uniform(-1, 1), rng)
    return view


def inscribed_rectangle(width: float, height: float, angle: float) -> tuple[float, float]:
    """Width and height of the largest upright rectangle inside a rectangle turned by an angle in radians, same centre.

    Either two opposite corners of it touch the longer sides of the turned rectangle, which then is the narrower the more it is
    turned (half-constrained), or all four touch (fully constrained).
    """
    sine, cosine = abs(math.sin(angle)), abs(math.cos(angle))
    long, short = max(width, height), min(width, height)
    if short <= 2 * sine * cosine * long or abs(sine - cosine) < 1e-9:
        half = short / 2
        across, along = half / max(sine, 1e-12), half / max(cosine, 1e-12)
        return (across, along) if width >= height else (along, across)
    doubled = cosine * cosine - sine * sine
    return (width * cosine - height * sine) / doubled, (height * cosine - width * sine) / doubled


def turn(image: Pixels, degrees: float) -> Pixels:
    """The centre square turned about its centre and cut to the largest upright rectangle in it, which is a square again.

    Esteva et al. 2017 (Methods, "Training algorithm") did so with the whole image and squashed the rectangle to a square; a
    square from the start keeps the proportions of the lesion and is the frame of the phone.
    """
    left, top, right, bottom = centre_square(image.shape[1], image.shape[0])
    image = image[top:bottom, left:right]
    # Between the centres of the outermost pixels, so that no sample is interpolated with what lies outside.
    reach = len(image) - 1
    side = math.floor(min(inscribed_rectangle(reach, reach, math.radians(degrees))) + 1e-6) + 1
    matrix = cv2.getRotationMatrix2D((reach / 2, reach / 2), degrees, 1.0)
    matrix[:, 2] += (side - 1 - reach) / 2
    return cv2.warpAffine(image, matrix, (side, side), borderMode=cv2.BORDER_REFLECT_101)


def _operate(view: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """One operation at random with a strength in -1..1, after RandAugment (Cubuk et al. 2020, Figure 2).

    Left out are the operations that replace colours (solarize, equalize, invert): colour is evidence here.
    """
    picture = Image.fromarray(view)
    gain = 1 + 0.9 * strength
    choice = int(rng.integers(8))
    if choice < 4:
        kinds = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color, ImageEnhance.Sharpness)
        picture = kinds[choice](picture).enhance(gain)
    elif choice == 4:
        picture = ImageOps.autocontrast(picture, cutoff=2 * abs(strength))
    elif choice == 5:
        picture = ImageOps.posterize(picture, 8 - round(4 * abs(strength)))
    else:
        size, slant = view.shape[0], 0.3 * strength
        matrix = np.eye(2, 3)
        row = choice - 6  # horizontal or vertical shear about the middle
        matrix[row, 1 - row], matrix[row, 2] = slant, -slant * size / 2
        return cv2.warpAffine(view, matrix, (size, size), borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(picture)


def _frame(image: Pixels, plan: Augmentation, rng: np.random.Generator) -> Pixels:
    """A square or slightly squashed part of the image, perhaps turned by any angle."""
    height, width = image.shape[:2]
    side = min(height, width) * rng.uniform(*plan.crop_scale)
    squash = plan.squash ** rng.uniform(-1, 1) if rng.random() < plan.squash_probability else 1.0
    box = np.array([side * min(1, squash), side * min(1, 1 / squash)])
    slack = np.array([width, height]) - box
    reach = np.minimum(plan.shift * min(height, width), slack / 2)
    centre = np.array([width, height]) / 2 + rng.uniform(-1, 1, 2) * reach
    crop_width, crop_height = (max(16, round(edge)) for edge in box)
    if rng.random() < plan.rotation_probability:
        turn = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), rng.uniform(0, 360), 1.0)
        turn[:, 2] += np.array([crop_width, crop_height]) / 2 - centre
        return cv2.warpAffine(image, turn, (crop_width, crop_height), borderMode=cv2.BORDER_REFLECT_101)
    left = int(np.clip(round(centre[0] - crop_width / 2), 0, width - crop_width))
    top = int(np.clip(round(centre[1] - crop_height / 2), 0, height - crop_height))
    return image[top : top + crop_height, left : left + crop_width]


def _soften(view: Pixels, plan: Augmentation, rng: np.random.Generator) -> Pixels:
    """Cap every view at one effective resolution, and some lower: sharpness must tell nothing about the lesion.

    Sources of different sharpness hold different mixes of diagnoses, which a network would use as a shortcut.
    """
    cap = plan.resolution_cap
    if rng.random() < plan.soften_probability:
        cap = int(rng.integers(plan.soften_to, cap + 1))
    height, width = view.shape[:2]
    if min(height, width) <= cap:
        return view
    scale = cap / min(height, width)
    shape = (max(cap, round(width * scale)), max(cap, round(height * scale)))
    return np.asarray(Image.fromarray(view).resize(shape, Image.Resampling.BILINEAR))


def _colour(view: Pixels, plan: Augmentation, rng: np.random.Generator) -> Pixels:
    """White balance, brightness, contrast and gamma as one table per channel, then saturation."""
    ramp = np.arange(256, dtype=np.float32) / 255
    gamma = np.exp(rng.uniform(-plan.gamma, plan.gamma))
    gain = 1 + rng.uniform(-plan.brightness, plan.brightness)
    slope = 1 + rng.uniform(-plan.contrast, plan.contrast)
    balance = 1 + rng.uniform(-plan.white_balance, plan.white_balance, 3)
    pivot = float(view.mean()) / 255
    tables = [((ramp**gamma) * gain * channel - pivot) * slope + pivot for channel in balance]
    table = np.clip(np.stack(tables, -1) * 255, 0, 255).astype(np.uint8)[None]
    view = cv2.LUT(view, table)
    saturation = 1 + rng.uniform(-plan.saturation, plan.saturation)
    grey = cv2.cvtColor(cv2.cvtColor(view, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(view, saturation, grey, 1 - saturation, 0)


def draw_hair(view: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw 3 to 20 dark or light curved hairs over a uint8 RGB image [S, S, 3]."""
    size = view.shape[0]
    over = view.copy()
    shade = rng.integers(10, 80) if rng.random() < 0.8 else rng.integers(160, 220)
    colour = tuple(int(c) for c in np.clip(shade + rng.integers(-10, 20, 3), 0, 255))
    for _ in range(int(rng.integers(3, 21))):
        start, stop, bend = rng.uniform(-0.1, 1.1, (3, 2)) * size
        t = np.linspace(0, 1, 16)[:, None]
        curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * (0.5 * (start + stop) + 0.3 * (bend - size / 2)) + t**2 * stop
        cv2.polylines(over, [curve.round().astype(np.int32)], False, colour, 1, cv2.LINE_AA)
    return cv2.addWeighted(over, 0.8, view, 0.2, 0)


def _erase(view: Pixels, rng: np.random.Generator) -> Pixels:
    size = view.shape[0]
    height, width = (rng.uniform(0.1, 0.3, 2) * size).astype(int) + 1
    top, left = rng.integers(0, size - height), rng.integers(0, size - width)
    view = view.copy()
    view[top : top + height, left : left + width] = rng.integers(0, 256, 3)
    return view
