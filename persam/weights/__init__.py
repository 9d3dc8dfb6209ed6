"""The weights that come with the package; see ``pocket.md`` beside them."""
