"""`kdgat track sync`: see `kdgat.tracking.sync`."""

from kdgat.front_door import start

if __name__ == "__main__":
    start("track")
