"""Make `python -m btfer_builder` the same as `btfer`."""

import sys


def run() -> None:
    """Run the command line; Ctrl-C ends it without a traceback, also during imports."""
    try:
        from btfer_builder.cli.main import main

        main(prog_name="btfer")
    except KeyboardInterrupt:
        sys.exit("Aborted!")


if __name__ == "__main__":
    run()
