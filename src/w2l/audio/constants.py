"""The one sample rate of every network here."""

SAMPLE_RATE = 16_000  # Hz
