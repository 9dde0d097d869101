"""Whole images of those that are woven of two fields, shot one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import cast

import av
from av.filter import Graph
from av.video.frame import VideoFrame

from w2l.media import time_base

# One image for two fields, and only for those that are marked as such.
_FILTER = ("bwdif", "mode=send_frame:parity=auto:deint=interlaced")


def progressive(frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
    """Pass frames on as they come, and from the first interlaced one on through FFmpeg's bwdif."""
    graph: Graph | None = None
    kind = None
    for frame in frames:
        if graph is None and not frame.interlaced_frame:
            yield frame
            continue
        if graph is None or kind != (frame.format.name, frame.width, frame.height):
            yield from _pull(graph, None)
            graph = _graph(frame)
            kind = (frame.format.name, frame.width, frame.height)
        yield from _pull(graph, frame)
    yield from _pull(graph, None)


def _graph(frame: VideoFrame) -> Graph:
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        time_base=time_base(frame),
    )
    graph.link_nodes(source, graph.add(*_FILTER), graph.add("buffersink")).configure()
    return graph


def _pull(graph: Graph | None, frame: VideoFrame | None) -> Iterator[VideoFrame]:
    if graph is None:
        return
    with suppress(av.error.BlockingIOError, av.error.EOFError):
        graph.push(frame)
        while True:
            yield cast(VideoFrame, graph.pull())
