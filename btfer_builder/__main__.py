"""Make `python -m btfer_builder` the same as `btfer`."""

import atexit
import os
import signal
import sys
from types import FrameType

#: Exit codes of a program that a signal ended, as shells report them.
INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM


def run() -> None:
    """Run the command line; Ctrl-C and SIGTERM end it with one word, also during imports."""
    received: list[int] = []

    def terminate(number: int, frame: FrameType | None) -> None:
        received.append(number)
        # The present handler of Ctrl-C, such as that of a running event loop, handles this in the same way.
        interrupt = signal.getsignal(signal.SIGINT)
        if not callable(interrupt):  # a shell's background job ignores Ctrl-C
            raise KeyboardInterrupt
        interrupt(signal.SIGINT, frame)

    signal.signal(signal.SIGTERM, terminate)
    interrupted: list[int] = []
    atexit.register(_leave, interrupted)  # first, so that it is called last
    code: int | str | None = 0
    try:
        from btfer_builder.cli.main import main

        main(prog_name="btfer")
    except KeyboardInterrupt:
        print("\nAborted!", file=sys.stderr)
        code = INTERRUPTED
    except SystemExit as end:
        code = end.code
    if code in (INTERRUPTED, TERMINATED):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would show a traceback of the shutdown
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        code = TERMINATED if received else code
        interrupted.append(code)
    sys.exit(code)


def _leave(interrupted: list[int]) -> None:
    """Exit with this code; Python would end by SIGINT instead if that came within `exec` of a text, as in imports."""
    if interrupted:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(interrupted[0])


if __name__ == "__main__":
    run()
