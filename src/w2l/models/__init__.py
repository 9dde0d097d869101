"""The published networks; built without arguments they load the published checkpoints."""

from w2l.models.bisenet import BiSeNet
from w2l.models.discriminator import PatchDiscriminator, QualityDiscriminator
from w2l.models.expert import Expert
from w2l.models.folded import FoldedGenerator
from w2l.models.generator import Generator, masked_and_reference
from w2l.models.inception import FidInception
from w2l.models.lpips import Lpips
from w2l.models.syncnet_folded import FoldedSyncNet
from w2l.models.syncnet_v2 import SyncNetV2

__all__ = [
    "BiSeNet",
    "Expert",
    "FidInception",
    "FoldedGenerator",
    "FoldedSyncNet",
    "Generator",
    "Lpips",
    "PatchDiscriminator",
    "QualityDiscriminator",
    "SyncNetV2",
    "masked_and_reference",
]
