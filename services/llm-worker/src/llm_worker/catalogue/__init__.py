"""What is for sale: imported from a file, searched by a question's words, quoted in answers."""
