"""persam inside the tools that people label in; each file needs its tool's own package."""
