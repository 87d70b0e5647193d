"""Explain a wrong command, option or value: what is valid, and what is nearest."""

from difflib import get_close_matches

import click

from btfer_builder.config.load import choices


class Choice(click.Choice[str]):
    """One of several words; the error about another one names the nearest."""

    def get_invalid_choice_message(self, value: str, ctx: click.Context | None) -> str:
        """Return the message of click, and the nearest word."""
        message = super().get_invalid_choice_message(value, ctx)
        return message.rstrip(".") + choices(value, self.choices, listed=False)


def explained(error: click.ClickException) -> str:
    """Return the message of an error of usage, with the valid words and the nearest one where a word is unknown."""
    context = getattr(error, "ctx", None)
    if isinstance(error, click.NoSuchOption) and context is not None:
        valid = [
            name
            for parameter in context.command.get_params(context)
            if isinstance(parameter, click.Option) and not parameter.hidden
            for name in (*parameter.opts, *parameter.secondary_opts)
            if name.startswith("--")
        ]
        option, group = error.option_name, isinstance(context.command, click.Group)
        if group and not get_close_matches(option, valid, 1, 0.8):
            place = " ".join(["btfer", *context.command_path.split()[1:], "COMMAND", option])
            return f"No such option: {option}; options of a command come after it: {place}"
        return f"No such option: {option}{choices(option, valid)}"
    if isinstance(error, click.NoSuchCommand) and context is not None:
        valid = context.command.list_commands(context)
        return f"No such command {error.command_name!r}{choices(error.command_name, valid)}"
    return error.format_message()
