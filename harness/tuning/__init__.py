"""``antipaxos tune``: which failure detector, with which settings, for the network at hand.

Arrivals of heartbeats are recorded (``recorder``), read or made up (``trace``), every detector is replayed over the
same arrivals with one setting swept (``quality``), and the result is a frontier of detection time against mistakes, in
words (``advice``, ``screen``) and drawn (``page``). The measures are those of Chen, Toueg and Aguilera, *On the Quality
of Service of Failure Detectors* (IEEE Transactions on Computers, 2002).
"""
