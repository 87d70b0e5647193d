"""What all ways of running have in common: the mark of an item whose worker died."""


class Crashed:
    """Takes the place of a result when working on the item killed its worker."""


CRASHED = Crashed()
