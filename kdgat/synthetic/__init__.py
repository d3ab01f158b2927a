"""Synthetic CAN traffic: a bus to run on without captures, attacks, and virtual vehicles to train on."""
