"""Finding ink that may be a digit: light, ink, ruled lines, pieces, joins and splits, rows."""
