"""Changes to windows that keep lips and sound in sync."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from w2l.audio.mel import MAX_VALUE

DB_PER_UNIT = 100 / (2 * MAX_VALUE)  # the mel's [-4, 4] is 100 dB


@dataclass
class Augment:
    """Another look and another voice for all windows of a draw.

    Each value is drawn from ± what is given, once for all windows, so that none can be told from
    the others by what was done to it.

    Attributes:
        share: of the draws that are changed at all.
        gain: brightness of each channel is multiplied by 1 ± gain.
        gamma: and raised to the power exp(± gamma).
        offset: then shifted by ± offset (of the range).
        shift: the crop moves by ± shift pixels.
        stretch: width and height change by this share, each for itself.
        roll: degrees.
        flip: mirror with probability ½.
        grey: share of grey that is mixed into the colours, at most.
        blur: Gaussian's standard deviation at most, pixels.
        grain: standard deviation of noise at most, of 255.
        jpeg: lowest quality, 1 to 95, of a JPEG for half of the changed draws; 0: for none.
        mel_level: the mel, which lies in [-4, 4], is shifted by this (0.4 is 5 dB).
        mel_tilt: likewise, growing from minus this in the lowest band to plus this in the highest.
        mel_bands: it moves by up to so many bands: another voice.
        mel_stretch: its bands move apart or together by this share: a longer or shorter throat.
        mel_masked: up to so many neighbouring bands fall to the mean of all.
        noise: share of the changed draws that get white noise, 10 to 40 dB under their loudest bin.
    """

    share: float = 1.0
    gain: float = 0.2
    gamma: float = 0.2
    offset: float = 0.1
    shift: float = 3.0
    stretch: float = 0.06
    roll: float = 4.0
    flip: bool = True
    grey: float = 0.0
    blur: float = 0.0
    grain: float = 0.0
    jpeg: int = 0
    mel_level: float = 0.4
    mel_tilt: float = 0.4
    mel_bands: int = 2
    mel_stretch: float = 0.0
    mel_masked: int = 0
    noise: float = 0.0

    def applies(self, rng: np.random.Generator) -> bool:
        """Whether a draw is to be changed."""
        return rng.random() < self.share

    def __call__(
        self, faces: np.ndarray, mels: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Faces (…, S, S, 3) uint8 and mels (…, 80, 16) in [-4, 4] → new ones of the same kind."""
        return self._faces(faces, rng), self._mels(mels, rng)

    def _faces(self, faces: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        size = faces.shape[-3:-1]
        levels = np.linspace(0, 1, 256)[:, None] ** np.exp(self.gamma * rng.uniform(-1, 1))
        levels = levels * (1 + self.gain * rng.uniform(-1, 1, 3))
        levels = 255 * (levels + self.offset * rng.uniform(-1, 1))
        table = np.clip(levels, 0, 255).round().astype(np.uint8)[None]
        angle = np.deg2rad(self.roll * rng.uniform(-1, 1))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        turn = turn * (1 + self.stretch * rng.uniform(-1, 1, 2))
        if self.flip and rng.random() < 0.5:
            turn[:, 0] *= -1
        centre = (np.array(size) - 1) / 2
        move = centre - turn @ centre + self.shift * rng.uniform(-1, 1, 2)
        warp = np.column_stack([turn, move])
        changed = [
            cv2.LUT(cv2.warpAffine(face, warp, size, borderMode=cv2.BORDER_REPLICATE), table)
            for face in faces.reshape(-1, *size, 3)
        ]
        return self._filmed(np.reshape(changed, faces.shape), rng)

    def _filmed(self, faces: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """As another camera and another encoder would show them."""
        strip = faces.reshape(-1, faces.shape[-2], 3)  # all frames, one below the other
        if self.grey:
            grey = cv2.cvtColor(cv2.cvtColor(strip, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
            share = rng.uniform(0, self.grey)
            strip = cv2.addWeighted(strip, 1 - share, grey, share, 0)
        if self.blur and (sigma := rng.uniform(0, self.blur)) > 0.2:
            frames = strip.reshape(-1, *faces.shape[-3:])
            strip = np.concatenate([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in frames])
        if self.grain:  # the same in all windows, other in each of their frames
            noise = rng.normal(0, rng.uniform(0, self.grain), faces.shape[-4:]).astype(np.int16)
            noisy = strip.reshape(-1, *faces.shape[-4:]) + noise
            strip = np.clip(noisy, 0, 255).astype(np.uint8).reshape(strip.shape)
        if self.jpeg and rng.random() < 0.5:
            quality = int(rng.integers(self.jpeg, 96))
            _, file = cv2.imencode(".jpg", strip, [cv2.IMWRITE_JPEG_QUALITY, quality])
            strip = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR))
        return strip.reshape(faces.shape)

    def _mels(self, mels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        n = mels.shape[-2]
        bands = np.arange(n) + rng.integers(-self.mel_bands, self.mel_bands + 1)
        if self.mel_stretch:
            bands = (bands * (1 + self.mel_stretch * rng.uniform(-1, 1))).round().astype(int)
        slope = self.mel_tilt * rng.uniform(-1, 1) * np.linspace(-1, 1, n)[:, None]
        mels = mels[..., np.clip(bands, 0, n - 1), :] + slope + self.mel_level * rng.uniform(-1, 1)
        if self.mel_masked:
            width = rng.integers(self.mel_masked + 1)
            first = rng.integers(n - width + 1)
            mels[..., first : first + width, :] = mels.mean()
        if self.noise and rng.random() < self.noise:
            mels = _noisy(mels, rng.uniform(10, 40), rng)
        return np.clip(mels, -MAX_VALUE, MAX_VALUE).astype(np.float32)


def _noisy(mels: np.ndarray, below_db: float, rng: np.random.Generator) -> np.ndarray:
    """White noise, `below_db` under the loudest bin, added as power."""
    level = mels.max() - below_db / DB_PER_UNIT
    noise = 10 ** (level * DB_PER_UNIT / 10) * rng.exponential(size=mels.shape)
    return 10 * np.log10(10 ** (mels * DB_PER_UNIT / 10) + noise) / DB_PER_UNIT
