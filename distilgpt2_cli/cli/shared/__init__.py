"""What commands share: options, the choice of a model, texts, records."""
