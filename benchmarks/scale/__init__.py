"""How time and memory grow with rows, classes, their product and the width of vectors."""
