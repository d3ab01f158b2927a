"""What a sentence asserts about numbers, and whether a release bears it out."""
