"""Settings of other packages, given in environment variables before these are loaded, also to processes of a search."""

import os
from pathlib import Path

TELEMETRY_OFF = {"RAY_USAGE_STATS_ENABLED": "0", "FLWR_TELEMETRY_ENABLED": "0"}
"""Ray and Flower report usage unless told not to. onnxruntime has no switch that works: it is required below 1.29."""
CACHES = {"MPLCONFIGDIR": "matplotlib", "KERAS_HOME": "keras", "ZIG_GLOBAL_CACHE_DIR": "zig"}
"""Where packages keep what they need again (lists of fonts, compiled start-up code), by their variable."""


def switch_telemetry_off() -> None:
    """Have no dependency report usage; what the user has set is kept."""
    for name, value in TELEMETRY_OFF.items():
        os.environ.setdefault(name, value)


def use_own_cache() -> None:
    """Have dependencies keep their files in edgekd's cache instead of several places below the home folder."""
    for name, folder in CACHES.items():
        os.environ.setdefault(name, str(cache() / folder))


def cache() -> Path:
    """Return the folder of edgekd's cache: $EDGEKD_CACHE, else edgekd in $XDG_CACHE_HOME, else ~/.cache/edgekd."""
    own = os.environ.get("EDGEKD_CACHE")
    if own:
        return Path(own).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgekd"
