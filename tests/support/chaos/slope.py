"""PURE: how something measured again and again grows, by least squares."""

_WARM_UP_SHARE = 0.2


class Slope:
    """Samples of one quantity over time; the first fifth is left out, as warming up."""

    def __init__(self) -> None:
        self._samples: list[tuple[float, float]] = []

    def add(self, at_s: float, value: float) -> None:
        """Note one sample."""
        self._samples.append((at_s, value))

    def per_hour(self) -> float:
        """Growth in an hour, by the line that fits best; 0 with fewer than two samples."""
        samples = self._warm()
        if len(samples) < 2:
            return 0.0
        mean_at = sum(at for at, _ in samples) / len(samples)
        mean = sum(value for _, value in samples) / len(samples)
        spread = sum((at - mean_at) ** 2 for at, _ in samples)
        return 3600 * sum((at - mean_at) * (value - mean) for at, value in samples) / spread

    def growth(self) -> float:
        """What the line rises from its first sample to its last."""
        samples = self._warm()
        return self.per_hour() * (samples[-1][0] - samples[0][0]) / 3600 if samples else 0.0

    def __str__(self) -> str:
        values = [value for _, value in self._warm()] or [0.0]
        return (
            f"{values[0]:.1f} MiB after warming up, {values[-1]:.1f} at the end, at most {max(values):.1f}; "
            f"slope {self.per_hour():+.1f} MiB/h, {self.growth():+.1f} MiB over the run"
        )

    def _warm(self) -> list[tuple[float, float]]:
        return self._samples[int(len(self._samples) * _WARM_UP_SHARE) :]
