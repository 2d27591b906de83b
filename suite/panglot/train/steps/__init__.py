"""The steps: batches, the loss, and the Trainer that takes them."""
