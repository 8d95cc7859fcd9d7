"""Messages that are answered at once, with the buttons and menus on them."""

from typing import Annotated, Literal, Self

from pydantic import Field, HttpUrl, model_validator

from ingress.commands.wording import ButtonLabel, Name, Placeholder, Rules, Template, Words, placeholders

_BUTTONS_OF_A_ROW = 5


class Button(Rules):
    """Something to press: it does what ``components`` says of its id, or opens a link."""

    label: ButtonLabel
    id: Name | None = None
    state: Template | None = None
    """What is handed to the press behind the id; placeholders are filled in. Anybody may press."""
    url: HttpUrl | None = None
    style: Literal["primary", "secondary", "success", "danger"] = "secondary"

    @model_validator(mode="after")
    def _does_one_thing(self) -> Self:
        if (self.id is None) == (self.url is None):
            raise ValueError("either id or url")
        if self.url is not None and self.state is not None:
            raise ValueError("state: a link has none")
        return self


class MenuOption(Rules):
    """One line of a menu."""

    label: ButtonLabel
    value: Annotated[str, Field(min_length=1, max_length=100)]


class Menu(Rules):
    """A list to choose from."""

    id: Name
    placeholder: Placeholder | None = None
    options: Annotated[tuple[MenuOption, ...], Field(min_length=1, max_length=25)]
    choose_most: Annotated[int, Field(ge=1, le=25)] = 1


class Row(Rules):
    """One line below a message: up to five buttons, or one menu."""

    buttons: Annotated[tuple[Button, ...], Field(max_length=_BUTTONS_OF_A_ROW)] = ()
    menu: Menu | None = None

    @model_validator(mode="after")
    def _holds_one_kind(self) -> Self:
        if bool(self.buttons) == (self.menu is not None):
            raise ValueError("either buttons or a menu")
        return self


class Reply(Rules):
    """A message; ``{name}`` in its text stands for what the person filled in."""

    text: Words
    rows: Annotated[tuple[Row, ...], Field(max_length=5)] = ()
    replaces: bool = False
    """Takes the place of the message whose button was pressed, instead of coming below it."""

    @property
    def component_ids(self) -> frozenset[str]:
        """The entries of ``components`` that this message leads to."""
        buttons = {button.id for row in self.rows for button in row.buttons if button.id}
        return frozenset(buttons | {row.menu.id for row in self.rows if row.menu})

    @property
    def asks_for(self) -> frozenset[str]:
        """Every placeholder in it."""
        states = [button.state for row in self.rows for button in row.buttons if button.state]
        return frozenset().union(*(placeholders(t) for t in (self.text.en, self.text.es, *states)))
