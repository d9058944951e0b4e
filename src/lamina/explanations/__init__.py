"""Explanations: which parts of an input made the answer what it is."""
