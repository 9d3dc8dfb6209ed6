"""How many photos go through: prefetched, encoded in batches, written behind."""
