"""The demo set: talking videos that the project makes itself, without a download."""

from preprocess.demo.render import DemoClip, render_demo

__all__ = ["DemoClip", "render_demo"]
