"""Which candidates to make, which of them form the Pareto front, and which one is chosen."""
