"""The seven classes, their order, and their synonyms."""

from typing import Literal, get_args

from btfer_builder.errors import BtferError

Emotion = Literal["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]

#: In alphabetical order everywhere, as in the folders of BTFER (§2, Table 1).
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
    """Return the class that a label, folder name or column value denotes; case is ignored.

    Raises
    ------
    BtferError
        If the word is neither one of the seven classes nor a known synonym.
    """
    try:
        return _SYNONYMS[word.strip().casefold()]
    except KeyError:
        raise BtferError(f"{word!r} is not an emotion; expected one of {', '.join(EMOTIONS)}") from None
