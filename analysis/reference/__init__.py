"""What holds for every release: named queries, published results, labels, how values are written."""

from pathlib import Path

_HERE = Path(__file__).parent
QUERIES, PUBLISHED, PALETTE, LINKS, EQUATIONS = (
    _HERE / name for name in ("queries.sql", "published.json", "palette.json", "links.toml", "equations.toml")
)
