"""``antipaxos doctor``: what works on this machine, found out by doing it, and what would change what does not.

``trial`` runs one attempt in a child process, bounded in time; ``attempts`` are the attempts; ``diagnosis`` asks a real
place ``local`` which faults it can do and puts both together; ``screen`` shows it.
"""
