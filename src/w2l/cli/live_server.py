"""The live page's server: speech comes by WebRTC, the avatar and what it says go back."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from math import inf
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from aiohttp import web
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from w2l.audio.live import LiveResampler
from w2l.audio.waveform import to_int16
from w2l.cli.app import HERE
from w2l.cli.keys.live import Live
from w2l.cli.signals import Ended
from w2l.errors import UserError
from w2l.inference import Avatar, LiveFrame

logger = logging.getLogger(__name__)

PAGE = Path(__file__).with_name("live_page.html")
VIDEO_CLOCK = 90_000  # Hz, of RTP's timestamps
SENT_RATE = 48_000  # Hz, of the audio that is sent
PACKET = SENT_RATE // 50  # samples of 20 ms, as they are sent
WAITING = 2  # frames that may wait to be sent; of more the oldest is left out
GRACE_S = 5.0  # seconds that a connection has to end
LARGEST_OFFER = 100_000  # bytes
HELD_S = 0.03  # for which all is held: the resampler is behind a packet, and packets come evenly
OPUS_S = 0.0065  # by which Opus is later than the times of its packets say
CREEP_S = 1e-4  # by which samples may come later than those before, to follow a clock
ANEW_S = 0.25  # by which they come so much later that all is later from then on
MOST_WAITING = SENT_RATE  # samples that may wait to be sent
TOLD_S = 1.0  # from one word about the state to the next


class ImageTrack(MediaStreamTrack):
    """The avatar's frames, sent as they come, with the times at which they belong."""

    kind = "video"

    def __init__(self, fps: Fraction) -> None:
        super().__init__()
        self._fps = fps
        self._unsent: asyncio.Queue[tuple[float, LiveFrame]] = asyncio.Queue(WAITING)

    def put(self, frame: LiveFrame) -> None:
        """Take a frame; of too many the oldest is left out."""
        if self._unsent.full():
            self._unsent.get_nowait()
        self._unsent.put_nowait((time.monotonic(), frame))

    async def recv(self) -> VideoFrame:
        """See `MediaStreamTrack`."""
        if self.readyState != "live":
            raise MediaStreamError
        there, frame = await self._unsent.get()
        await asyncio.sleep(max(0, there + HELD_S + OPUS_S - time.monotonic()))
        video = VideoFrame.from_ndarray(_even(frame.image), "bgr24")
        video.pts = round(frame.image_number * VIDEO_CLOCK / self._fps)
        video.time_base = Fraction(1, VIDEO_CLOCK)
        return video


class SpeechTrack(MediaStreamTrack):
    """What the avatar says, 20 ms at a time: evenly, and at once where it is behind.

    A receiver takes the time at which a packet is sent for the time at which it was spoken. (Longer
    blocks would be several packets with one timestamp.)
    """

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        # By Opus's own rate: aiortc's resampler would hold 20 ms back.
        self._resampler = LiveResampler(wanted=SENT_RATE)
        self._unsent = np.zeros(0, np.float32)
        self._there = asyncio.Event()
        self._taken = self._sent = 0  # samples
        self._start = -inf  # when sample 0 was there

    def put(self, samples: np.ndarray) -> None:
        """Take 16 kHz mono; of over a second the oldest is left out, and its time is silent."""
        samples = self._resampler.push(samples)
        first = time.monotonic() - self._taken / SENT_RATE
        # The earliest that it can be, for what came late does not make all that follows late.
        self._start = first if first > self._start + ANEW_S else min(first, self._start + CREEP_S)
        self._taken += len(samples)
        self._unsent = np.concatenate([self._unsent, samples])
        if (surplus := len(self._unsent) - MOST_WAITING) > 0:
            self._unsent = self._unsent[surplus:]
            self._sent += surplus
        self._there.set()

    async def recv(self) -> AudioFrame:
        """See `MediaStreamTrack`."""
        while len(self._unsent) < PACKET:
            if self.readyState != "live":
                raise MediaStreamError
            self._there.clear()
            await self._there.wait()
        due = self._start + HELD_S + self._sent / SENT_RATE
        await asyncio.sleep(max(0, due - time.monotonic()))
        part, self._unsent = self._unsent[:PACKET], self._unsent[PACKET:]
        audio = AudioFrame.from_ndarray(to_int16(part)[None], "s16", "mono")
        audio.sample_rate, audio.time_base = SENT_RATE, Fraction(1, SENT_RATE)
        audio.pts, self._sent = self._sent, self._sent + PACKET
        return audio

    def stop(self) -> None:
        """See `MediaStreamTrack`."""
        super().stop()
        self._there.set()


class Viewer:
    """One browser: its connection, and a player of its own in a thread.

    Args:
        avatar: who speaks.
        settings: of the command.
        left: is called when the browser has gone.
    """

    def __init__(self, avatar: Avatar, settings: Live, left: Callable[[Viewer], None]) -> None:
        self.connection = RTCPeerConnection()
        self.player = avatar.player(queue_s=settings.queue_s, idle_db=settings.idle_db)
        self._images, self._speech = ImageTrack(avatar.fps), SpeechTrack()
        self._loop = asyncio.get_running_loop()
        self._left = left
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = Thread(target=self._play, name="avatar", daemon=True)
        self._is_closed = False
        self.connection.addTrack(self._images)
        self.connection.addTrack(self._speech)
        self.connection.on("track", self._listen)
        self.connection.on("datachannel", self._open_channel)
        self.connection.on("connectionstatechange", self._changed)

    async def answer(self, offer: RTCSessionDescription) -> RTCSessionDescription:
        """Accept a browser's offer."""
        await self.connection.setRemoteDescription(offer)
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        return self.connection.localDescription

    async def close(self) -> None:
        """End the connection and the player."""
        if self._is_closed:
            return
        self._is_closed = True
        self.player.stop()
        for task in self._tasks:
            task.cancel()
        await self.connection.close()
        self._left(self)

    async def _changed(self) -> None:
        state = self.connection.connectionState
        if state == "connected" and not self._thread.is_alive():
            self._thread.start()
        elif state in {"failed", "closed", "disconnected"}:
            await self.close()

    def _listen(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio":
            self._start(self._hear(track))

    async def _hear(self, track: MediaStreamTrack) -> None:
        resampler: LiveResampler | None = None
        while True:
            try:
                block = await track.recv()
            except MediaStreamError:  # the browser's end
                return
            if not isinstance(block, AudioFrame):
                continue
            if resampler is None:
                resampler = LiveResampler(block.sample_rate)
            samples = block.to_ndarray()
            if not block.format.is_planar:
                samples = samples.reshape(-1, block.layout.nb_channels).T
            self.player.say(resampler.push(np.ascontiguousarray(samples.T)), wait=False)

    def _open_channel(self, channel: Any) -> None:
        channel.on("message", self._obey)
        self._start(self._tell(channel))

    def _obey(self, message: object) -> None:
        if message == "interrupt":
            self.player.interrupt()

    async def _tell(self, channel: Any) -> None:
        while channel.readyState == "open":
            channel.send(json.dumps(self.state()))
            await asyncio.sleep(TOLD_S)

    def state(self) -> dict[str, Any]:
        """What the page says about the player."""
        return {
            "delay_s": round(self.player.delay_s, 3),
            "queued_s": round(self.player.queued_s, 3),
            "dropped": self.player.n_dropped,
            "resets": self.player.n_resets,
        }

    def _start(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _play(self) -> None:
        """The player's thread."""
        try:
            for frame in self.player.play():
                self._loop.call_soon_threadsafe(self._send, frame)
        except RuntimeError:
            if not self._loop.is_closed():  # else the server ended meanwhile
                raise

    def _send(self, frame: LiveFrame) -> None:
        self._speech.put(frame.audio)
        if frame.is_new:  # else the browser shows the one before on its own
            self._images.put(frame)


class LiveServer:
    """The page, and who looks at it.

    Args:
        avatar: who speaks.
        settings: of the command.
    """

    def __init__(self, avatar: Avatar, settings: Live) -> None:
        self._avatar, self._settings = avatar, settings
        self.viewers: set[Viewer] = set()

    def application(self) -> web.Application:
        """For aiohttp."""
        app = web.Application(client_max_size=LARGEST_OFFER)
        app.add_routes([web.get("/", self._page), web.post("/offer", self._offer)])
        app.on_shutdown.append(self._close)
        return app

    async def _page(self, request: web.Request) -> web.Response:
        self._check_host(request)
        return web.Response(text=PAGE.read_text("utf-8"), content_type="text/html")

    async def _offer(self, request: web.Request) -> web.Response:
        """A browser's offer, as JSON {sdp, type}; the answer likewise, or {error}."""
        self._check_host(request)
        if request.content_type != "application/json":  # what a page of others cannot send
            raise web.HTTPUnsupportedMediaType
        if len(self.viewers) >= self._settings.max_viewers:
            text = "Somebody is looking already: close the other page, or raise max_viewers=."
            return web.json_response({"error": text}, status=503)
        try:
            given = await request.json()
            offer = RTCSessionDescription(sdp=given["sdp"], type=given["type"])
        except (ValueError, KeyError, TypeError):
            return web.json_response({"error": "This is no offer."}, status=400)
        viewer = Viewer(self._avatar, self._settings, self.viewers.discard)
        self.viewers.add(viewer)
        try:
            answer = await viewer.answer(offer)
        except Exception:  # aiortc has many
            logger.exception("an offer could not be answered")
            await viewer.close()
            return web.json_response({"error": "This offer cannot be answered."}, status=400)
        return web.json_response({"sdp": answer.sdp, "type": answer.type})

    def _check_host(self, request: web.Request) -> None:
        """On this machine alone the page answers to its names alone, not to a site's of others."""
        name = urlsplit(f"//{request.host}").hostname
        if self._settings.host in HERE and name not in HERE:
            raise web.HTTPForbidden

    async def _close(self, _: web.Application) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE_S):
                await asyncio.gather(*(viewer.close() for viewer in [*self.viewers]))


def serve(avatar: Avatar, settings: Live) -> None:
    """Serve until a signal asks for the end, and say so as other commands do.

    Raises:
        UserError: the port is taken.
        Ended: always, in the end.
    """
    raise Ended(asyncio.run(_serve(LiveServer(avatar, settings), settings)))


async def _serve(server: LiveServer, settings: Live) -> int:
    """The number of the signal that ended it."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def end(number: int) -> None:
        if not ended.done():
            ended.set_result(number)

    # In the loop, not in whatever runs: an exception in one of the libraries' callbacks is lost.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        with suppress(NotImplementedError, AttributeError):  # Windows: Ctrl-C raises as ever
            loop.add_signal_handler(getattr(signal, name), end, getattr(signal, name))
    runner = web.AppRunner(server.application(), access_log=None, shutdown_timeout=GRACE_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
        print(f"http://{settings.host}:{settings.port} (Ctrl-C ends it)", flush=True)
        return await ended
    except OSError as error:
        raise UserError(
            f"host={settings.host} port={settings.port} cannot be served "
            "(in use, or not allowed): choose another port."
        ) from error
    finally:
        await runner.cleanup()


def _even(image: np.ndarray) -> np.ndarray:
    """With an even width and height, which video codecs want: the last row or column goes."""
    height, width = image.shape[:2]
    return np.ascontiguousarray(image[: height - height % 2, : width - width % 2])
