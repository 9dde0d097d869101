"""w2l: train, run and score lip-sync models (SyncNet expert, Wav2Lip, Wav2Lip + GAN)."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from w2l.inference import LipSync

__all__ = ["LipSync", "__version__"]

try:
    __version__ = version("w2l")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> Any:
    """`w2l.LipSync`, which loads torch, only when it is asked for."""
    if name == "LipSync":
        from w2l.inference import LipSync

        return LipSync
    raise AttributeError(f"module 'w2l' has no attribute {name!r}")
