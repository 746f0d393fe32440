"""The twin's operators, one function each: a Call -> the values of its outputs, [B, *shape]."""
