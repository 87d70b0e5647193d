"""Write what follows from the settings: the repository's btfer.toml and docs/recipe.md: `make docs`."""

from pathlib import Path

from btfer_builder.config import recipe_text

FILE = Path(__file__).resolve().parents[1] / "btfer.toml"
PAGE = Path(__file__).with_name("recipe.md")

_HEAD = """# The recipe: btfer.toml

Every setting with its default, made by `make docs`. `btfer init` writes this file into a workspace. A setting is named
like the option of the command (`per_class` is `--per-class`) and like the keyword argument in [Python](api.md); an
option that is given takes precedence over the file for one run. Delete a line, and the default holds. An unknown
setting or value is an error that names the nearest one. Settings of version 0.1 are listed in
[Upgrading](upgrading.md).

`benchmark.toml`, which describes a grid of trainings, has the sections `[train]` and `[eval]` of this file and
[entries of its own](protocol.md#the-grid).
"""


def recipe_page() -> str:
    """Return the page: the whole file."""
    return f"{_HEAD}\n```toml\n{recipe_text()}```\n"


if __name__ == "__main__":
    FILE.write_text(recipe_text(), encoding="utf-8")
    PAGE.write_text(recipe_page(), encoding="utf-8")
