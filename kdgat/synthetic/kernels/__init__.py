"""Compiled parts of the traffic generator: payloads frame by frame, and arbitration on the wire."""
