"""Forecasting networks, trained as populations: P members of one kind stacked on a leading axis.

Shapes used everywhere: P members, B windows, N patches, F input columns, H hidden units (padded to the widest member),
O outputs, R rank of the head.
"""
