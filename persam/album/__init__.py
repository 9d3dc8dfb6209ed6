"""How many photos go through: read ahead, encoded in batches, written behind."""
