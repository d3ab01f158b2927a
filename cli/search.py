"""`kdgat search`."""

from __future__ import annotations

from cyclopts import App

search = App(name="search", help="Look at a search for configurations, or make its best trial a preset.")


@search.command
def show(study: str, /, *, json: bool = False) -> int:
    """List trials of a study and the importance of each parameter.

    Args:
        study: name of the study.
        json: print them as JSON.
    """
    from kdgat import search

    return search.show(study, as_json=json)


@search.command
def preset(study: str, name: str, /, *, base: str = "demo") -> int:
    """Turn the best trial of a study into a preset.

    Args:
        study: name of the study.
        name: name of the preset.
        base: preset that the search started from.
    """
    from kdgat import search

    return search.make_preset(study, name, base)
