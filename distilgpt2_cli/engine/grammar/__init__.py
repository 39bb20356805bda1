"""What holds generated texts to a form: GBNF grammars and JSON schemas."""
