"""The lazy trace. Knows arrays, operators and values; knows no torch name, no Tensor, no nn."""
