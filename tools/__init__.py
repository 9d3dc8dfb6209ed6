"""What those who install the package never need."""
