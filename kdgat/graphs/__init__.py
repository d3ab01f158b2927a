"""Windows of frames as graphs: features, stores, splits."""
