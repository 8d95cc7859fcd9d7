"""What a question's words say, without a model: reduced, and recognised by concept."""
