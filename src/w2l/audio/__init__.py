"""Sound: waveforms, log-mel, MFCC. All networks hear 16 kHz mono."""

from w2l.windows import SAMPLE_RATE

__all__ = ["SAMPLE_RATE"]
