"""What runs a model's networks: torch, or a program that they are converted for.

An engine stands in the place of the image encoder, normalised pixels in and the maps that an
embedding is made of out, and, where it is not torch, of the decoder. What was measured of the
engines, and how, is in ``benchmarks/engines.md``.
"""
