"""What needs several stages: scores, parity, firmware of a candidate, and the choice among candidates."""
