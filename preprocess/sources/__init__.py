"""Where clips come from: each source knows one layout and lists what lies there."""

from preprocess.sources.catalog import list_clips
from preprocess.sources.clip import Clip, Listing

__all__ = ["Clip", "Listing", "list_clips"]
