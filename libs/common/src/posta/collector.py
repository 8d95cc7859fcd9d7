"""Keeps Python's garbage collector from looking, again and again, at what the start of a service has made."""

import gc

_YOUNG_MOST = 10_000
"""New objects between two collections; Python's 700 is a few requests' worth."""


def settle() -> None:
    """Call once when all is open: what lives now is taken to live until the end.

    Measured at ingress: the slowest answer in a hundred from 88 to 35 ms under full load, for a collection of
    everything stopped the loop for as long.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_MOST)
