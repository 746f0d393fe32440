"""edgekd distils a time-series model until it fits a microcontroller, and proves the firmware computes what was trained."""

__version__ = "0.1.0"
