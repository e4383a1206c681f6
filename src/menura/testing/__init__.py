"""What tests of programs that use Menura need."""
