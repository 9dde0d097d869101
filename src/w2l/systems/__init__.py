"""LightningModules: how each network learns."""

from w2l.systems.expert import ExpertSystem
from w2l.systems.optim import Learner, warmup_cosine
from w2l.systems.wav2lip import TeacherLoss, Wav2LipSystem
from w2l.systems.wav2lip_gan import Wav2LipGANSystem

__all__ = [
    "ExpertSystem",
    "Learner",
    "TeacherLoss",
    "Wav2LipGANSystem",
    "Wav2LipSystem",
    "warmup_cosine",
]
