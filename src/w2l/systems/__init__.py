"""LightningModules: how each network learns."""

from w2l.systems.expert import ExpertSystem
from w2l.systems.optim import OptimizerSettings
from w2l.systems.wav2lip import Wav2LipSystem
from w2l.systems.wav2lip_gan import Wav2LipGANSystem

__all__ = ["ExpertSystem", "OptimizerSettings", "Wav2LipGANSystem", "Wav2LipSystem"]
