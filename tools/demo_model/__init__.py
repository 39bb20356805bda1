"""Recipe of the demo model: prepare the text, train, export, evaluate."""
