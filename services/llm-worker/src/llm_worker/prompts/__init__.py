"""What the model is shown: the instruction, the catalogue, the conversation and the question."""
