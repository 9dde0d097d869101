"""The losses against plain NumPy or torch of their definitions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F
from torch import Tensor

from tests.integration.command import forked
from w2l.data import SyncBatch
from w2l.losses import (
    ContrastiveSync,
    CrossEntropyGan,
    HingeGan,
    cosine,
    cross_entropy,
    feature_matching,
    gradient_penalty,
)

GROUP = torch.tensor([5, 9, 5, 5, 9, 5])  # windows of two clips


def windows(count: int = 6, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    both = torch.randn(2, count, 8, generator=generator, dtype=torch.float64)
    audio, face = F.normalize(both, dim=2)
    return audio, face


def batch(group: Tensor) -> SyncBatch:
    nothing = torch.zeros(len(group))
    return SyncBatch(nothing, nothing, torch.ones(len(group), 1), group)


@pytest.mark.parametrize("other_clips", [0.0, 0.25, 1.0])
def test_contrastive_loss_is_symmetric_infonce(other_clips: float) -> None:
    audio, face = windows()
    loss = ContrastiveSync(other_clips, scale=7.0)(audio, face, batch(GROUP))
    similarity = (7.0 * audio @ face.T).numpy()
    counts = np.where(GROUP[:, None] == GROUP, 1, other_clips)
    expected = 0.0
    for matrix in (similarity, similarity.T):
        for i, row in enumerate(matrix):
            expected += np.log((counts[i] * np.exp(row)).sum()) - row[i]
    assert float(loss.detach()) == pytest.approx(expected / 12, rel=1e-6)


def test_contrastive_loss_refuses_a_share_beyond_one() -> None:
    with pytest.raises(ValueError, match="other_clips"):
        ContrastiveSync(1.5)


def _one_of_two(rank: int, sizes: list[int], folder: str) -> None:
    dist.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    audio, face = windows()
    own = slice(0, sizes[0]) if rank == 0 else slice(sizes[0], None)
    shift = torch.zeros(8, dtype=torch.float64, requires_grad=True)  # a parameter that all share
    objective = ContrastiveSync(0.5, scale=7.0).double()
    loss = objective((audio + shift)[own], (face - shift)[own], batch(GROUP[own]))
    loss.backward()
    alike = torch.ones(6, 8, dtype=torch.float64)[own] / 8**0.5  # an expert that knows nothing
    guessed = objective(alike, alike, batch(GROUP[own])).detach()
    over_chance = guessed / objective.chance(batch(GROUP[own]))
    gradients = (shift.grad, objective.log_scale.grad)
    torch.save((loss.detach(), *gradients, over_chance), f"{folder}/{rank}")
    dist.destroy_process_group()


def test_chance_counts_the_windows_of_all_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    alike = torch.ones(6, 8, dtype=torch.float64) / 8**0.5  # to an expert that knows nothing
    own = batch(GROUP[:2])
    monkeypatch.setattr("w2l.losses.gathered", lambda *_: (0, alike, alike, GROUP))
    objective = ContrastiveSync(0.5, scale=7.0)
    loss = float(objective(alike[:2], alike[:2], own).detach())
    assert float(objective.chance(own)) == pytest.approx(loss)


@pytest.mark.parametrize("sizes", [[3, 3], pytest.param([4, 2], marks=pytest.mark.long)])
def test_contrastive_negatives_come_from_all_processes(sizes: list[int], tmp_path: Path) -> None:
    """Two processes with half of the batch each have the loss and gradients of one with all."""
    forked()  # from the server that the commands of other tests are forked from
    mp.start_processes(_one_of_two, (sizes, str(tmp_path)), nprocs=2, start_method="forkserver")
    found = [torch.load(tmp_path / str(rank)) for rank in (0, 1)]
    audio, face = windows()
    shift = torch.zeros(8, dtype=torch.float64, requires_grad=True)
    objective = ContrastiveSync(0.5, scale=7.0).double()
    total = torch.zeros((), dtype=torch.float64)
    # The mean over processes of each one's mean, which is the mean of all for equal sizes.
    for own in (slice(0, sizes[0]), slice(sizes[0], None)):
        logits = 7.0 * (audio + shift) @ (face - shift).T
        logits = objective.log_scale.exp() / 7.0 * logits
        logits = logits + torch.where(GROUP[:, None] == GROUP, 0.0, np.log(0.5))
        targets = torch.arange(6)[own]
        for matrix in (logits, logits.T):
            total = total + F.cross_entropy(matrix[own], targets) / 4
    total.backward()
    mean = [sum(values) / 2 for values in zip(*found, strict=True)]
    torch.testing.assert_close(mean[0], total.detach())
    torch.testing.assert_close(mean[1], shift.grad)
    torch.testing.assert_close(mean[2], objective.log_scale.grad)
    for *_, over_chance in found:
        assert float(over_chance) == pytest.approx(1)


def test_published_gan_loss_is_the_cross_entropy_of_probabilities() -> None:
    logits = torch.randn(2, 5, 1, generator=torch.Generator().manual_seed(1))
    real, fake = logits
    ours = CrossEntropyGan().discriminator(real, fake)
    assert ours[0] == cross_entropy(torch.sigmoid(real), torch.ones(5, 1))
    assert ours[1] == cross_entropy(torch.sigmoid(fake), torch.zeros(5, 1))
    assert CrossEntropyGan().generator(fake) == cross_entropy(torch.sigmoid(fake), torch.ones(5, 1))


def test_the_cross_entropy_of_what_is_no_number_is_none() -> None:
    """torch raises there, and on a GPU ends the process, before anything could be said."""
    probability = torch.tensor([[0.5], [float("nan")]], requires_grad=True)
    assert cross_entropy(probability, torch.ones(2, 1)).isnan()
    given = torch.tensor([[0.2], [1.0], [0.0]], dtype=torch.float64, requires_grad=True)
    target = torch.tensor([[1.0], [1.0], [0.0]], dtype=torch.float64)
    ours, plain = cross_entropy(given, target), F.binary_cross_entropy(given, target)
    assert ours == plain
    slopes = [torch.autograd.grad(loss, given)[0] for loss in (ours, plain)]
    assert torch.equal(*slopes)


def test_cosines_are_float32_under_autocast() -> None:
    audio, face = (x.bfloat16() for x in windows(64))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = cosine(audio, face)
    assert found.dtype == torch.float32
    assert torch.equal(found, cosine(audio, face))


def test_hinge_teaches_nothing_beyond_the_margin() -> None:
    real = torch.tensor([[2.0], [0.5]], requires_grad=True)
    fake = torch.tensor([[-3.0], [0.5]], requires_grad=True)
    loss_real, loss_fake = HingeGan().discriminator(real, fake)
    assert (float(loss_real.detach()), float(loss_fake.detach())) == (0.25, 0.75)
    (loss_real + loss_fake).backward()
    assert real.grad is not None
    assert fake.grad is not None
    assert real.grad.flatten().tolist() == [0.0, -0.5]
    assert fake.grad.flatten().tolist() == [0.0, 0.5]
    assert float(HingeGan().generator(fake.detach())) == pytest.approx(1.25)


def test_gradient_penalty_is_the_mean_squared_slope() -> None:
    images = torch.randn(2, 3, 4, 6, 6, generator=torch.Generator().manual_seed(2))
    images.requires_grad_()
    weight = torch.linspace(-1, 1, 3 * 36).view(3, 6, 6)
    # Each image's logit is linear in it, so its slope is the weight itself.
    logits = torch.einsum("bcthw,chw->tb", images, weight).reshape(-1, 1)
    penalty = gradient_penalty(logits, images).detach()
    assert float(penalty) == pytest.approx(float(weight.square().sum()))


def test_feature_matching_is_the_mean_over_stages() -> None:
    fake = [torch.zeros(2, 4), torch.zeros(2, 8, requires_grad=True)]
    real = [torch.ones(2, 4), torch.full((2, 8), 3.0, requires_grad=True)]
    loss = feature_matching(fake, real)
    assert float(loss.detach()) == 2.0
    loss.backward()
    assert real[1].grad is None
