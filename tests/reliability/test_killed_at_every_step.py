"""A command that is killed at any step by which it changes the disk loses nothing and leaves nothing behind."""

import gc
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import cv2
import pytest

from btfer_builder.labels import EMOTIONS
from tests.reliability.chain import Chain, check_gone, check_owners, outcome, photographs, write_groups_once
from tests.reliability.kill import kill_before, run_forked, steps_of

#: The commands in their order; after each, what it is followed by before the next one.
STAGES = ("crawl", "dedupe", "crop", "sample", "release", "rebuild", "take_down", "dedupe again")
BEFORE = {
    "sample": ["review"], "rebuild": ["release_urls"], "take_down": ["surround"], "dedupe again": ["find_again"],
}  # fmt: skip


@pytest.fixture(scope="module")
def chain(tmp_path_factory) -> Iterator[Chain]:
    folder = tmp_path_factory.mktemp("chain")
    cv2.setNumThreads(0)  # a forked process has no threads of its parent
    with (
        photographs(folder / "web") as port,
        patch("btfer_builder.release.stage.write_groups", write_groups_once),
    ):
        shutil.copyfile(folder / "web" / "eileen.jpg", folder / "asked.jpg")
        yield Chain(folder / "set", port)


@pytest.fixture(scope="module")
def saved(chain) -> Iterator[dict[str, Path]]:
    """Return a copy of the whole set before each stage, and at the end, of a run that nothing disturbs."""
    copies: dict[str, Path] = {}

    def keep(name: str) -> None:
        copies[name] = chain.root.with_name(f"before {name}")
        shutil.copytree(chain.root, copies[name], symlinks=True)

    chain.make()  # this process imports what the others need
    gc.disable()  # a collection in a forked process copies all of its memory
    for stage in STAGES:
        for step in BEFORE.get(stage, ()):
            getattr(chain, step)()
        keep(stage)
        command(chain, stage)()
    keep("the end")
    gc.freeze()
    yield copies
    gc.unfreeze()
    gc.enable()


def command(chain: Chain, stage: str) -> Callable[[], None]:
    return getattr(chain, stage.partition(" ")[0])


def put_back(chain: Chain, copy: Path) -> None:
    shutil.rmtree(chain.root)
    shutil.copytree(copy, chain.root, symlinks=True)


#: What is not distinguished: ids and random names, the views, the two releases, files within one temporary folder.
_SAME = (
    (r"(\.(?:building|photos\.\w+))/.*", r"\1/*"),
    (r"[0-9a-f]{16,}|(?<=\.)[a-z0-9_]{8}(?=\.|$|/)|/[0-9a-f]{2}(?=/|$)", "*"),
    (r"(manifests/\.?)[a-z_]+\.csv", r"\1*.csv"),
    (rf"/(?:{'|'.join(EMOTIONS)})\b", "/class"),
    (r"/set/\.?(?:out|urls)\b", "/set/release"),
)


def kinds(steps: list[str]) -> list[list[int]]:
    """Return the numbers of steps that do the same to the same kind of file.

    A folder that is deleted whole shows as steps without a folder: those of one folder are one kind.
    """
    found: dict[str, list[int]] = {}
    before = ""
    for number, step in enumerate(steps):
        for pattern, name in _SAME:
            step = re.sub(pattern, name, step)  # noqa: PLW2901 - one pattern after the other
        if "/" in step:
            before = step
        elif step != "COMMIT":
            step = f"{step.split()[0]} within a folder, after {before}"  # noqa: PLW2901
        found.setdefault(step, []).append(number)
    return list(found.values())


@pytest.mark.parametrize("stage", STAGES)
def test_killed_at_every_step(chain, saved, stage):
    run = command(chain, stage)
    put_back(chain, saved[stage])
    steps = steps_of(run)
    expected: dict[str, object] = outcome(chain.root)

    def check_rerun() -> None:
        run()
        check_owners(chain.root)
        found = outcome(chain.root)
        assert found.keys() == expected.keys()
        assert [name for name in found if found[name] != expected[name]] == []

    def check_takedown() -> None:
        chain.take_down()
        check_owners(chain.root)
        check_gone(chain)

    def check_finished_takedown() -> None:
        check_rerun()
        check_gone(chain)

    found = kinds(steps)
    assert len(found) > 3, steps
    first = {numbers[0] for numbers in found}
    # What is there at a step differs by what was committed and renamed before it.
    last = {numbers[-1] for numbers in found if steps[numbers[0]].startswith(("COMMIT", "os.rename"))}
    if stage == "take_down":
        tries = [(check_finished_takedown, number) for number in sorted(first)]
    else:
        tries = [(check_rerun, number) for number in sorted(first | last)]
        tries += [(check_takedown, number) for number in sorted(first)]
    for check, number in tries:
        put_back(chain, saved[stage])
        kill_before(number, run)
        try:
            run_forked(check)
        except AssertionError:
            raise AssertionError(f"killed before step {number}, {steps[number]}") from None
