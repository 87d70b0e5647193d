"""Workspaces: found, made, and held by one command a stage at a time."""

import shlex
import subprocess
import sys

import pytest
from click.testing import CliRunner

from btfer_builder.cli.main import main
from btfer_builder.errors import BtferError
from btfer_builder.workspace import absolute, create_workspace, open_workspace

HOLD = """
import sys, time
from pathlib import Path
from btfer_builder.workspace import open_workspace
with open_workspace(Path(sys.argv[1])).stage("crop"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_one_named_comes_before_the_environment(tmp_path, monkeypatch):
    one, other = create_workspace(tmp_path / "one"), create_workspace(tmp_path / "other")
    monkeypatch.setenv("BTFER_WORKSPACE", str(other.root))
    assert open_workspace(None).root == other.root
    assert open_workspace(one.root).root == one.root


def test_a_stage_is_held_by_one_process_and_freed_by_its_death(tmp_path):
    workspace = create_workspace(tmp_path)
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    try:
        with pytest.raises(BtferError, match="another btfer crop"), workspace.stage("crop"):
            pass
        with workspace.stage("dedupe"):
            pass  # another stage is free
    finally:
        holder.kill()
        holder.wait()
    with workspace.stage("crop"):
        pass


@pytest.mark.parametrize("typed", ["../my faces", "../notes/../my faces", "sub/../../my faces"])
def test_init_prints_a_path_that_can_be_copied(tmp_path, monkeypatch, typed):
    (tmp_path / "notes" / "sub").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "notes")
    said = CliRunner().invoke(main, ["init", typed], catch_exceptions=False).stdout
    assert said.startswith(f"created workspace {tmp_path / 'my faces'}; ")
    assert "  btfer -w '../my faces' crawl\n" in said
    again = CliRunner().invoke(main, shlex.split("-w '../my faces' status --json"), catch_exceptions=False)
    assert again.exit_code == 0


def test_a_way_up_is_followed_beyond_a_link(tmp_path, monkeypatch):
    (tmp_path / "disk" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "deep")
    assert absolute(tmp_path / "link" / ".." / "faces") == tmp_path / "disk" / "faces"
    assert absolute(tmp_path / "link" / "faces") == tmp_path / "link" / "faces"
