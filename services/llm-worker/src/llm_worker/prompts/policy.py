"""What becomes of an answer that states other figures than the catalogue."""

from typing import Literal

OtherFigures = Literal["correct", "withhold"]
"""``correct``: the figure is taken out and the catalogue's are added; ``withhold``: only those are told."""
