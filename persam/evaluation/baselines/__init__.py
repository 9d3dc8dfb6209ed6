"""What PerSAM-F is compared with: other small things to fit to the reference, the model frozen.

Places, ranks and rates are not known from the paper; they are named arguments here.
"""
