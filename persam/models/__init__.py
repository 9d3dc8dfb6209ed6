"""Which network: one adapter a model family behind one protocol (`base.Backbone`)."""
