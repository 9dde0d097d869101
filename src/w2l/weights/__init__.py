"""Published weights: where they come from, and verified downloads of them to a cache.

Nothing of others is shipped or re-hosted: `fetch("wav2lip_gan")` gets the file from its own home to
`~/.cache/w2l/weights`, resumes what was cut off and checks size and SHA-256 before use.
`shipped()` are small networks of our own. `from_hub("hf:owner/name")` is anybody's.
"""

from w2l.weights.cache import cache_folder, fetch, locate
from w2l.weights.catalog import WeightFile, registry, shipped
from w2l.weights.hub import from_hub, is_hub

__all__ = [
    "WeightFile",
    "cache_folder",
    "fetch",
    "from_hub",
    "is_hub",
    "locate",
    "registry",
    "shipped",
]
