"""Syncing lips: `LipSync` for other programs, and the parts of which it is made."""

from w2l.inference.api import LipSync, SyncResult
from w2l.inference.avatar import Avatar
from w2l.inference.blending import MaskOptions
from w2l.inference.enhance import FaceRestoration
from w2l.inference.geometry import Geometry
from w2l.inference.layout import Layout, OutputOptions
from w2l.inference.lipsync import FaceGenerator, pick_device
from w2l.inference.options import ProgressCallback, SyncOptions
from w2l.inference.plan import FaceOptions
from w2l.inference.player import LiveFrame, LivePlayer
from w2l.inference.preview import Preview, make_preview
from w2l.inference.provenance import CheckpointId
from w2l.inference.report import SyncReport
from w2l.inference.runtimes import build_generator
from w2l.inference.source import ArraySource, Source, StillSource, VideoSource, open_source
from w2l.inference.sync import sync_video
from w2l.inference.voice import Voice, load_voice

__all__ = [
    "ArraySource",
    "Avatar",
    "CheckpointId",
    "FaceGenerator",
    "FaceOptions",
    "FaceRestoration",
    "Geometry",
    "Layout",
    "LipSync",
    "LiveFrame",
    "LivePlayer",
    "MaskOptions",
    "OutputOptions",
    "Preview",
    "ProgressCallback",
    "Source",
    "StillSource",
    "SyncOptions",
    "SyncReport",
    "SyncResult",
    "VideoSource",
    "Voice",
    "build_generator",
    "load_voice",
    "make_preview",
    "open_source",
    "pick_device",
    "sync_video",
]
