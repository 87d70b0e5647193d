"""Files are replaced as a whole or not at all."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from btfer_builder.errors import BtferError
from btfer_builder.io.atomic import build_folder, open_atomic, restore_folder, write_bytes


def test_a_file_is_made_with_its_folders_and_readable_for_all(tmp_path):
    write_bytes(tmp_path / "a" / "b" / "file.bin", b"content")
    assert (tmp_path / "a" / "b" / "file.bin").read_bytes() == b"content"
    assert (tmp_path / "a" / "b" / "file.bin").stat().st_mode & 0o777 == 0o644


def test_the_earlier_file_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "file"
    write_bytes(path, b"earlier")
    with open_atomic(path) as file:
        file.write(b"lat")
        file.flush()
        assert path.read_bytes() == b"earlier"
        file.write(b"er")
    assert path.read_bytes() == b"later"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("earlier", [b"earlier", None])
def test_an_exception_leaves_nothing_behind(tmp_path, error, earlier):
    path = tmp_path / "file"
    if earlier is not None:
        path.write_bytes(earlier)

    def interrupted():
        with open_atomic(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == (
        {} if earlier is None else {"file": earlier}
    )


def test_readers_never_see_half_a_file(tmp_path):
    path, contents = tmp_path / "file", [bytes([n]) * 300_000 for n in (65, 66)]
    write_bytes(path, contents[0])
    seen, stop = set(), threading.Event()

    def read():
        while not stop.is_set():
            content = path.read_bytes()
            seen.add((content[:1], content.count(content[:1]), len(content)))

    reader = threading.Thread(target=read)
    reader.start()
    for n in range(200):
        write_bytes(path, contents[n % 2])
    stop.set()
    reader.join()
    assert {(start, length) for start, _, length in seen} <= {(b"A", 300_000), (b"B", 300_000)}
    assert all(same == length for _, same, length in seen)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder nobody can write")
def test_a_folder_that_cannot_be_written_is_said_in_one_line():
    for folder in ("/proc", "/proc/no/such/folder"):
        path = Path(folder) / "table.csv"
        with pytest.raises(BtferError, match=rf"^{path}: cannot be written: \w+"):
            write_bytes(path, b"")


def test_a_folder_below_a_file_is_said_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BtferError, match=r"file/table\.csv: cannot be written"):
        write_bytes(tmp_path / "file" / "table.csv", b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(BtferError, match="folder: cannot be written"):
        write_bytes(tmp_path / "folder", b"")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]


def test_a_full_disk_is_said_in_one_line_and_leaves_the_earlier_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"earlier")
    script = f"""
import resource, signal
from pathlib import Path
from btfer_builder.errors import BtferError
from btfer_builder.io.atomic import write_bytes
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_bytes(Path({str(path)!r}), b"x" * 100_000)
except BtferError as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert ran.stdout.startswith(f"{path}: cannot be written: "), ran.stderr
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("file", b"earlier")]


def test_a_killed_writer_leaves_the_earlier_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"earlier")
    script = f"""
import os
from pathlib import Path
from btfer_builder.io.atomic import open_atomic
with open_atomic(Path({str(path)!r})) as file:
    file.write(b"x" * 1_000_000)
    file.flush()
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    assert path.read_bytes() == b"earlier"


def build(target, text, **options):
    with build_folder(target, **options) as building:
        (building / "file.txt").write_text(text)


def test_a_folder_is_whole_or_what_it_was_before(tmp_path):
    target = tmp_path / "set"
    build(target, "first")
    with pytest.raises(ZeroDivisionError), build_folder(target, overwrite=True) as building:
        (building / "file.txt").write_text(f"{1 / 0}")
    assert (target / "file.txt").read_text() == "first"
    build(target, "second", overwrite=True)
    assert (target / "file.txt").read_text() == "second"
    assert target.stat().st_mode & 0o777 == 0o755
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_with_something_in_it_is_not_replaced_unasked(tmp_path):
    target = tmp_path / "set"
    target.mkdir()
    build(target, "into an empty folder")
    with pytest.raises(BtferError, match="set: cannot be written"):
        build(target, "second")
    assert (target / "file.txt").read_text() == "into an empty folder"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("old", [".set.12345678.old.building", ".set.12345678.old"])
def test_the_earlier_folder_comes_back_after_a_kill(tmp_path, old):
    for name in (old, ".set.12345678.building", ".set.importing"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file.txt").write_text(name)
    (tmp_path / ".set.v2.12345678.building").mkdir()  # of another command, which still runs
    restore_folder(tmp_path / "set", (".set.importing", ".set.*.old"))
    assert (tmp_path / "set" / "file.txt").read_text() == old
    assert {path.name for path in tmp_path.iterdir()} == {"set", ".set.v2.12345678.building"}


def test_a_name_with_wildcards_is_a_name(tmp_path):
    (tmp_path / ".ab.12345678.building").mkdir()
    build(tmp_path / "a[b]", "x")
    build(tmp_path / "a*", "x")
    assert {path.name for path in tmp_path.iterdir()} == {".ab.12345678.building", "a[b]", "a*"}


def test_a_file_with_the_same_bytes_keeps_its_time_if_asked(tmp_path):
    path = tmp_path / "rows.csv"
    for content in (b"one", b"two"):
        with open_atomic(path) as file:
            file.write(content)
    os.utime(path, (1, 1))
    with open_atomic(path, keep_equal=True) as file:
        file.write(b"two")
    assert path.stat().st_mtime == 1
    with open_atomic(path, keep_equal=True) as file:
        file.write(b"three")
    assert path.read_bytes() == b"three"
    assert path.stat().st_mtime != 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_device_or_a_pipe_is_not_replaced(tmp_path):
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link):
        with pytest.raises(BtferError, match="a device or a pipe"), open_atomic(path) as file:
            file.write(b"x")
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert set(tmp_path.iterdir()) == {pipe, link}


def test_one_process_at_a_time_builds_a_folder(tmp_path):
    target = tmp_path / "set"
    with build_folder(target) as building:
        (building / "picture").write_text("first")
        with pytest.raises(BtferError, match="another command is writing it"), build_folder(target):
            pass
        assert restore_folder(target) == []  # what somebody is building is left alone
    assert (target / "picture").read_text() == "first"
    assert os.listdir(tmp_path) == ["set"]
