"""What a worker that is ended leaves behind: no lock, and so no warning of Python's."""

import subprocess
import sys

from btfer_builder.workspace import create_workspace

MODULE = """
import multiprocessing, time

def work(items):
    lock = multiprocessing.RLock()  # as tqdm and Keras make
    print("ready", flush=True)
    while True:
        try:
            time.sleep(60)
        except SystemExit:  # as native code, which no exception ends
            pass
"""
PROGRAM = """
import sys
from btfer_builder.__main__ import run
import btfer_builder.catalog.funnel as funnel
from btfer_builder.parallel import Runner, local
from stuck import work
local.GRACE = 0.2
funnel.funnel = lambda *_: list(Runner(1, 1).map(work, [1, 2]))
sys.argv = ["btfer", "status", "-w", sys.argv[1]]
run()
"""


def test_a_worker_that_has_to_be_killed_leaves_no_lock(tmp_path):
    workspace = create_workspace(tmp_path / "faces")
    (tmp_path / "stuck.py").write_text(MODULE)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(workspace.root)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors.split()) == (143, ["Aborted!"])
