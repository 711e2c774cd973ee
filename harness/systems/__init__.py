"""What is under test: how its nodes are started, how clients talk to it, how its logs are read afterwards."""
