"""settings.md: every environment variable, by the service that reads it."""

from collections.abc import Iterable

from posta.settings import ServiceSettings
from posta.telemetry.tracing import ENDPOINT_VARIABLES
from posta_cli.reference import services
from posta_cli.reference.markdown import code, one_line, page, prose, table
from posta_cli.reference.variables import Section, Variable, sections
from posta_sandbox.settings import SandboxSettings

_INTRODUCTION = """\
Each service reads its settings from the environment once, at its start, and ends with exit code 78 when one
is wrong; the message names the variable and the reason, never the value. In development, a file `.env` in the
working folder is read too; the environment overrides it.

`POSTA_GROUP__FIELD_FILE` names a file that holds the value of `POSTA_GROUP__FIELD` instead, as container
platforms hand secrets over. The five services read such files for every variable but those whose name ends in
`_CA_FILE`, which are paths themselves.

A secret's default is never shown."""

_COLUMNS = ("variable", "allowed", "default", "meaning")


def render() -> str:
    """Return the page."""
    parts = [_INTRODUCTION, "## Every service", *_sections(sections(ServiceSettings)), _tracing()]
    for service in services.all_services():
        own = [section for section in map(_own, sections(service.settings)) if section.variables]
        parts += [f"## {service.name}", prose(service.settings.__doc__)]
        parts += _sections(own) or ["Nothing but what every service reads."]
        if service.name == "notifier":
            parts.append(_WEBHOOKS)
    parts += ["## sandbox", prose(SandboxSettings.__doc__), *_sections(sections(SandboxSettings))]
    parts += ["## posta, the command", _HOME]
    return page("Settings", *parts)


_WEBHOOKS = """\
And one variable for each destination in `destinations.yaml`: the name that stands there under
`webhook_url: {env: …}`, such as `POSTA_WEBHOOK_OPS`, holds the URL of the Discord webhook.
The URL is a secret."""

_HOME = table(
    _COLUMNS,
    [
        (
            "`POSTA_HOME`",
            "path",
            "`.posta`",
            "Folder of one system's data, logs, ports and generated secrets.",
        ),
        (
            "`POSTA_API_KEY`",
            "secret",
            "unset",
            "The key `posta engine` uses; needed only where `POSTA_API_KEYS` lists keys of your own.",
        ),
    ],
)


def _own(section: Section) -> Section:
    """The section without what every service reads."""
    shared = {one.name for common in sections(ServiceSettings) for one in common.variables}
    kept = () if services.shares(section.model) else section.variables
    return Section(
        field=section.field,
        model=section.model,
        variables=tuple(one for one in kept if section.field or one.name not in shared),
    )


def _sections(found: Iterable[Section]) -> list[str]:
    parts = []
    listed = tuple(found)
    for section in listed:
        if section.field:
            parts.append(f"### {section.field}\n\n{prose(section.model.__doc__)}")
        elif len(listed) > 1:
            parts.append("### in no group")
        parts.append(table(_COLUMNS, map(_row, section.variables)))
    return parts


def _row(variable: Variable) -> tuple[str, ...]:
    return (code(variable.name), variable.allowed, _default(variable), one_line(variable.meaning))


def _default(variable: Variable) -> str:
    if variable.is_required:
        return "**required**"
    if variable.is_secret:
        return "(not shown)" if variable.has_default else "unset"
    if variable.default:
        return code(variable.default)
    return "empty" if variable.has_default else "unset"


def _tracing() -> str:
    either = " or ".join(map(code, ENDPOINT_VARIABLES))
    return (
        "### tracing\n\n"
        f"{either}, as OpenTelemetry defines them, names the collector that spans are sent to "
        "(OTLP over HTTP, protobuf). Without one, no span leaves the process."
    )
