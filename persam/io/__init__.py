"""How pixels and files come in and go out."""
