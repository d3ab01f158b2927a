"""Static figures: drawn from named queries, deterministic, for the PDF and for readers without JavaScript."""
