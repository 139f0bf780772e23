"""Damage to a student's pictures: what each kind keeps, how many pictures it meets, and that chance is torch's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from compress.damage import KINDS, LUMA, balance, damaged, fade, framing, grain, light, mark, smudge, tint, veil, vignette


def pictures(count: int = 16, side: int = 24) -> torch.Tensor:
    """Dull enough that nothing is clipped."""
    return torch.randint(60, 140, (count, 3, side, side), generator=torch.Generator().manual_seed(0)).float()


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(3)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_kind_changes_pictures_and_keeps_their_shape(kind: Callable[[torch.Tensor], torch.Tensor]) -> None:
    before = pictures()
    after = kind(before)
    assert after.shape == before.shape and after.dtype == torch.float32
    assert all(not torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_a_veil_takes_the_same_share_of_every_contrast() -> None:
    before, after = pictures(), veil(pictures())
    left = after.std((1, 2, 3), keepdim=True)
    shares = (after - after.mean((2, 3), keepdim=True)).flatten(1) / (before - before.mean((2, 3), keepdim=True)).flatten(1)
    # Float32 differences of numbers up to 255: absolute 1e-3 of a share.
    assert torch.allclose(shares, shares[:, :1].expand_as(shares), atol=1e-3)
    assert bool((shares[:, 0] > 0.29).all()) and bool((shares[:, 0] < 1).all()) and bool((left > 0).all())


def test_fading_draws_the_channels_together() -> None:
    before, after = pictures(), fade(pictures())
    apart = [
        (views[:, 0] - views[:, 2] - (views[:, 0] - views[:, 2]).mean((1, 2), keepdim=True)).std((1, 2))
        for views in (before, after)
    ]
    assert bool((apart[1] < apart[0]).all())


def test_light_and_white_balance_are_one_factor_for_each_channel() -> None:
    for kind, channels in ((light, (0, 1, 2)), (balance, (1,))):
        factors = kind(pictures()) / pictures()
        spread = factors.flatten(2).amax(2) - factors.flatten(2).amin(2)
        assert float(spread.max()) < 1e-5  # one float32 division
        middle = factors[:, :, 0, 0]
        same = middle[:, list(channels)]
        assert torch.allclose(same, middle[:, 1:2].expand_as(same))
    assert bool((middle[:, 1] == 1).all()) and torch.allclose(middle[:, 0] * middle[:, 2], torch.ones(len(middle)))


def test_a_tint_is_one_factor_for_each_channel_however_they_differ() -> None:
    factors = tint(pictures()) / pictures()
    assert float((factors.flatten(2).amax(2) - factors.flatten(2).amin(2)).max()) < 1e-5  # one float32 division
    ratios = factors[:, 0, 0, 0] / factors[:, 1, 0, 0]
    assert float(ratios.max()) > 1.1 and float(ratios.min()) < 0.9 and float((ratios.log().abs()).max()) <= 0.48 + 1e-5


def test_a_smudge_blurs_the_colours_and_leaves_the_brightness() -> None:
    before = pictures(side=48)
    after = smudge(before)
    weights = torch.tensor(LUMA).reshape(1, 3, 1, 1)
    assert torch.allclose((before * weights).sum(1), (after * weights).sum(1), atol=1e-2)  # float32 sums of levels up to 255
    assert bool(((after[:, 0] - after[:, 1]).std((1, 2)) < (before[:, 0] - before[:, 1]).std((1, 2))).all())


def test_grain_covers_a_flat_picture() -> None:
    flat = torch.full((16, 3, 48, 48), 120.0)
    spread = grain(flat).std((1, 2, 3))
    assert float(spread.min()) > 0.5 and float(spread.max()) < 9  # 1 to 8 levels, as far as chance has it


def test_a_mark_leaves_the_middle_and_most_of_the_picture() -> None:
    before = pictures(side=96)
    changed = (mark(before) != before).any(1)
    assert not bool(changed[:, 44:52, 44:52].any())
    assert all(0 < float(each.float().mean()) < 0.35 for each in changed)


def test_a_vignette_darkens_from_the_middle_outwards() -> None:
    factors = vignette(torch.full((16, 3, 25, 25), 100.0))[:, 0] / 100
    assert bool((factors[:, 12, 12] == 1).all())
    assert bool((factors[:, 12, 12:].diff(dim=1) <= 0).all()) and bool((factors[:, 0, 0] >= 0.2).all())


def test_framing_shows_a_spot_once_and_skin_around_it() -> None:
    before = torch.tensor([180.0, 140.0, 120.0]).reshape(1, 3, 1, 1).repeat(64, 1, 48, 48)
    before[:, :, 14:34, 14:34] = 20
    after = framing(before)
    sizes = (after[:, 1] < 60).sum((1, 2)) / 20**2
    # A tenth nearer at most, exp(0.2) in area, or three times as far, exp(-2.2), and what rims of so few pixels add or lose.
    assert 0.05 < float(sizes.min()) < 0.2 and 1 < float(sizes.max()) < 1.3
    corners = after[:, :, [0, 0, -1, -1], [0, -1, 0, -1]]
    # Bare skin is uneven and rough by up to 10 and 6 levels, each drawn from a normal distribution and interpolated.
    assert float((corners.mean((0, 2)) - torch.tensor([180.0, 140.0, 120.0])).abs().max()) < 3
    assert float((corners - before[:, :, :1, 0]).abs().max()) < 60


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_as_many_pictures_as_asked_for_are_damaged(share: float) -> None:
    before = pictures(count=400, side=8)
    met = sum(not torch.equal(one, other) for one, other in zip(before, damaged(before, share), strict=True))
    # A chosen picture escapes all six kinds in (2/3)^6 = 9 % of cases; four standard deviations of 400 draws are 40.
    assert met == 0 if share == 0 else abs(met - 400 * share * 0.912) < 40


def test_pixels_stay_pixels_and_the_same_seed_damages_alike() -> None:
    extreme = torch.randint(0, 256, (32, 3, 16, 16), dtype=torch.uint8)
    runs = []
    for _ in range(2):
        torch.manual_seed(11)
        runs.append(damaged(extreme, 1.0))
    assert torch.equal(*runs) and runs[0].dtype == torch.float32
    assert float(runs[0].min()) >= 0 and float(runs[0].max()) <= 255
