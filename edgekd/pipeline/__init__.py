"""What joins the stages. START HERE: `stages.compress` takes a table all the way to firmware and a report.

Nothing is imported here: the device side (`codegen`, `device`) works where no framework for training is installed.
"""
