"""A realistic drop of any size, and beside it the answers that a right pipeline must give."""
