"""A command that is killed at any step by which it changes the disk loses nothing and leaves nothing behind."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import pytest

from tests.reliability.chain import Chain, check_gone, check_owners, outcome, photographs
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
    with photographs(folder / "web") as url:
        shutil.copyfile(folder / "web" / "eileen.jpg", folder / "asked.jpg")
        yield Chain(folder / "set", url)


@pytest.fixture(scope="module")
def saved(chain) -> dict[str, Path]:
    """Return a copy of the whole set before each stage, and at the end, of a run that nothing disturbs."""
    copies: dict[str, Path] = {}

    def keep(name: str) -> None:
        copies[name] = chain.root.with_name(f"before {name}")
        shutil.copytree(chain.root, copies[name], symlinks=True)

    chain.make()  # this process imports what the others need
    for stage in STAGES:
        for step in BEFORE.get(stage, ()):
            getattr(chain, step)()
        keep(stage)
        command(chain, stage)()
    keep("the end")
    return copies


def command(chain: Chain, stage: str) -> Callable[[], None]:
    return getattr(chain, stage.partition(" ")[0])


def put_back(chain: Chain, copy: Path) -> None:
    shutil.rmtree(chain.root)
    shutil.copytree(copy, chain.root, symlinks=True)


def kinds(steps: list[str]) -> dict[str, list[int]]:
    """Group the numbers of steps by what they do to which kind of file; those in a temporary folder are one kind."""
    found: dict[str, list[int]] = {}
    for number, step in enumerate(steps):
        name = re.sub(r"(\.(?:building|photos\.\w+))/.*", r"\1/*", step)
        name = re.sub(r"[0-9a-f]{16,}|(?<=\.)[a-z0-9_]{8}(?=\.|$|/)|/[0-9a-f]{2}(?=/)", "*", name)
        found.setdefault(name, []).append(number)
    return found


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

    tried = sorted({number for numbers in kinds(steps).values() for number in (numbers[0], numbers[-1])})
    assert len(tried) > 3, steps
    for number in tried:
        put_back(chain, saved[stage])
        kill_before(number, run)
        killed = chain.root.with_name("killed")
        shutil.copytree(chain.root, killed, symlinks=True)
        try:
            run_forked(check_rerun)
            put_back(chain, killed)
            run_forked(check_takedown)
        except AssertionError:
            raise AssertionError(f"killed before step {number}, {steps[number]}") from None
        finally:
            shutil.rmtree(killed)
