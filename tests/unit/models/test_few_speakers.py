"""What helps networks that learn from few people: less of light and skin, more of the reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from w2l.checkpoints.networks import describe
from w2l.data.batches import grey, jittered, stack_frames
from w2l.models import Expert, Generator
from w2l.models.expert import motion, normalise


def lips(count: int = 3) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.rand(count, 15, 24, 48) / 3


@pytest.mark.parametrize("kind", ["normalised", "motion"])
@torch.inference_mode()
def test_light_and_contrast_change_no_embedding(kind: str) -> None:
    torch.manual_seed(0)
    expert = Expert(1 / 16, 48, last_relu=False, **{kind: True}).eval()
    plain = Expert(1 / 16, 48, last_relu=False).eval()
    for parameter in (p for p in expert.parameters() if p.dim() == 1):
        torch.nn.init.uniform_(parameter, -0.5, 1)
    plain.load_state_dict(expert.state_dict())
    face = lips()
    tint = torch.tensor([0.1, 0.2, 0.3]).repeat(5)[:, None, None]
    brighter = 2 * face + (tint if kind == "normalised" else 0.2)
    moved, plainly = (
        float((e.embed_face(face) - e.embed_face(brighter)).norm(dim=1).max())
        for e in (expert, plain)
    )
    assert moved < 0.01
    assert plainly > 10 * moved
    assert describe(expert)["config"][kind] is True


def test_the_published_expert_and_generator_are_described_as_before() -> None:
    assert set(Expert(1 / 16, 48).config) == {"width", "image_size", "last_relu"}
    assert set(Generator(1 / 16, 48).config) == {"width", "image_size", "lead_frames"}


def test_normalised_lips_have_no_mean_and_unit_deviation() -> None:
    found = normalise(lips()).unflatten(1, (5, 3)).double()
    assert float(found.mean(dim=(1, 3, 4)).abs().max()) < 1e-5
    assert float((found.square().mean(dim=(1, 2, 3, 4)) - 1).abs().max()) < 0.05


def test_motion_is_grey_its_difference_from_the_mean_and_from_the_next() -> None:
    face = lips()
    frames = face.unflatten(1, (5, 3)).mean(dim=2).double()
    frames = frames - frames.mean(dim=(1, 2, 3), keepdim=True)
    frames = frames / (frames.square().mean(dim=(1, 2, 3), keepdim=True).sqrt() + 1e-3)
    seen, apart, moved = motion(face).unflatten(1, (5, 3)).double().unbind(dim=2)
    torch.testing.assert_close(seen, frames, rtol=0, atol=1e-4)
    torch.testing.assert_close(apart, frames - frames.mean(dim=1, keepdim=True), rtol=0, atol=1e-4)
    torch.testing.assert_close(
        moved[:, :4], 3 * (frames[:, 1:] - frames[:, :-1]), rtol=0, atol=1e-3
    )
    assert not moved[:, 4].any()


@torch.inference_mode()
def test_the_light_on_a_face_is_the_light_on_what_is_made() -> None:
    torch.manual_seed(0)
    generator = Generator(1 / 16, 48, skip=True).eval()
    torch.nn.init.normal_(generator.output_block[1].weight)
    generator.output_block[1].bias[3] = -50.0  # nothing shows through
    audio, face = torch.randn(1, 1, 80, 16), 0.3 + torch.rand(1, 6, 48, 48) / 5
    face[:, :3, 24:] = 0
    tint, gain = torch.tensor([0.05, 0.1, 0.2])[:, None, None], torch.tensor([0.5, 1.0, 1.5])
    other = face * gain.repeat(2)[:, None, None] + tint.repeat(2, 1, 1)
    other[:, :3, 24:] = 0
    made, lit = generator(audio, face), generator(audio, other)
    assert float(made.std()) > 0.01
    assert float((lit - (made * gain[:, None, None] + tint)).abs().max()) < 0.02


@torch.inference_mode()
def test_what_the_gate_lets_through_is_the_reference() -> None:
    torch.manual_seed(0)
    generator = Generator(1 / 16, 48, skip=True).eval()
    audio, face = torch.randn(2, 1, 80, 16), torch.rand(2, 6, 48, 48)
    last = generator.output_block[1]
    for bias, share in ((50.0, 1), (-50.0, 0)):
        last.bias[3] = bias
        made = generator(audio, face)
        assert made.shape == (2, 3, 48, 48)
        assert float((made - face[:, 3:]).abs().max() < 1e-5) == share
    torch.nn.init.normal_(last.weight)
    whole = generator(audio, face)
    half = generator.folded().lower_half()
    torch.testing.assert_close(half(audio, face), whole[:, :, 22:], rtol=0, atol=1e-5)
    shared = generator(audio, face[:1].expand(2, -1, -1, -1))
    torch.testing.assert_close(half(audio, face[:1]), shared[:, :, 22:], rtol=0, atol=1e-5)


def test_an_expert_of_smaller_faces_sees_smaller_ones() -> None:
    small = torch.rand(2, 15, 12, 12)
    faces = torch.nn.functional.interpolate(small, (96, 96), mode="bilinear")
    faces = faces.unflatten(1, (5, 3)).transpose(1, 2)
    seen = stack_frames(faces, 48)
    assert seen.shape == (2, 15, 24, 48)
    lower = faces[:, :, :, 48:].transpose(1, 2).flatten(1, 2)
    means = torch.nn.functional.avg_pool2d(lower, 2)
    assert float((seen - means).abs().max()) < 0.05  # its filter is a little wider
    assert float((seen.mean() - lower.mean()).abs()) < 1e-3
    assert torch.equal(stack_frames(faces, 96), lower)


def test_grey_is_bt601_in_every_channel() -> None:
    stacked = torch.rand(1, 15, 4, 6)
    frames = stacked.unflatten(1, (5, 3)).numpy()
    luma = 0.114 * frames[:, :, 0] + 0.587 * frames[:, :, 1] + 0.299 * frames[:, :, 2]
    found = grey(stacked).unflatten(1, (5, 3)).numpy()
    for channel in range(3):
        np.testing.assert_allclose(found[:, :, channel], luma, atol=1e-6)


def test_what_the_expert_sees_is_moved_mirrored_and_blurred_as_one() -> None:
    torch.manual_seed(0)
    frame = torch.rand(1, 3, 12, 20)
    stacked = frame.repeat(2, 5, 1, 1)
    seen = [jittered(stacked, 2) for _ in range(60)]
    for each in seen:
        assert each.shape == stacked.shape
        assert torch.equal(each, each[:1, :3].repeat(2, 5, 1, 1))  # all frames alike
    assert len({round(float(each[0, 0, 5, 5]), 5) for each in seen}) > 20
    middle = stacked[0, 0, 4:8, 4:16]
    still = [e for e in seen if any(
        torch.equal(e[0, 0, 4 + y : 8 + y, 4 + x : 16 + x], middle)
        for y in range(-2, 3) for x in range(-2, 3))]  # fmt: skip
    assert 6 <= len(still) <= 26  # a quarter is neither mirrored nor blurred
    stacked.requires_grad_()
    jittered(stacked, 2).sum().backward()
    assert stacked.grad is not None
    assert float(stacked.grad.abs().max()) > 0
