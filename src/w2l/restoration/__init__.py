"""Restoring faces in images: restorers behind one protocol, alignment, parsing, smoothing."""

from w2l.restoration.alignment import Framing, frame_face
from w2l.restoration.build import build_parser, network_restorer
from w2l.restoration.parsing import FaceParser
from w2l.restoration.restorer import KINDS, Sharpen
from w2l.restoration.smoothing import DetailSmoother

__all__ = [
    "KINDS",
    "DetailSmoother",
    "FaceParser",
    "Framing",
    "Sharpen",
    "build_parser",
    "frame_face",
    "network_restorer",
]
