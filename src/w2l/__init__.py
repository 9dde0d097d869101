"""w2l: train, run and score lip-sync models (SyncNet expert, Wav2Lip, Wav2Lip + GAN)."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("w2l")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+unknown"
