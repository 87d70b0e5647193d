"""Write docs/commands.md out of the commands' own help: `make docs`."""

from pathlib import Path

import click

from btfer_builder.cli.main import main

PAGE = Path(__file__).with_name("commands.md")


def commands_page() -> str:
    """Return the page: the help of `btfer` and of each command, as a terminal 100 columns wide shows it."""
    # With the settings of the command itself: click keeps the help option of the first caller that asks for it.
    settings = main.context_settings | {"terminal_width": 100, "max_content_width": 100}
    parent = click.Context(main, info_name="btfer", **settings)
    parts = ["# Commands", "What `btfer COMMAND --help` says, made by `make docs`.", _help(main, parent)]
    parts += _commands(main, parent)
    return "\n\n".join(parts) + "\n"


def _commands(group: click.Group, parent: click.Context) -> list[str]:
    """Return the headings and helps of a group's commands, a group among them followed by its own."""
    parts: list[str] = []
    for name in group.list_commands(parent):
        command = group.get_command(parent, name)
        assert command
        context = click.Context(
            command, info_name=name, parent=parent, terminal_width=100, max_content_width=100
        )
        parts += [f"## {context.command_path}", _help(command, context)]
        if isinstance(command, click.Group):
            parts += _commands(command, context)
    return parts


def _help(command: click.Command, context: click.Context) -> str:
    return f"```\n{command.get_help(context)}\n```"


if __name__ == "__main__":
    PAGE.write_text(commands_page(), encoding="utf-8")
