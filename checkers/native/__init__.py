"""The search in C, and how its library is found."""
