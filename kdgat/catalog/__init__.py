"""The datasets: what they consist of, where they lie, how they are downloaded."""
