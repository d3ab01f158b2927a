"""`python -m kdgat COMMAND …`: see `cli`."""

from kdgat.front_door import start

if __name__ == "__main__":
    start()
