"""KD-GAT: intrusion detection on the CAN bus with distilled graph neural networks."""

__version__ = "0.1.0"
