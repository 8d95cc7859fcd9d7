"""Forms (Discord's modals): what they ask, and what sending one does."""

from typing import Annotated

from pydantic import Field

from ingress.commands.actions import Action
from ingress.commands.wording import Label, Name, Placeholder, Rules


class FormField(Rules):
    """One text that the person writes."""

    label: Label
    long: bool = False
    """Several lines instead of one."""
    required: bool = True
    placeholder: Placeholder | None = None
    max_length: Annotated[int, Field(ge=1, le=4000)] = 1000


class FormRule(Rules):
    """One form."""

    title: Label
    fields: Annotated[dict[Name, FormField], Field(min_length=1, max_length=5)]
    action: Action
    """A form cannot open another one."""
    ephemeral: bool = False


class ComponentRule(Rules):
    """What pressing a button, or choosing from a menu, does."""

    action: Action
    ephemeral: bool = False
    roles: tuple[str, ...] = ()
    """Who may: members with one of these role ids; none given: everybody."""
