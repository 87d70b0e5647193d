"""Options made from settings, and options under their old names."""

import json

import click
import pytest
from click.testing import CliRunner

from btfer_builder.cli.main import main
from btfer_builder.cli.options import apply_cli_options, common_options, recipe_options, renamed_option
from btfer_builder.config import CrawlRecipe, SampleRecipe, TrainRecipe
from btfer_builder.config.renamed import OPTIONS, SETTINGS, VALUES
from btfer_builder.workspace import create_workspace
from tests.cli.test_cli import every_command


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


OLD_FLAGS = OPTIONS | {flag(old): flag(new) for names in SETTINGS.values() for old, new in names.items()}
OLD_FLAGS |= {flag(old): flag(new) for names in VALUES.values() for old, (new, _) in names.items()}

#: Options that had the name of a renamed one from the start.
NEVER_RENAMED = {"dataset audit": {"--model"}}


def options_of(command: click.Command, *, hidden: bool) -> set[str]:
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    return {name for option in options if option.hidden is hidden for name in option.opts}


@click.command()
@renamed_option("--reason", default="", help="Why.")
@recipe_options(CrawlRecipe)
@recipe_options(TrainRecipe, "lr_patience", "lr_factor")
@common_options
def echo(directory, as_json, reason, **options):
    """Print the settings that result from the options."""
    crawl, train = apply_cli_options(CrawlRecipe(), options), apply_cli_options(TrainRecipe(), options)
    given = [crawl.timeout, crawl.concurrent_searches, train.lr_patience, train.lr_factor]
    click.echo(json.dumps([reason, *given]))


def run(*arguments: str) -> tuple[list, list[str]]:
    result = CliRunner().invoke(echo, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout), result.stderr.splitlines()


def test_an_old_option_sets_the_new_one_and_says_so_in_one_line():
    old = (
        "--why",
        "asked",
        "--deadline=7",
        "--searches",
        "3",
        "--plateau-patience",
        "4",
        "--plateau-factor",
        "0.3",
    )
    new = (
        "--reason",
        "asked",
        "--timeout=7",
        "--concurrent-searches",
        "3",
        "--lr-patience",
        "4",
        "--lr-factor",
        "0.3",
    )
    values, lines = run(*old)
    assert (values, []) == run(*new) == (["asked", 7.0, 3, 4, 0.3], [])
    assert sorted(lines) == [
        "--deadline is now --timeout",
        "--plateau-factor is now --lr-factor",
        "--plateau-patience is now --lr-patience",
        "--searches is now --concurrent-searches",
        "--why is now --reason",
    ]


@pytest.mark.parametrize("order", [1, -1])
def test_the_new_option_takes_precedence_over_the_old_one(order):
    words = [("--deadline", "7"), ("--timeout", "8")][::order]
    assert run(*words[0], *words[1])[0][1] == 8.0


def test_a_value_out_of_range_names_the_new_option():
    result = CliRunner().invoke(echo, ["--deadline", "-1"])
    assert result.exit_code == 2
    assert "--timeout: Expected" in result.stderr


def test_every_command_with_a_renamed_option_accepts_the_old_one_hidden():
    for name, command in every_command(main).items():
        shown, hidden = options_of(command, hidden=False), options_of(command, hidden=True)
        assert {OLD_FLAGS[old] for old in hidden} == shown & set(OLD_FLAGS.values()) - NEVER_RENAMED.get(
            name, set()
        )
        help_text = CliRunner().invoke(main, [*name.split(), "--help"]).output
        assert not [old for old in hidden if f"{old} " in help_text], name


@pytest.mark.parametrize(
    ("arguments", "precision", "said"),
    [
        ([], "float32", ""),
        (["--mixed-precision"], "mixed", "--mixed-precision is now --precision mixed\n"),
        (["--no-mixed-precision"], "float32", "--mixed-precision is now --precision float32\n"),
        (
            ["--mixed-precision", "--precision", "auto"],
            "auto",
            "--mixed-precision is now --precision mixed\n",
        ),
    ],
)
def test_a_flag_that_is_a_word_now_is_accepted(arguments, precision, said):
    @click.command()
    @recipe_options(TrainRecipe, "precision")
    @common_options
    def show(directory, as_json, **options):
        click.echo(apply_cli_options(TrainRecipe(), options).precision)

    result = CliRunner().invoke(show, arguments, catch_exceptions=False)
    assert (result.stdout, result.stderr) == (f"{precision}\n", said)


def test_every_old_option_is_accepted_by_some_command():
    accepted = set().union(*(options_of(command, hidden=True) for command in every_command(main).values()))
    assert accepted == OLD_FLAGS.keys()


@pytest.mark.parametrize(
    ("arguments", "licenses"),
    [
        ([], ["by"]),
        (["--license", "cc0,pdm"], ["cc0", "pdm"]),
        (["--license", "cc0", "--license", "pdm, by-sa"], ["cc0", "pdm", "by-sa"]),
        (["--license", ""], []),
    ],
)
def test_a_list_of_words_is_given_with_commas_or_several_times(arguments, licenses):
    @click.command()
    @recipe_options(CrawlRecipe, "license")
    @common_options
    def echo_licenses(directory, as_json, **options):
        """Print the licences that result from the options."""
        click.echo(json.dumps(apply_cli_options(CrawlRecipe(license=("by",)), options).license))

    result = CliRunner().invoke(echo_licenses, arguments, catch_exceptions=False)
    assert json.loads(result.stdout) == licenses


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["queries", "--language", ""], "--language: name at least one; choose from en, es, fr, pt"),
        (["crawl", "--plan", "--language", " "], "--language: name at least one; choose from en, es, fr, pt"),
        (["build", "--plan", "--language", ""], "--language: name at least one; choose from en, es, fr, pt"),
        (["queries", "--language", "en,"], "'--language': en,: a value is missing before or after a comma"),
        (["queries", "--emotion", ""], "'' is not one of 'angry', 'disgust'"),
        (["crawl", "--plan", "--engine", ""], "'' is not one of 'baidu', 'bing'"),
        (["eval", "m:f", "--labels", ""], "--labels: name at least one"),
        (["eval", "m:f", "--mean", "0.1,"], "0.1,: a value is missing before or after a comma"),
        (["review", "--reviewers", "ana,,bo"], "ana,,bo: a value is missing before or after a comma"),
        (["sample", "--splits", "train"], "train: expected NAME=N"),
    ],
)
def test_an_empty_list_is_refused_where_a_value_is_needed(tmp_path, arguments, said):
    create_workspace(tmp_path)
    result = CliRunner().invoke(main, [*arguments, "-w", str(tmp_path)], catch_exceptions=False)
    assert (result.exit_code, said in result.stderr) == (2, True), result.output


def test_no_splits_can_be_asked_for():
    @click.command()
    @recipe_options(SampleRecipe, "splits")
    @common_options
    def echo_splits(directory, as_json, **options):
        """Print the splits that result from the options."""
        click.echo(json.dumps(apply_cli_options(SampleRecipe(splits={"test": 5}), options).splits))

    assert CliRunner().invoke(echo_splits, ["--splits", ""]).stdout == "{}\n"
    assert CliRunner().invoke(echo_splits, []).stdout == '{"test": 5}\n'


def test_an_empty_training_set_is_not_the_list_of_all(tmp_path):
    create_workspace(tmp_path)
    result = CliRunner().invoke(main, ["leakage", "--remove", "", "-w", str(tmp_path)])
    assert (result.exit_code, "of the training sets that were searched have this name" in result.stderr) == (
        1,
        True,
    )
