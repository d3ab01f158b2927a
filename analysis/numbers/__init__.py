"""Every number that a document shows, by key, from a release."""

from analysis.numbers.number import KeyUnknown, Maker, Makers, Number
from analysis.numbers.values import Numbers

__all__ = ["KeyUnknown", "Maker", "Makers", "Number", "Numbers"]
