"""What a node keeps on its disk: the write-ahead log over a small disk interface."""
