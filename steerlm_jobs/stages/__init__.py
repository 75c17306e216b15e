"""One recipe per stage kind, read top to bottom; they never import each other."""
