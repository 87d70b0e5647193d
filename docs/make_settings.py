"""Write the repository's btfer.toml, which has every setting with its default: `make docs`."""

from pathlib import Path

from btfer_builder.config import recipe_text

FILE = Path(__file__).resolve().parents[1] / "btfer.toml"

if __name__ == "__main__":
    FILE.write_text(recipe_text(), encoding="utf-8")
