"""The quality gate: each figure reacts to its own fault, and arithmetic is what the docstring says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mobile_runtime import synthetic
from mobile_runtime.manifest import QualityLimits
from mobile_runtime.quality import ADVICE, judge, luma, measure
from mobile_runtime.resample import resample

LIMITS = QualityLimits(
    sharpness_min=0.1,
    least_sharpness_min=0.08,
    evenness_min=0.55,
    detail_min=0.01,
    echo_max=0.07,
    brightness_min=0.2,
    brightness_max=0.9,
    clipped_max=0.05,
    highlight_max=0.002,
    glare_max=0.03,
    contrast_min=0.03,
    colour_min=0.01,
    warmth_min=-0.04,
    region_px_min=48,
    dataset="made up",
)


@pytest.fixture
def clean() -> np.ndarray:
    return resample(synthetic.lesion("nv", 3), 96)


def test_a_clean_lesion_is_acceptable(clean: np.ndarray) -> None:
    assert judge(clean, LIMITS, region_px=256).reasons == ()


def test_each_fault_is_named(clean: np.ndarray) -> None:
    import cv2

    glare = clean.copy()
    cv2.circle(glare, (48, 48), 14, (255, 255, 255), -1)
    cases = {
        "too_dark": (clean * 0.1).astype(np.uint8),
        "too_bright": np.maximum(clean, 245),
        "clipped": np.where(np.arange(96)[:, None, None] < 20, 255, clean).astype(np.uint8),
        "glare": glare,
        "blurred": cv2.GaussianBlur(clean, (0, 0), 8),
        "doubled": _twice(clean, 7, 5),
        "uniform": np.full_like(clean, 150),
        "colourless": np.repeat(luma(clean)[..., None], 3, axis=2).astype(np.uint8),
        "blue_cast": clean[..., ::-1],
    }
    for reason, image in cases.items():
        assert reason in judge(image, LIMITS).reasons, reason
    assert judge(clean, LIMITS, region_px=47).reasons == ("too_small",)
    assert set(cases) | {"too_small"} == set(ADVICE)


LIMIT_NAMES = [name for name in QualityLimits.model_fields if name.endswith(("_min", "_max"))]


@pytest.mark.parametrize("name", LIMIT_NAMES)
def test_a_picture_at_a_limit_is_accepted_and_one_beyond_is_not(clean: np.ndarray, name: str) -> None:
    textured = np.clip(clean + np.random.default_rng(0).normal(0, 12, (96, 96, 1)), 0, 255).astype(np.uint8)
    picture = _twice(textured, 4, 3)
    picture[46:50, 44:49] = 255
    figure, side = name.rsplit("_", 1)
    found = getattr(judge(picture, LIMITS, region_px=256), figure)
    assert found > 0
    # No other figure matters; of the two of least_sharpness and evenness, the other is below its limit.
    loose = {other: -math.inf if other.endswith("_min") else math.inf for other in LIMIT_NAMES}
    pair = {"least_sharpness_min": "evenness_min", "evenness_min": "least_sharpness_min"}
    loose |= {pair[name]: math.inf} if name in pair else {}
    beyond = math.nextafter(found, math.inf if side == "min" else -math.inf)
    for limit, accepted in ((found, True), (beyond, False)):
        limits = LIMITS.model_copy(update=loose | {name: limit})
        assert judge(picture, limits, region_px=256).acceptable is accepted


def test_a_small_reflection_on_the_spot_is_glare(clean: np.ndarray) -> None:
    burnt = clean.copy()
    burnt[46:50, 44:49] = 255
    found = judge(burnt, LIMITS)
    assert found.reasons == ("glare",)
    # By hand: 20 pixels of 48 x 48, which leave the limits of the whole picture alone.
    assert found.highlight == 20 / 48**2 and found.clipped < LIMITS.clipped_max and found.glare < LIMITS.glare_max
    at_the_edge = clean.copy()
    at_the_edge[2:6, 2:7] = 255
    assert judge(at_the_edge, LIMITS).reasons == ()


@pytest.mark.parametrize("colour", [(245, 245, 245), (255, 244, 225), (230, 230, 222)])
def test_a_reflection_need_not_be_burnt_out(colour: tuple[int, int, int], clean: np.ndarray) -> None:
    shining = clean.copy()
    shining[46:50, 44:49] = colour
    found = judge(shining, LIMITS)
    assert found.reasons == ("glare",) and found.highlight == 20 / 48**2 and found.clipped == 0
    # Where all is as bright, nothing shines.
    white = np.full_like(clean, 240)
    assert measure(white).highlight == 0 and measure(np.full_like(clean, 252)).highlight == 1
    bright = white.copy()
    bright[40:60, 40:60] = 249
    assert measure(bright).highlight == 0, "no brighter than around by enough"


@pytest.mark.parametrize("direction", ["across", "down", "falling", "rising"])
def test_a_hand_that_moves_blurs_whichever_way(clean: np.ndarray, direction: str) -> None:
    textured = np.clip(clean + np.random.default_rng(0).normal(0, 12, (96, 96, 1)), 0, 255)
    steps = {"across": (0, 1), "down": (1, 0), "falling": (1, 1), "rising": (1, -1)}[direction]
    moved = np.mean([np.roll(textured, (k * steps[0], k * steps[1]), (0, 1)) for k in range(15)], axis=0).astype(np.uint8)
    still, smeared = judge(textured.astype(np.uint8), LIMITS), judge(moved, LIMITS)
    assert "blurred" not in still.reasons and still.evenness > LIMITS.evenness_min
    assert "blurred" in smeared.reasons
    # The Laplacian sees the detail that is left across the way.
    assert smeared.sharpness > LIMITS.sharpness_min and smeared.evenness < LIMITS.evenness_min


def _twice(image: np.ndarray, down: int, across: int) -> np.ndarray:
    return ((image.astype(int) + np.roll(image, (down, across), (0, 1))) // 2).astype(np.uint8)


@given(st.integers(0, 7), st.integers(-11, 11), st.integers(-11, 11))
def test_two_exposures_are_doubled_whichever_way_the_hand_moved(seed: int, down: int, across: int) -> None:
    assume(4 <= np.hypot(down, across) <= 11)
    picture = resample(synthetic.lesion("nv", seed), 96)
    textured = np.clip(picture + np.random.default_rng(seed).normal(0, 12, (96, 96, 1)), 0, 255).astype(np.uint8)
    assert measure(textured).echo < LIMITS.echo_max
    # By whole cells of 2 x 2 pixels: between two of them, noise of single pixels is another, as a lens's texture is not.
    assert judge(_twice(textured, 2 * down, 2 * across), LIMITS).reasons == ("doubled",)


@given(st.integers(0, 99), st.sampled_from([32, 45, 96]))
def test_echo_is_the_autocorrelation_of_signs(seed: int, size: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8) // (1 + seed % 3 * 80)
    cells = luma(image)[: size // 2 * 2, : size // 2 * 2].reshape(size // 2, 2, size // 2, 2).sum((1, 3))
    middle, sides = cells[1:-1, 1:-1], (cells[1:-1, :-2], cells[1:-1, 2:], cells[:-2, 1:-1], cells[2:, 1:-1])
    signs = np.sign(4 * middle - sum(sides)).astype(int)
    side, reach = len(signs), size // 2 // 4

    def likeness(down: int, across: int) -> float:
        down, across = (down, across) if down >= 0 else (-down, -across)
        here = signs[: side - down, max(0, -across) : side - max(0, across)]
        there = signs[down:, max(0, across) : side + min(0, across)]
        return int((here * there).sum()) / here.size

    highest = 0.0
    for down in range(-reach, reach + 1):
        for across in range(-reach, reach + 1):
            if 2 <= np.hypot(down, across) <= reach:
                ring = [(y, x) for y in range(-2, 3) for x in range(-2, 3) if 1.9 < np.hypot(y, x) < 2.4]
                around = max(likeness(down + y, across + x) for y, x in ring)
                highest = max(highest, likeness(down, across) - around)
    assert measure(image).echo == (highest / likeness(0, 0) if signs.any() else 0.0)  # to the bit, as for every port


def test_where_nothing_varies_nothing_is_doubled(clean: np.ndarray) -> None:
    assert measure(np.full_like(clean, 150)).echo == 0
    assert measure(np.full((8, 8, 3), 150, np.uint8)).echo == 0


@pytest.mark.parametrize(
    "factors", [(1, 1, 1), (0.97, 1, 1.03), (0.8, 1, 1.2), (1.15, 0.97, 0.8)], ids=["grey", "cool", "cold", "sepia"]
)
def test_grey_pictures_are_colourless_whatever_their_tint(clean: np.ndarray, factors: tuple[float, ...]) -> None:
    grey = luma(clean)[..., None] * 0.8
    tinted = (grey * np.array(factors)).round().astype(np.uint8)
    assert judge(tinted, LIMITS).reasons == (("colourless", "blue_cast") if factors[0] < 0.93 * factors[2] else ("colourless",))
    veiled = (grey * 0.7 * np.array(factors) + np.array([40, 25, 10])).round().astype(np.uint8)
    assert "colourless" in judge(veiled, LIMITS).reasons


@given(st.floats(0.05, 1), st.integers(0, 7))
def test_swapped_channels_are_a_blue_cast_in_any_light(exposure: float, seed: int) -> None:
    picture = (resample(synthetic.lesion("nv", seed), 96) * exposure).astype(np.uint8)
    assert measure(picture).warmth == -measure(picture[..., ::-1]).warmth
    assert "blue_cast" in judge(picture[..., ::-1], LIMITS).reasons and "blue_cast" not in judge(picture, LIMITS).reasons


def test_what_does_not_vary_is_uniform_and_not_colourless(clean: np.ndarray) -> None:
    found = judge(np.full_like(clean, 150), LIMITS).reasons
    assert "uniform" in found and "colourless" not in found


@given(st.floats(0.3, 1), st.tuples(*[st.floats(0.8, 1.2)] * 3))
def test_colour_is_the_pictures_and_not_the_lights(exposure: float, balance: tuple[float, float, float]) -> None:
    picture = resample(synthetic.lesion("nv", 3), 96) * 0.8
    lit = (picture * exposure * np.array(balance)).round().astype(np.uint8)
    # Levels are rounded, the more coarsely the darker they are, and the balance weighs the channels' shares.
    assert measure(lit).colour == pytest.approx(measure(picture.round().astype(np.uint8)).colour, rel=0.15)


def test_colour_has_the_same_bits_in_every_python() -> None:
    image = np.random.default_rng(3).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    # By Python 3.11; the built-in sum() of 3.12 rounds otherwise and would end in f3.
    assert measure(image).colour.hex() == "0x1.c2652af61c6f5p-3"


def test_luma_is_integer_arithmetic() -> None:
    image = np.array([[[255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    # (77 * 255 + 128) >> 8 and so on, by hand.
    assert luma(image).tolist() == [[255, 77, 149, 29]]


@given(arrays(np.uint8, (17, 17, 3), elements=st.integers(0, 255)))
def test_figures_are_finite_and_match_plain_formulas(image: np.ndarray) -> None:
    found = measure(image)
    y = luma(image).astype(np.float64)
    assert found.brightness == pytest.approx(y.mean() / 255, abs=1e-12)
    assert found.clipped == pytest.approx((image.min(2) >= 250).mean())
    blocks = [y[i : i + 8, j : j + 8].mean() for i in (0, 8) for j in (0, 8)]
    # Integer sums against float means: the square root keeps half the digits of a variance near zero.
    assert found.contrast == pytest.approx(np.std(blocks) / 255, abs=1e-7)
    # The same from standardized channels: what is left of their differences, in units of the brightness.
    cells = image[:16, :16].reshape(4, 4, 4, 4, 3).mean(axis=(1, 3)).reshape(-1, 3)
    scaled = (cells - cells.mean(0)) / np.maximum(cells.std(0), 1e-12)
    pairs = ((0, 1), (0, 2), (1, 2))
    apart = [cells[:, a].std() * cells[:, b].std() * ((scaled[:, a] - scaled[:, b]) ** 2).mean() / 2 for a, b in pairs]
    expected = min(1, np.sqrt(2 * np.sum(apart) / 3) / max(1e-9, cells.mean()))
    assert found.colour == pytest.approx(expected, abs=1e-6)
    assert 0 <= found.glare <= 1
    means = image.mean((0, 1))
    assert found.warmth == pytest.approx((means[0] - means[2]) / max(1e-9, means[0] + means[2]), abs=1e-12)
    # 17 pixels: pairs of the first 16, and the middle from the fifth to the thirteenth.
    around = np.sort(np.delete(y.ravel(), [17 * i + j for i in range(4, 13) for j in range(4, 13)]))
    level = around[int(np.ceil(0.9 * around.size - 1e-9)) - 1]
    near_white = (image.min(2) >= 200) & (np.ptp(image.astype(int), 2) <= 40)
    hidden = (near_white & (y >= level + 20)) | (image.min(2) >= 250)
    assert found.highlight == pytest.approx(hidden[4:13, 4:13].mean())
    p, rows, columns = y[:16, :16].reshape(8, 2, 8, 2).mean(axis=(1, 3)), slice(1, -1), slice(1, -1)
    ways = [((0, -1), 1), ((-1, 0), 1), ((-1, -1), 2), ((-1, 1), 2)]
    bends = [
        np.mean((2 * p - np.roll(p, way, (0, 1)) - np.roll(p, (-way[0], -way[1]), (0, 1)))[rows, columns] ** 2) / squared
        for way, squared in ways
    ]
    assert found.least_sharpness == pytest.approx(np.sqrt(min(bends)) / (y.std() + 8), abs=1e-6)
    assert found.evenness == pytest.approx(np.sqrt(min(bends) / max(bends)) if max(bends) else 1, abs=1e-6)
    assert np.isfinite(found.sharpness)
