"""How long to wait before a process that died is started again."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """Doubles the wait with each death in a row; a process that stayed up starts afresh."""

    first_delay_s: float = 0.2
    max_delay_s: float = 10.0
    steady_after_s: float = 30.0
    """A process that lived this long was healthy: its death is the first of a new row."""

    def after_exit(self, deaths_in_a_row: int, *, lived_s: float) -> tuple[int, float]:
        """Return the new number of deaths in a row and the wait in seconds before the next start."""
        before = 0 if lived_s >= self.steady_after_s else deaths_in_a_row
        exponent = min(before, 30)  # 2**30 is past every cap; a larger one could overflow a float
        return before + 1, min(self.max_delay_s, self.first_delay_s * 2.0**exponent)
