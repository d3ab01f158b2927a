"""What the documents say about numbers in words."""
