"""The result of an item whose worker died; a module of its own so that all runners can import it."""


class Crashed:
    """The result of an item that killed its worker."""


CRASHED = Crashed()
