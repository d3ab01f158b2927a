"""What is checked of releases and of the documents made from them."""
