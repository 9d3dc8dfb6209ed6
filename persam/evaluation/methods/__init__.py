"""What came after PerSAM, on frozen backbones: each method in a file, checked on worked examples.

All of them compare patches of the backbone's matching features, so that they run with any model:
the pocket model's own, SAM's, or DINOv2's and DINOv3's where ``--match-with`` names one.
"""
