"""Workspaces: found, made, and held by one command a stage at a time."""

import subprocess
import sys

import pytest

from btfer_builder.errors import BtferError
from btfer_builder.workspace import create_workspace, open_workspace

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
