"""What a program sees that the clock library was loaded into."""
