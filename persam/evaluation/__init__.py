"""How good a method is: data sets, metrics, and the loop that brings them together."""
