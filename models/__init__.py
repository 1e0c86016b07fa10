"""The weights, their cards, and the commands that prepare data, train, evaluate, export and write the card."""
