"""The five services. Each is a house of the same rooms; none imports another."""
