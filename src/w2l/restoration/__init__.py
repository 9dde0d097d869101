"""Restoring faces in images: restorers behind one protocol, alignment, parsing, smoothing."""

from w2l.restoration.alignment import Framing, frame_face
from w2l.restoration.build import build_parser, build_restorer
from w2l.restoration.parsing import FaceParser
from w2l.restoration.restorer import KINDS, Restorer, Sharpen
from w2l.restoration.smoothing import DetailSmoother

__all__ = [
    "KINDS",
    "DetailSmoother",
    "FaceParser",
    "Framing",
    "Restorer",
    "Sharpen",
    "build_parser",
    "build_restorer",
    "frame_face",
]
