"""What every flow needs: its steps' errors, the code it ran, its cards, how far it is."""
