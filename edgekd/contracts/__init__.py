"""What all stages share: configuration, boards, candidates, errors. Frozen values, light imports."""
