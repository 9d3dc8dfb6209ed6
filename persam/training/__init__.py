"""How the project's own weights are made: pictures -> scenes -> prompts -> losses."""
