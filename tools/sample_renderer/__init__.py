"""The ray tracer that draws the pictures of `persam/samples`."""
