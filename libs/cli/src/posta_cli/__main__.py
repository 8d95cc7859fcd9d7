"""The `posta` command: run, watch and repair a Posta system."""

import sys

import typer

from posta_cli.commands import bench, catalogue, db, destinations, discord, dlq, engine, keys, llm, topics
from posta_cli.commands.doctor import doctor
from posta_cli.commands.down import down
from posta_cli.commands.logs import logs
from posta_cli.commands.reference import reference
from posta_cli.commands.restart import restart
from posta_cli.commands.sandbox import sandbox
from posta_cli.commands.status import status
from posta_cli.commands.up import up
from posta_cli.commands.version import version
from posta_cli.errors import CommandError

app = typer.Typer(
    name="posta",
    help="Run, watch and repair a Posta system. POSTA_HOME names its folder (./.posta).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a traceback's local variables may hold secrets
)
for command in (up, status, logs, restart, down, doctor, sandbox, reference, version):
    app.command()(command)
app.add_typer(topics.app, name="topics")
app.add_typer(db.app, name="db")
app.add_typer(destinations.app, name="destinations")
app.add_typer(keys.app, name="keys")
app.add_typer(engine.app, name="engine")
app.add_typer(llm.app, name="llm")
app.add_typer(dlq.app, name="dlq")
app.add_typer(catalogue.app, name="catalogue")
app.add_typer(discord.app, name="discord")
app.add_typer(bench.app, name="bench")


def main() -> None:
    """Run the command line; an expected failure is two lines on stderr and its exit code."""
    try:
        app()
    except CommandError as exc:
        print(f"posta: {exc}", file=sys.stderr)
        sys.exit(exc.exit_code)


if __name__ == "__main__":
    main()
