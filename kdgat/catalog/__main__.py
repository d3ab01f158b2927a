"""`kdgat catalog [fetch NAME]`: see `kdgat.catalog.listing`."""

from kdgat.front_door import start

if __name__ == "__main__":
    start("catalog")
