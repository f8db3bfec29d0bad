"""What lets other libraries run their work on our workers, one package for each of them."""
