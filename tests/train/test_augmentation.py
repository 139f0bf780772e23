"""Training views: always uint8 [S, S, 3], a function of the generator alone, each step bounded by its strength."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobile_runtime.resample import centre_square, resample
from mobile_runtime.synthetic import lesion
from train.augmentation import augment, draw_hair, inscribed_rectangle, turn
from train.recipe import Augmentation

STEPS = ("rotation", "squash", "soften", "colour", "blur", "noise", "jpeg", "hair", "erase")
STILL = Augmentation.model_validate(
    {f"{step}_probability": 0 for step in STEPS} | {"crop_scale": (1, 1), "shift": 0, "resolution_cap": 4096}
)
"""Nothing but quarter turns and mirroring."""


def only(**changes: object) -> Augmentation:
    """A plan with a single step switched on."""
    return Augmentation.model_validate(STILL.model_dump() | changes)


def textured(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@st.composite
def plans(draw: st.DrawFn) -> Augmentation:
    """Any plan that a recipe may hold."""
    share = st.floats(0, 1)
    cap = draw(st.integers(16, 200))
    low = draw(st.floats(0.05, 1))
    return Augmentation.model_validate(
        {f"{step}_probability": draw(st.sampled_from([0.0, 1.0]) | share) for step in STEPS}
        | {name: draw(st.floats(0, 0.99)) for name in ("brightness", "contrast", "white_balance", "saturation", "gamma")}
        | {"crop_scale": (low, draw(st.floats(low, 1))), "shift": draw(st.floats(0, 0.5)), "squash": draw(st.floats(1, 4))}
        | {"resolution_cap": cap, "soften_to": draw(st.integers(16, cap))}
        | {"inscribed_rotation": draw(st.booleans()), "random_operations": draw(st.integers(0, 3))}
        | {"operation_strength": draw(share)}
    )


@settings(max_examples=150)
@given(plans(), st.integers(16, 120), st.integers(16, 120), st.sampled_from([32, 33, 64]), st.integers(0, 2**32 - 1))
def test_any_view_of_any_image_is_square_and_repeatable(
    plan: Augmentation, height: int, width: int, size: int, seed: int
) -> None:
    image = textured(height, width)
    image.flags.writeable = False  # as in the memory-mapped cache
    view = augment(image, size, plan, np.random.default_rng(seed))
    assert view.shape == (size, size, 3)
    assert view.dtype == np.uint8
    # Nothing but the generator may decide: neither an earlier call nor numpy's global state.
    np.random.seed(seed % 7)
    np.testing.assert_array_equal(augment(image, size, plan, np.random.default_rng(seed)), view)
    np.testing.assert_array_equal(image, textured(height, width))


def test_generators_that_differ_give_views_that_differ() -> None:
    image = lesion("mel", 0, 96)
    views = {augment(image, 64, Augmentation(), np.random.default_rng(seed)).tobytes() for seed in range(20)}
    assert len(views) == 20


def test_without_steps_the_view_is_the_phones_in_one_of_eight_positions() -> None:
    image = textured(60, 80)
    left, top, right, bottom = centre_square(80, 60)
    plain = resample(image[top:bottom, left:right], 32)
    positions = {np.rot90(side, turn).tobytes() for side in (plain, plain[:, ::-1]) for turn in range(4)}
    seen = {augment(image, 32, STILL, np.random.default_rng(seed)).tobytes() for seed in range(60)}
    assert seen == positions


def test_a_crop_stays_inside_the_image_and_keeps_its_share() -> None:
    # Each pixel tells where it came from; at crop side = view side nothing is interpolated.
    rows, columns = np.mgrid[0:96, 0:128].astype(np.uint8)
    image = np.stack([rows, columns, rows], -1)
    corners = set()
    for seed in range(40):
        view = augment(image, 48, only(crop_scale=(0.5, 0.5), shift=0.5), np.random.default_rng(seed)).astype(int)
        assert view[..., 0].max() - view[..., 0].min() == 47
        assert view[..., 1].max() - view[..., 1].min() == 47
        corners.add((view[..., 0].min(), view[..., 1].min()))
    tops, lefts = zip(*corners, strict=True)
    assert max(tops) > 30, "the crop moves over the height"
    assert max(lefts) > 40, "the crop moves over the width"


def test_turning_moves_no_light_in() -> None:
    # Reflection at the border invents no colour; a view of one colour stays so. 1 is the rounding of the interpolation.
    image = np.full((40, 70, 3), (200, 120, 90), np.uint8)
    for seed in range(10):
        view = augment(image, 32, only(rotation_probability=1), np.random.default_rng(seed))
        np.testing.assert_allclose(view, np.broadcast_to([200, 120, 90], view.shape), atol=1)
    ramp = np.tile(np.arange(0, 240, 3, dtype=np.uint8), (80, 1))[..., None].repeat(3, -1)
    turned = [augment(ramp, 32, only(rotation_probability=1), np.random.default_rng(seed)) for seed in range(10)]
    slants = [np.ptp(view[..., 0].mean(0)) / 255 + np.ptp(view[..., 0].mean(1)) / 255 for view in turned]
    assert len({round(float(slant), 2) for slant in slants}) > 3, "by any angle, not by quarters only"


def sharpness(view: np.ndarray) -> float:
    return float(np.abs(np.diff(view.astype(float), axis=1)).mean())


def test_no_view_is_sharper_than_the_cap() -> None:
    # A source four times sharper than the cap must not look sharper than one of the cap's own resolution.
    fine = textured(256, 256)
    capped = [sharpness(augment(fine, 64, only(resolution_cap=32), np.random.default_rng(s))) for s in range(5)]
    free = [sharpness(augment(fine, 64, STILL, np.random.default_rng(s))) for s in range(5)]
    assert max(capped) < 0.6 * min(free)
    softened = [
        sharpness(augment(fine, 64, only(resolution_cap=64, soften_to=16, soften_probability=1), np.random.default_rng(s)))
        for s in range(5)
    ]
    assert min(softened) < min(free)


@pytest.mark.parametrize(
    "change",
    [
        {"squash_probability": 1, "squash": 2.0},
        {"blur_probability": 1},
        {"noise_probability": 1},
        {"jpeg_probability": 1},
        {"hair_probability": 1},
        {"erase_probability": 1},
        {"colour_probability": 1},
    ],
)
def test_each_step_does_something_and_not_everything(change: dict[str, object]) -> None:
    image = lesion("nv", 3, 64)
    still = [augment(image, 64, STILL, np.random.default_rng(seed)).astype(float) for seed in range(8)]
    changed = [augment(image, 64, only(**change), np.random.default_rng(seed)).astype(float) for seed in range(8)]
    # Turns and mirroring may differ between the two plans, so compare what they leave alone: the sorted values.
    differences = [np.abs(np.sort(a.ravel()) - np.sort(b.ravel())).mean() for a, b in zip(still, changed, strict=True)]
    assert max(differences) > 0.1
    assert max(differences) < 80, "a lesion is still there"


def test_colour_spreads_as_far_as_its_strengths() -> None:
    grey = np.full((32, 32, 3), 128, np.uint8)
    plan = {"colour_probability": 1, "contrast": 0, "gamma": 0, "saturation": 0, "white_balance": 0, "brightness": 0.2}
    means = [augment(grey, 32, only(**plan), np.random.default_rng(seed)).mean() for seed in range(200)]
    # 128 x (1 +- 0.2), truncated to whole levels.
    assert 101 <= min(means) < 106
    assert 150 < max(means) <= 154


@settings(max_examples=50)
@given(st.integers(32, 128), st.integers(0, 2**32 - 1))
def test_hair_covers_little(size: int, seed: int) -> None:
    before = np.full((size, size, 3), 128, np.uint8)
    after = draw_hair(before, np.random.default_rng(seed))
    assert after.shape == before.shape
    assert (before == 128).all()
    # 20 hairs at most, each about as long as twice the side and three pixels wide with its soft edge.
    assert (after != before).any(-1).sum() <= 20 * 3 * 2 * size


def test_erasing_covers_a_rectangle_of_one_colour() -> None:
    image = textured(64, 64)
    for seed in range(10):
        view = augment(image, 64, only(erase_probability=1), np.random.default_rng(seed))
        values, counts = np.unique(view.reshape(-1, 3), axis=0, return_counts=True)
        # Noise repeats a colour hardly ever: the commonest one is the rectangle, 0.1 to 0.3 of the side each way.
        assert 7 * 7 <= counts.max() <= 20 * 20
        rows, columns = np.nonzero((view == values[counts.argmax()]).all(-1))
        assert (np.ptp(rows) + 1) * (np.ptp(columns) + 1) == counts.max()


sides = st.floats(1, 1000)
angles = st.floats(0, 2 * math.pi)


@given(sides, sides, angles)
def test_the_inscribed_rectangle_lies_inside(width: float, height: float, angle: float) -> None:
    across, along = inscribed_rectangle(width, height, angle)
    assert across > 0
    assert along > 0
    for x, y in ((across, along), (across, -along)):  # the other two corners are these mirrored at the centre
        turned_x = x * math.cos(angle) + y * math.sin(angle)
        turned_y = y * math.cos(angle) - x * math.sin(angle)
        assert abs(turned_x) <= width * (1 + 1e-6)
        assert abs(turned_y) <= height * (1 + 1e-6)


@given(sides, sides, angles)
def test_no_upright_rectangle_inside_is_larger(width: float, height: float, angle: float) -> None:
    sine, cosine = abs(math.sin(angle)), abs(math.cos(angle))
    across = np.linspace(0, math.hypot(width, height), 4001)[1:]
    with np.errstate(divide="ignore"):
        along = np.minimum((width - across * cosine) / max(sine, 1e-15), (height - across * sine) / max(cosine, 1e-15))
    best = float((across * along).max())
    ours = math.prod(inscribed_rectangle(width, height, angle))
    assert ours >= best * (1 - 1e-6)


def test_the_inscribed_rectangle_of_known_turns() -> None:
    assert inscribed_rectangle(200, 150, 0) == pytest.approx((200, 150))
    assert inscribed_rectangle(200, 150, math.pi / 2) == pytest.approx((150, 200))
    # A square turned by 45 degrees holds one whose diagonal is its side.
    assert inscribed_rectangle(100, 100, math.pi / 4) == pytest.approx((100 / math.sqrt(2),) * 2)


@given(st.integers(8, 160), st.integers(8, 160), st.floats(0, 360))
def test_a_turned_image_shows_only_what_was_in_its_centre_square(height: int, width: int, degrees: float) -> None:
    rows, columns = np.mgrid[0:height, 0:width].astype(np.uint8)
    view = turn(np.stack([rows, columns, rows], -1), degrees).astype(float)
    side, (left, top, right, _) = len(view), centre_square(width, height)
    assert view.shape == (side, side, 3)
    assert (right - left) / math.sqrt(2) - 2 <= side <= right - left
    offset = np.arange(side) - (side - 1) / 2
    down, over = np.meshgrid(offset, offset, indexing="ij")
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    middle = (right - left - 1) / 2
    along, across = middle + sine * over + cosine * down, middle + cosine * over - sine * down
    assert min(along.min(), across.min()) >= -1e-5
    assert max(along.max(), across.max()) <= right - left - 1 + 1e-5
    expected = np.stack([top + along, left + across], -1)
    # Half a grey level of rounding, and positions in steps of 1/32 pixel.
    np.testing.assert_allclose(view[..., :2], expected, atol=0.6)


def test_an_operation_of_no_strength_changes_next_to_nothing() -> None:
    image = lesion("mel", 0, 64)
    for seed in range(20):
        plain = augment(image, 48, STILL, np.random.default_rng(seed)).astype(int)
        still = augment(image, 48, only(random_operations=1, operation_strength=0), np.random.default_rng(seed))
        strong = augment(image, 48, only(random_operations=1, operation_strength=1), np.random.default_rng(seed))
        # At strength 0 only autocontrast may act: it stretches the range to 0..255.
        stretched = np.ptp(still.reshape(-1, 3), axis=0).min() >= 250
        assert stretched or np.abs(still.astype(int) - plain).max() <= 1
        assert not np.array_equal(strong, plain)


def test_the_stream_of_chance_of_recipes_without_the_newer_steps_is_unchanged() -> None:
    # What the generator gave next after each view of the first release: runs begun with it go on with the same views.
    image = textured(150, 200)
    following = []
    for index in range(4):
        rng = np.random.default_rng([2017, 3, index])
        augment(image, 64, Augmentation(), rng)
        following.append(rng.random())
    assert following == [0.5758532381887773, 0.2511827763457404, 0.013997901187754791, 0.24902109685607465]
