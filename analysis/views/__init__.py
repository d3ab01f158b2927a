"""Views over runs and releases for day-to-day work: where tables come from, and what is drawn of them."""
