"""The log of a run: one file in the workspace's `logs/` with command, versions, outcome and traceback.

It has no values of options, no web addresses, no e-mail addresses, no ids and files of pictures, no secrets of the
environment and no home folder, so that it can be sent to the developers and says nothing of a person who is taken
down; no release contains it.
"""

import contextlib
import os
import platform
import re
import sys
import tempfile
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click
from click.core import ParameterSource

from btfer_builder import __version__
from btfer_builder.workspace import absolute

#: So many logs are kept, the newest.
KEPT = 30
#: The folder of the logs in a workspace.
FOLDER = "logs"

_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^\s'\"<>]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
#: Files below `data/` and any other picture, up to the quote or the colon behind it; ids of images and faces.
_FILE = re.compile(
    r"(?<![\w.-])(?:[^\s'\":]*/)?data/[^'\":\n]*[^\s'\":,;]|[^\s'\":]+\.(?:jpe?g|png|webp|gif|bmp|tiff?|avif)\b",
    re.IGNORECASE,
)
_ID = re.compile(r"\b(?:[0-9a-f]{64}|[0-9a-f]{16})\b")
#: Shorter values of options are common words, and say nothing of anybody.
_SHORTEST = 6
#: Parts of the names of environment variables that hold secrets.
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)


class RunLog:
    """Writes the log of one run when it ends; a log that cannot be written is no error.

    Parameters
    ----------
    directory
        The workspace that was named; None for `BTFER_WORKSPACE`, else the current folder.
    """

    def __init__(self, directory: Path | None) -> None:
        self.root = absolute(directory or Path(os.environ.get("BTFER_WORKSPACE") or "."))
        self.begun = datetime.now(UTC)
        context = click.get_current_context()
        self.command = context.command_path.removeprefix(f"{context.find_root().info_name} ")
        self.options = sorted(
            name
            for name in context.params
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        )
        self.values = {str(value): name for name in self.options for value in _texts(context.params[name])}

    @property
    def versions(self) -> str:
        """Return the versions of this package, of Python and of the system."""
        return f"btfer {__version__}, Python {platform.python_version()}, {platform.platform()}"

    def end(self, outcome: str, error: BaseException | None = None) -> Path | None:
        """Write the log and return its place; None if that failed.

        Without a workspace only an unexpected error is logged, in a temporary file.
        """
        lines = [
            self.versions,
            f"command: {self.command} ({', '.join(self.options) or 'no options'})",
            f"begun: {self.begun.isoformat(timespec='seconds')}",
            f"seconds: {(datetime.now(UTC) - self.begun).total_seconds():.1f}",
            f"outcome: {outcome}",
        ]
        if error is not None:
            lines += ["", *traceback.format_exception(error)]
        text = redacted("\n".join(line.rstrip("\n") for line in lines), self.values) + "\n"
        with contextlib.suppress(OSError):
            return self._write(text)
        if error is None:
            return None
        with contextlib.suppress(OSError):
            handle, name = tempfile.mkstemp(prefix="btfer-", suffix=".log")
            with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
            return Path(name)
        return None

    def _write(self, text: str) -> Path:
        if not (self.root / "btfer.toml").is_file():
            raise FileNotFoundError
        folder = self.root / FOLDER
        folder.mkdir(exist_ok=True)
        name = f"{self.begun:%Y%m%dT%H%M%S%f}-{self.command.replace(' ', '-')}-{os.getpid()}.log"
        (folder / name).write_text(text, encoding="utf-8", errors="backslashreplace")
        for old in sorted(folder.glob("*.log"))[:-KEPT]:
            old.unlink(missing_ok=True)
        return folder / name


def _texts(value: object) -> list[object]:
    """Return the texts and paths in the value of an option."""
    values = value if isinstance(value, tuple | list) else [value]
    return [each for each in values if isinstance(each, str | Path) and len(str(each)) >= _SHORTEST]


def redacted(text: str, values: Mapping[str, str] | None = None) -> str:
    """Return a text without addresses, ids and files of pictures, secrets of the environment and the home folder.

    Parameters
    ----------
    text
        The text.
    values
        Further words to leave out, with the name of the option that each is the value of.

    Examples
    --------
    >>> redacted("GET https://a.example/ana.jpg failed, ask ana@mail.example")
    'GET <address> failed, ask <address>'
    >>> redacted("/home/bo/faces/data/images/ana.jpg: broken, id 0123456789abcdef")
    '<file>: broken, id <id>'
    """
    for value, name in sorted((values or {}).items(), key=lambda item: len(item[0]), reverse=True):
        text = text.replace(value, f"<{name}>")
    secrets = [value for name, value in os.environ.items() if _SECRET.search(name) and len(value) >= 6]
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "<secret>")
    home = str(Path.home())
    if len(home) > 1 and home != sys.prefix:
        text = text.replace(home, "~")
    return _ID.sub("<id>", _FILE.sub("<file>", _ADDRESS.sub("<address>", text)))
