"""Explain a wrong command, option or value: what is valid, and what is nearest."""

import click

from btfer_builder.config.load import choices


def explained(error: click.ClickException) -> str:
    """Return the message of an error of usage, with the valid words and the nearest one where a word is unknown."""
    context = getattr(error, "ctx", None)
    message = error.format_message()
    if isinstance(error, click.NoSuchOption) and context is not None:
        valid = [
            name
            for parameter in context.command.get_params(context)
            if isinstance(parameter, click.Option) and not parameter.hidden
            for name in (*parameter.opts, *parameter.secondary_opts)
            if name.startswith("--")
        ]
        return f"No such option: {error.option_name}{choices(error.option_name, valid)}"
    kind = getattr(getattr(error, "param", None), "type", None)
    if isinstance(kind, click.Choice):
        value = message.partition("'")[2].rpartition("' is not one of")[0].rpartition("'")[2]
        return message.rstrip(".") + choices(value, list(kind.choices), listed=False)
    group = getattr(context, "command", None)
    if message.startswith("No such command") and context is not None and isinstance(group, click.Group):
        word = message.partition("'")[2].partition("'")[0]
        return f"No such command {word!r}{choices(word, group.list_commands(context))}"
    return message
