"""Write docs/commands.md out of the commands' own help: `make docs`."""

from pathlib import Path

import click

from btfer_builder.cli import main

PAGE = Path(__file__).with_name("commands.md")


def commands_page() -> str:
    """Return the page: the help of `btfer` and of each command, as a terminal 100 columns wide shows it."""
    # The settings of `btfer` itself, or the page would depend on whether a command ran before: click keeps -h.
    settings = main.context_settings | {"terminal_width": 100, "max_content_width": 100}
    parent = click.Context(main, info_name="btfer", **settings)
    parts = ["# Commands", "What `btfer COMMAND --help` says, made by `make docs`.", _help(main, parent)]
    for name in main.list_commands(parent):
        command = main.commands[name]
        context = click.Context(
            command, info_name=name, parent=parent, terminal_width=100, max_content_width=100
        )
        parts += [f"## btfer {name}", _help(command, context)]
    return "\n\n".join(parts) + "\n"


def _help(command: click.Command, context: click.Context) -> str:
    return f"```\n{command.get_help(context)}\n```"


if __name__ == "__main__":
    PAGE.write_text(commands_page(), encoding="utf-8")
