"""A lock file is held by one process and released when the process ends."""

import signal
import subprocess
import sys

import pytest

from btfer_builder.errors import BtferError
from btfer_builder.io.locks import lock_file, try_lock

HOLD = """
import sys, time
from pathlib import Path
from btfer_builder.io.locks import lock_file
with lock_file(Path(sys.argv[1]), "busy"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_another_process_is_refused_until_the_holder_is_killed(tmp_path):
    path = tmp_path / "folder" / ".lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert try_lock(path) is None
        with pytest.raises(BtferError, match=r"^it is busy$"), lock_file(path, "it is busy"):
            pass
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    with lock_file(path, "it is busy"):
        assert try_lock(path) is None
    lock = try_lock(path)
    assert lock is not None
    lock.release()


def test_the_lock_is_released_after_an_error(tmp_path):
    with pytest.raises(KeyError), lock_file(tmp_path / ".lock", "busy"):
        raise KeyError
    with lock_file(tmp_path / ".lock", "busy"):
        pass


def test_a_folder_that_cannot_be_made_is_an_error_of_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(BtferError, match="file: cannot be written"),
        lock_file(tmp_path / "file" / ".lock", "busy"),
    ):
        pass
