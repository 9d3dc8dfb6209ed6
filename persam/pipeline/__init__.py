"""How one picture is segmented: a file a stage, in data order."""
