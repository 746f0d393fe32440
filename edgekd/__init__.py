"""edgekd distils a time-series model until it fits a microcontroller, and proves what the firmware computes."""

__version__ = "0.1.0"
