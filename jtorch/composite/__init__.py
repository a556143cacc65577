"""Operators written in Tensor terms: several recorded ops, or a result whose shape depends on the data."""
