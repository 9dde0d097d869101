"""Several people, each with a voice of its own, in one video."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scipy.io import wavfile

from tests.settings import settings_of
from tests.writing import write_wav
from w2l.audio.mel import log_mel
from w2l.audio.waveform import load_audio, mix, placed
from w2l.boxes import PUBLISHED_PADS
from w2l.cli.infer_people import read_people, show_people, voices_of
from w2l.cli.keys.infer import Infer
from w2l.components import Faces
from w2l.errors import UserError
from w2l.extras.people import Part, sync_people
from w2l.inference import FaceOptions, OutputOptions, SyncOptions, SyncReport, Voice
from w2l.inference.provenance import Computed
from w2l.video import AudioTrack, Look, VideoReader

N, WIDTH, HEIGHT = 12, 200, 90
LEFT, RIGHT = (10, 10, 80, 80), (120, 5, 190, 75)


class Film:
    """A source with something to see everywhere."""

    fps, width, height, path, look = Fraction(25), WIDTH, HEIGHT, Path("film.mp4"), Look()
    n_frames_estimate = N

    def read(self, start, stop):
        rng = np.random.default_rng(0)
        still = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        return (still.copy() for _ in range(start, min(stop, N)))


class Both:
    """Finds two faces; the right one is out of sight in frames 4 to 9 of those it is shown."""

    calls = 0

    def detect(self, frames):
        self.calls += len(frames)
        first = self.calls - len(frames)
        return [
            Faces.of(np.array([LEFT] if 4 <= first + i < 10 else [RIGHT, LEFT], np.float32))
            for i in range(len(frames))
        ]


class Mouth:
    """Stands in for LipSync: grey levels that only the window decides (an untrained generator
    hears next to nothing)."""

    image_size, lead_frames, at_once, pads = 96, 0, None, PUBLISHED_PADS
    computed = Computed("float32", "torch")

    def __call__(self, faces, mels):
        levels = [int(128 + 30 * mel[40, :8].mean()) for mel in mels]
        return np.stack([np.full((96, 96, 3), level, np.uint8) for level in levels])


@pytest.fixture
def lipsync() -> Mouth:
    return Mouth()


def voice(folder: Path, seed: int) -> Voice:
    """Noise that is louder for larger seeds."""
    path = folder / f"{seed}.wav"
    if not path.exists():
        write_wav(path, 0.05 * seed * np.random.default_rng(seed).uniform(-1, 1, N * 640))
    waveform = load_audio(path)
    return Voice(waveform, log_mel(waveform), AudioTrack(path))


def options(view="result") -> SyncOptions:
    faces = FaceOptions(detect_every=1, smooth=False, pads=(0, 0, 0, 0))
    return SyncOptions(
        faces=faces, quality="fast", output=OutputOptions(codec="ffv1", view=view), batch_size=5
    )


def synced(folder: Path, lipsync: Mouth, seeds: tuple[int, int], view="result"):
    wanted, detector = options(view), Both()
    parts = [
        Part(name, voice(folder, seed), replace(wanted.faces, person=name))
        for name, seed in zip(("left", "right"), seeds, strict=True)
    ]
    out = folder / f"{seeds}.mkv"
    reports = sync_people(Film(), parts, voice(folder, 9), out, lipsync, detector, wanted)
    assert detector.calls == N  # for both of them
    return list(VideoReader(out)), reports


def test_each_face_says_its_own_voice_only(tmp_path: Path, lipsync: Mouth) -> None:
    (one, reports), (other, _) = (synced(tmp_path, lipsync, seeds) for seeds in ((1, 2), (3, 2)))
    source = next(Film().read(0, 1))
    assert len(one) == len(other) == N
    for i, (a, b) in enumerate(zip(one, other, strict=True)):
        assert (a[45:80, 10:80] != b[45:80, 10:80]).any(), i  # another voice, another mouth
        np.testing.assert_array_equal(a[:, 100:], b[:, 100:])  # the same voice, the same mouth
        assert (a[:, 100:] == source[:, 100:]).all() == (4 <= i < 10)
        np.testing.assert_array_equal(a[:, 80:120], source[:, 80:120])
    assert [r.n_untouched for r in reports] == [0, 6]
    assert "(frames 4 to 9)" in reports[1].lines()[0]


def test_the_source_beside_it_is_as_it_was(tmp_path: Path, lipsync: Mouth) -> None:
    frames, _ = synced(tmp_path, lipsync, (1, 2), view="side_by_side")
    source = next(Film().read(0, 1))
    for frame in frames:
        np.testing.assert_array_equal(frame[:, :WIDTH], source)


def test_two_people_must_be_two_faces(tmp_path: Path, lipsync: Mouth) -> None:
    faces = options().faces
    parts = [Part(n, voice(tmp_path, 1), replace(faces, person="left")) for n in ("left", "him")]
    with pytest.raises(UserError, match=r"left and him are one face in film\.mp4 at 0:00\.00"):
        sync_people(Film(), parts, voice(tmp_path, 9), tmp_path / "o.mkv", lipsync, Both(),
                    options())  # fmt: skip
    boxed = Part("box", voice(tmp_path, 1), faces, np.array([12.0, 10, 82, 80]))
    with pytest.raises(UserError, match="left and box are one face"):
        sync_people(Film(), [parts[0], boxed], voice(tmp_path, 9), tmp_path / "o.mkv", lipsync,
                    Both(), options())  # fmt: skip
    assert not (tmp_path / "o.mkv").exists()


def test_sounds_are_added_at_their_own_level_and_never_clipped() -> None:
    a, b = np.array([0.5, 0.5, 0], np.float32), np.array([0, 0.25, 0.25], np.float32)
    np.testing.assert_array_equal(mix([a, b]), [0.5, 0.75, 0.25])
    np.testing.assert_allclose(mix([a, 3 * b]), np.array([0.5, 1.25, 0.75]) / 1.25)
    np.testing.assert_array_equal(placed(a, 1, 5), [0, 0.5, 0.5, 0, 0])
    np.testing.assert_array_equal(placed(a, 2, 3), [0, 0, 0.5])
    np.testing.assert_array_equal(placed(a, 9, 3), np.zeros(3))


def test_what_became_of_each_person_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = [SyncReport(tmp_path / "o.mkv", Fraction(25)) for _ in range(2)]
    for i in range(10):
        reports[0].count("no face found" if i < 2 else None)
        reports[1].count(None, closed=i >= 5)
    faces = options().faces
    parts = [Part(name, voice(tmp_path, 1), faces) for name in ("left", "right")]
    show_people(parts, reports, Console(soft_wrap=True, markup=False, highlight=False))
    assert capsys.readouterr().out.splitlines() == [
        f"{tmp_path / 'o.mkv'}: 10 frames, 0.40 s",
        "left: 8 of 10 frames synced",
        "  0:00.00 to 0:00.08 (frames 0 to 1): no face found",
        "right: 10 of 10 frames synced",
        "the mouth was closed where there is no voice:",
        "  0:00.20 to 0:00.40 (frames 5 to 9): no voice",
    ]


def people(folder: Path, text: str) -> Infer:
    (folder / "people.yaml").write_text(text)
    return settings_of(Infer, people=str(folder / "people.yaml"))


def test_voices_begin_where_they_are_placed_and_the_mix_is_as_long_as_they_are(tmp_path: Path):
    voice(tmp_path, 1)
    write_wav(tmp_path / "b.wav", np.full(48000, 0.25), 48000)
    entries = read_people(people(tmp_path, (
        "- {person: left, audio: 1.wav}\n"
        "- {box: [5, 75, 120, 190], audio: b.wav, audio_start: 0.5, at: 0.25}\n"
    )))  # fmt: skip
    with voices_of(entries, None) as (voices, sound):
        stored = load_audio(sound.track.path, sample_rate=48000)
    assert len(stored) == 36000  # 0.75 s, where the second voice ends
    assert [len(v.waveform) for v in (*voices, sound)] == [12000] * 3
    np.testing.assert_array_equal(voices[0].waveform[: N * 640], voice(tmp_path, 1).waveform)
    assert (voices[0].waveform[N * 640 :] == 0).all()
    assert (voices[1].waveform[:4000] == 0).all()
    np.testing.assert_allclose(voices[1].waveform[4100:11900], 0.25, atol=0.01)
    given = voice(tmp_path, 7)
    with voices_of(entries, given) as (voices, sound):
        assert sound is given
        assert [len(v.waveform) for v in voices] == [N * 640] * 2


def test_a_stereo_voice_makes_the_mix_stereo_and_keeps_every_level(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    left, right = (0.2 * rng.uniform(-1, 1, (2, 48000))).astype(np.float32)
    wavfile.write(tmp_path / "wide.wav", 48000, np.stack([left, right], axis=1))
    wavfile.write(tmp_path / "mono.wav", 48000, np.full(24000, 0.25, np.float32))
    surround = np.zeros((24000, 6), np.float32)  # left, right, centre, bass, two behind
    surround[:, 0] = 0.5
    wavfile.write(tmp_path / "film.wav", 48000, surround)

    def mixed(text: str) -> tuple[np.ndarray, list[Voice]]:
        with voices_of(read_people(people(tmp_path, text)), None) as (voices, sound):
            return wavfile.read(sound.track.path)[1] / 32768, voices

    stored, voices = mixed(
        "- {person: left, audio: wide.wav}\n- {person: right, audio: mono.wav, at: 0.25}\n"
    )
    wanted = np.stack([left, right], axis=1)
    wanted[12000:36000] += 0.25
    np.testing.assert_allclose(stored, wanted, atol=1e-4)
    assert [each.waveform.shape for each in voices] == [(16000,)] * 2  # the lips hear mono
    stored, _ = mixed("- {person: left, audio: mono.wav}\n- {person: right, audio: mono.wav}\n")
    assert stored.shape == (24000,)
    stored, _ = mixed("- {person: left, audio: film.wav}\n- {person: right, audio: mono.wav}\n")
    assert stored.shape == (24000, 2)
    assert stored[100:-100, 0].min() > stored[100:-100, 1].max()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{", "cannot be read as YAML"),
        ("person: left", "must be a list"),
        ("[]", "must be a list"),
        ("- left", "entry 1 must have keys"),
        ("- {person: left, audio: 1.wav}\n- {audio: 1.wav}", "entry 2 needs either"),
        ("- {person: left, box: [1, 2, 3, 4], audio: 1.wav}", "entry 1 needs either"),
        ("- {person: left}", "needs an audio"),
        ("- {person: left, audio: gone.wav}", "gone.wav does not exist"),
        ("- {person: tallest, audio: 1.wav}", "person=tallest is not available"),
        ("- {person: tracks, audio: 1.wav}", "does not follow anybody"),
        ("- {person: left, audio: 1.wav, volume: 3}", "volume is not known"),
        ("- {person: left, audio: 1.wav, at: soon}", "at: soon must be seconds"),
        ("- {person: left, audio: 1.wav, at: -1}", "at: -1 must be seconds"),
        ("- {person: left, audio: 1.wav, at: .nan}", "at: nan must be seconds"),
        ("- {person: left, audio: 1.wav, at: 1.0e+30}", "at: 1e+30 must be seconds"),
        ("- {person: left, audio: 1.wav, audio_end: .inf}", "audio_end: inf must be seconds"),
        ("- {box: [1, 2, 3], audio: 1.wav}", "four whole numbers"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path: Path, text: str, word: str) -> None:
    voice(tmp_path, 1)
    with pytest.raises(UserError) as error:
        read_people(people(tmp_path, text))
    assert word in str(error.value)
    assert "\n" not in str(error.value)


def test_keys_for_one_person_are_refused(tmp_path: Path) -> None:
    voice(tmp_path, 1)
    settings = people(tmp_path, "- {person: left, audio: 1.wav}")
    for key, value in (("box", [1, 2, 3, 4]), ("preview", 1.0), ("voice", "alone.wav")):
        with pytest.raises(UserError, match=f"{key}= is for one person"):
            read_people(replace(settings, **{key: value}))
    assert read_people(replace(settings, people=None)) == []
