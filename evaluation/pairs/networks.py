"""What a worker loads once: the generator, the detectors, the networks that score."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache

import numpy as np

from evaluation.pairs.settings import Recipe
from w2l.checkpoints import load_expert, load_generator, load_inception, load_syncnet
from w2l.cli.presets import PUBLISHED, Preset
from w2l.components import FaceDetector
from w2l.faces import FixedBox
from w2l.inference import FaceGenerator
from w2l.memory import Shrinking
from w2l.metrics.fid import features_of
from w2l.scoring import Evaluator, Protocol, SyncScorer


@dataclass(frozen=True)
class Networks:
    """Ready to work.

    Attributes:
        lipsync: the generator on trial.
        detector: finds the faces that are synced; None: a box is given.
        evaluator: scores what was made.
        inception: uint8 images (N, H, W, 3) to features (N, D); None: no Fréchet distance.
    """

    lipsync: FaceGenerator
    detector: FaceDetector | None
    evaluator: Evaluator
    inception: Shrinking[np.ndarray] | None


@cache
def networks(recipe: Recipe, device: str) -> Networks:
    """Load them, once in a process.

    Raises:
        UserError: a file is gone or holds another network.
    """
    syncnet = None if recipe.syncnet is None else load_syncnet(recipe.syncnet.file)
    expert = None if recipe.expert is None else load_expert(recipe.expert.file)
    scorer = SyncScorer(syncnet, expert, device=device, batch_size=recipe.batch_size)
    return Networks(
        FaceGenerator(load_generator(recipe.generator.file), device),
        None if recipe.box is not None else recipe.detector.build(device=device),
        Evaluator(scorer, scoring_protocol(recipe), _scoring_detector(recipe, device)),
        None if recipe.inception is None else _inception(recipe.inception.file, device),
    )


def _inception(file: str, device: str) -> Shrinking[np.ndarray]:
    network = load_inception(file, device)

    def features(images: np.ndarray) -> np.ndarray:
        return features_of(network, images).cpu().numpy()

    return Shrinking(features)


def scoring_protocol(recipe: Recipe) -> Protocol:
    """How the videos are scored: as published, or as `evaluate.py` does by default."""
    if not recipe.published:
        return Protocol(recipe.protocol)
    components = {"detector": recipe.detector.group()}
    values = Preset.named("evaluate", PUBLISHED).others({"detect_every"}, components)
    names = {field.name for field in fields(Protocol)}
    values = {key: value for key, value in values.items() if key in names}
    values["detect_every"] = recipe.detect_every
    return Protocol(recipe.protocol, **values)


def _scoring_detector(recipe: Recipe, device: str) -> FaceDetector:
    """As `evaluate.py` has it, which does not show the frames as the inference does."""
    if recipe.box is not None:
        return FixedBox(recipe.box)
    detector = recipe.detector
    preset = Preset.named("evaluate", PUBLISHED)
    if recipe.published and preset.is_for(detector):
        detector = preset.applied(detector.with_arguments(published=False))
    found: FaceDetector = detector.build(device=device)
    return found
