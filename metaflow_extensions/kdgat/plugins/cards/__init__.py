"""Cards that are drawn once, when their task is over: Metaflow's own `blank` takes a second process to keep them moving."""

from metaflow.plugins.cards.card_modules.basic import BlankCard


class Still(BlankCard):
    """Shows what a step appends to `current.card`, as `blank` does."""

    type = "still"
    RUNTIME_UPDATABLE = False


CARDS = [Still]
