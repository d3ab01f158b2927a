"""`kdgat synthetic write|fidelity|coverage`: see `kdgat.synthetic.commands`."""

from kdgat.front_door import start

if __name__ == "__main__":
    start("synthetic")
