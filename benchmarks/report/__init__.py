"""What is made of the figures: the page of the documentation and its pictures."""
