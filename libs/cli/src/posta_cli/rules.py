"""Where the YAML rules are, and which secrets they name."""

import re
from collections.abc import Mapping
from pathlib import Path

_RULES = Path("deploy") / "config"
_DESTINATIONS = "destinations.yaml"
_WEBHOOK_VARIABLE = re.compile(r"\bPOSTA_WEBHOOK_[A-Z0-9_]+\b")


def find(given: Mapping[str, str], folder: Path) -> Path | None:
    """Return the rules' folder: `POSTA_CONFIG_DIR`, else below `folder`, else in this repository.

    None when there is none: the services then use what they bring along.
    """
    if asked := given.get("POSTA_CONFIG_DIR"):
        return Path(asked).absolute()
    repository = Path(__file__).resolve().parents[4]
    found = (place / _RULES for place in (folder.absolute(), repository))
    return next((rules for rules in found if rules.is_dir()), None)


def webhook_variables(rules: Path | None) -> tuple[str, ...]:
    """Return the variables (`POSTA_WEBHOOK_…`) in which the destinations' URLs are expected."""
    if rules is None:
        return ()
    try:
        text = (rules / _DESTINATIONS).read_text(encoding="utf-8")
    except OSError:
        return ()  # the notifier says at start what is wrong with the file
    without_comments = re.sub(r"(?m)(^|\s)#.*$", "", text)
    return tuple(sorted(set(_WEBHOOK_VARIABLE.findall(without_comments))))


def webhook_name(variable: str) -> str:
    """Return the name the sandbox knows the webhook by: `POSTA_WEBHOOK_GAME_OPS` → `game-ops`."""
    return variable.removeprefix("POSTA_WEBHOOK_").lower().replace("_", "-")
