"""The seven classes, their order, and their synonyms."""

from typing import Literal, get_args

from btfer_builder.errors import BtferError

Emotion = Literal["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]

#: In alphabetical order everywhere, as in the folders of BTFER (§2, Table 1).
EMOTIONS: tuple[Emotion, ...] = get_args(Emotion)

SplitName = Literal["train", "val", "test"]

#: In the order in which tables and files list them.
SPLITS: tuple[SplitName, ...] = get_args(SplitName)

_SYNONYMS: dict[str, Emotion] = {
    "anger": "angry",
    "mad": "angry",
    "disgusted": "disgust",
    "afraid": "fear",
    "fearful": "fear",
    "scared": "fear",
    "happiness": "happy",
    "joy": "happy",
    "calm": "neutral",
    "serious": "neutral",
    "sadness": "sad",
    "surprised": "surprise",
    **{emotion: emotion for emotion in EMOTIONS},
}

#: Classes of other data sets that are none of the seven, in lower case, as AffectNet and FER+ name them.
_OTHER_CLASSES = frozenset(
    {"contempt", "contemptuous", "none", "uncertain", "non-face", "no-face", "unknown", "nf"}
)

#: All words for the classes, in lower case.
EMOTION_WORDS: tuple[str, ...] = tuple(_SYNONYMS)

_SPLIT_SYNONYMS: dict[str, SplitName] = {
    "training": "train",
    "train_set": "train",
    "valid": "val",
    "validation": "val",
    "val_set": "val",
    "dev": "val",
    "testing": "test",
    "test_set": "test",
    "publictest": "val",
    "privatetest": "test",
    **{split: split for split in SPLITS},
}


def parse_emotion(word: str) -> Emotion:
    """Return the class that a label, folder name or column value denotes; case is ignored.

    Raises
    ------
    BtferError
        If the word is neither one of the seven classes nor a known synonym.
    """
    emotion = emotion_of(word)
    if emotion is None:
        raise BtferError(f"{word!r} is not one of the seven emotions; expected {', '.join(EMOTIONS)}")
    return emotion


def emotion_of(word: str) -> Emotion | None:
    """Return the class that a word denotes, or None; case is ignored."""
    return _SYNONYMS.get(word.strip().casefold())


def is_other_class(word: str) -> bool:
    """Return whether a word is known as a class other than the seven; case is ignored."""
    return word.strip().casefold() in _OTHER_CLASSES


def parse_split(word: str) -> SplitName | None:
    """Return the split that a folder name means, or None; case is ignored."""
    return _SPLIT_SYNONYMS.get(word.strip().casefold())
