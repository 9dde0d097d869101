"""Video: look at it, read it, write it, with exact timestamps and without subprocesses."""

from w2l.video.audio_track import AudioTrack
from w2l.video.codecs import CODECS, CodecName, find_encoder
from w2l.video.image import is_image, read_image
from w2l.video.jpeg import jpeg_frames, jpeg_roundtrip
from w2l.video.look import Look
from w2l.video.png import SOUND, PngWriter, check_folder, read_about, write_png
from w2l.video.probe import VideoInfo, choices_of, exact_rate, probe
from w2l.video.reader import VideoReader
from w2l.video.writer import VideoWriter

__all__ = [
    "CODECS",
    "SOUND",
    "AudioTrack",
    "CodecName",
    "Look",
    "PngWriter",
    "VideoInfo",
    "VideoReader",
    "VideoWriter",
    "check_folder",
    "choices_of",
    "exact_rate",
    "find_encoder",
    "is_image",
    "jpeg_frames",
    "jpeg_roundtrip",
    "probe",
    "read_about",
    "read_image",
    "write_png",
]
