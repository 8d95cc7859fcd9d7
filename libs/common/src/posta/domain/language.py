"""Which of the languages Posta writes in a person reads."""

from typing import Literal

Language = Literal["en", "es"]


def language_of(locale: str) -> Language:
    """``es`` for any Spanish locale (``es-ES``, ``es-419``, ``es_MX``), otherwise ``en``."""
    return "es" if locale.lower().replace("_", "-").split("-")[0] == "es" else "en"
