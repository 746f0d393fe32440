"""Which candidates to make."""
