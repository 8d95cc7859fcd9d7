"""All pages of the reference, by file name."""

from typing import Any

from posta_cli.reference import (
    commands_page,
    errors_page,
    events_page,
    http_page,
    metrics_page,
    settings_page,
    topics_page,
)
from posta_cli.reference.applications import applications
from posta_cli.reference.markdown import page

_INDEX = """\
What the code declares, written out by `make reference`; a test fails when a page is out of date.

* [Topics](topics.md): who writes and reads what, how long it is kept, the headers of a record
* [Events](events.md): the data of every event type
* [Settings](settings.md): every environment variable
* [HTTP](http.md): what each service answers
* [Metrics](metrics.md): what Prometheus can ask for
* [Errors](errors.md): the tree of errors, error classes, exit codes
* [Commands](commands.md): the `posta` command"""


def pages(root: Any) -> dict[str, str]:
    """Return the content of every file below `docs/reference`; `root` is the `posta` command line.

    Raises CommandError when the services are not installed.
    """
    apps = applications()
    return {
        "README.md": page("Reference", _INDEX),
        "topics.md": topics_page.render(),
        "events.md": events_page.render(),
        "settings.md": settings_page.render(),
        "http.md": http_page.render(apps),
        **http_page.descriptions(apps),
        "metrics.md": metrics_page.render(),
        "errors.md": errors_page.render(),
        "commands.md": commands_page.render(root),
    }
