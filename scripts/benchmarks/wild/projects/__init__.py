"""One module per project, named like it; each declares PROJECT. Files that a project needs lie in a folder beside it."""
