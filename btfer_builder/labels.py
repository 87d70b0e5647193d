"""The seven classes, their one order, and the words other people use for them."""

from typing import Literal, get_args

from btfer_builder.errors import BtferError

Emotion = Literal["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]

#: Always in this (alphabetical) order, as in FER2013, RAF-DB and BTFER's own folders (§2, Table 1).
EMOTIONS: tuple[Emotion, ...] = get_args(Emotion)

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


def parse_emotion(word: str) -> Emotion:
    """Return the class a label, folder name or column value means, whatever its case.

    Raises
    ------
    BtferError
        If the word is none of the seven classes nor a known synonym.
    """
    try:
        return _SYNONYMS[word.strip().casefold()]
    except KeyError:
        raise BtferError(f"{word!r} is no emotion; expected one of {', '.join(EMOTIONS)}") from None
