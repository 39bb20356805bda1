"""What looks at whole texts: logits, hidden states, scores, perplexities."""
