"""What autocomplete answers: what fits the text typed so far, best first. PURE."""

from collections.abc import Mapping, Sequence

from ingress.commands.options import CHOICES_MOST, Choice, OptionRule
from ingress.interactions.interaction import Interaction
from posta.domain.language import Language

Lists = Mapping[str, Sequence[Choice]]
"""What the providers gave last, by address."""


def suggest(
    options: Sequence[OptionRule], interaction: Interaction, lists: Lists, language: Language
) -> list[Choice]:
    """At most 25 choices for the option that is being typed; none for one without suggestions."""
    typed = next((option for option in interaction.filled if option.focused), None)
    if typed is None:
        return []
    rule = next((option for option in options if option.name == typed.name), None)
    if rule is None or rule.suggest is None:
        return []
    provider = rule.suggest.provider
    known = lists.get(str(provider.url), ()) if provider else rule.suggest.choices
    return fitting(known, str(typed.value or ""), language)


def fitting(choices: Sequence[Choice], text: str, language: Language) -> list[Choice]:
    """The choices that hold ``text``; those that begin with it come first."""
    wanted = text.strip().casefold()

    def rank(choice: Choice) -> int | None:
        name = choice.name(language).casefold()
        if name.startswith(wanted):
            return 0
        return 1 if wanted in name or wanted in str(choice.value).casefold() else None

    ranked = [(place, choice) for choice in choices if (place := rank(choice)) is not None]
    return [choice for _, choice in sorted(ranked, key=lambda pair: pair[0])][:CHOICES_MOST]
