"""Errors of the package in the words of Python: they name commands and options, a notebook has functions."""

import re

#: Commands whose function has another name; of all others, `-` is `_`.
_FUNCTIONS = {
    "dataset import": "import_dataset",
    "dedupe --faces": "dedupe_faces",
    "diff": "diff_releases",
    "eval": "evaluate",
    "hashes": "hash_images",
    "init": "create_workspace",
    "networks": "list_networks",
    "rebuild": "rebuild_release",
    "status": "funnel",
}

#: The value of an option: in quotes, a list, or a word with a digit or a capital letter; also rounds and formats.
_VALUE = r"'[^']*'|(?:images|faces|tflite|onnx|logits)\b|(?=[^\s;:()]*[A-Z\d,])[\w,./-]*\w"
_OPTION = re.compile(rf"(?<![\w/.-])(?<!install )--([a-z][a-z-]*)(?:[ =]({_VALUE}))?")
_COMMAND = re.compile(
    rf"(?<![\w/.-])(?P<tick>`?)btfer (?P<name>{'|'.join(_FUNCTIONS)}|catalog [a-z]+|[a-z]+(?:-[a-z]+)*)(?P=tick)"
    r"(?: (?P<target>/\S+|[A-Z]{3,}\b|[0-9a-f]{16,}\b))?"
    rf"(?P<options>(?: {re.sub('[(](?![?])', '(?:', _OPTION.pattern)})*)"
)

_NUMBER = re.compile(r"-?\d+(\.\d+)?")

#: The option whose value names something: `--column url=NAME` is `column={'url': NAME}`.
_COLUMN = re.compile(r"(?<![\w/.-])--column ([a-z_]+)=(\w+)")

#: Commands without a function (a catalog is not replaced under an open one), and words that are no commands.
_NO_FUNCTIONS = re.compile("catalog .*|can|has|is")
#: Options that no function has.
_ONLY_OPTIONS = re.compile("--(example|help)")


def in_python(message: str) -> str:
    """Return a message with functions and arguments in place of commands and options.

    Examples
    --------
    >>> in_python("draw others: btfer sample --license cc0,by; or release addresses: --urls-only")
    "draw others: sample(license=['cc0', 'by']); or release addresses: urls_only"
    """
    message = _COLUMN.sub(
        lambda each: f"column={{{each[1]!r}: {each[2] if each[2].isupper() else repr(each[2])}}}", message
    )
    parts, end = [], 0
    for match in _COMMAND.finditer(message):
        parts += [_OPTION.sub(_argument, message[end : match.start()]), _call(match)]
        end = match.end()
    return "".join([*parts, _OPTION.sub(_argument, message[end:])])


def _call(match: re.Match[str]) -> str:
    """Return a command as a call: `btfer sample --redraw` as `sample(redraw=True)`."""
    name, target = match["name"], match["target"]
    if _NO_FUNCTIONS.fullmatch(name) or _ONLY_OPTIONS.search(match["options"]):
        return match[0]
    arguments = [target if target.isupper() else repr(target)] if target else []
    arguments += [_argument(option, flag="=True") for option in _OPTION.finditer(match["options"])]
    call = f"{_FUNCTIONS.get(name, name.replace('-', '_'))}({', '.join(arguments)})"
    return f"{call}.save(folder)" if name == "eval" else call


def _argument(match: re.Match[str], flag: str = "") -> str:
    """Return an option as an argument: `--port 0` as `port=0`; without a value its name."""
    name, value = match[1].replace("-", "_"), match[2]
    if value is None:
        return name + flag
    if "," in value and name != "scale":  # which is a word with a comma in it
        parts = value.split(",")
        return f"{name}=[{', '.join(parts if _NUMBER.fullmatch(parts[0]) else map(repr, parts))}]"
    plain = value[0] == "'" or re.fullmatch("[A-Z]+", value) or _NUMBER.fullmatch(value)
    return f"{name}={value if plain else repr(value)}"
