"""The examples in the docstrings of the public API run, all on one small workspace."""

import doctest
import inspect

import numpy as np
import pytest

import btfer_builder as bt
from docs.make_api import documented
from tests.api.conftest import always_happy

pytestmark = pytest.mark.xdist_group("api")

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

EXAMPLES = {name: text for name, item in documented() if ">>>" in (text := inspect.getdoc(item) or "")}


@pytest.fixture(scope="package")
def names(ws, released):
    """What the examples use without saying where it comes from."""
    faces = ws.load_faces()
    answers = iter(np.eye(7)[[bt.EMOTIONS.index(face.emotion) for face in faces]])
    report = bt.evaluate(always_happy, faces)
    other = bt.evaluate(lambda batch: np.stack([next(answers) for _ in batch]), faces, name="perfect")
    comparison = bt.compare([report, other])
    return {
        "ws": ws, "report": report, "other": other, "comparison": comparison, "always_happy": always_happy,
    }  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_run(name, names, here):
    example = doctest.DocTestParser().get_doctest(EXAMPLES[name], dict(names), name, None, None)
    lines: list[str] = []
    result = doctest.DocTestRunner(optionflags=FLAGS).run(example, out=lines.append)
    assert result.failed == 0, "".join(lines)


def test_most_functions_have_an_example_that_runs():
    functions = [name for name, item in documented() if inspect.isfunction(item)]
    run = [name for name in functions if name in EXAMPLES and "+SKIP" not in EXAMPLES[name]]
    assert len(run) > len(functions) / 2
