"""One start of a node that may have forgotten: which answers count for it."""

from node.paxos.ballot import Ballot
from node.paxos.config import Config
from node.paxos.membership import founding
from node.paxos.messages import LifeNoted, Welcome
from node.paxos.records import Life, Noted, Promised, Remembered, replay
from node.paxos.recovery import Recovery

CONFIG = Config(me=1, members=(1, 2, 3), amnesia_safe=1)
STARTED_AT = 1_000
BALLOT = Ballot(3, 2)


def remembered() -> Remembered:
    """Return a memory that is not blank, and did not end with a clean stop."""
    return replay([Promised(Ballot(1, 1)), Noted(2, 1, 7)])


def test_a_life_that_begins_anew_counts_no_word_for_its_old_number() -> None:
    """A leader has welcomed the old number, and its word comes when others have said that it must be another."""
    recovery = Recovery(CONFIG, founding(CONFIG), STARTED_AT, remembered())
    before = recovery.ask(STARTED_AT).nonce
    recovery.begin_anew(STARTED_AT)
    assert not recovery.on_welcome(Welcome(before, BALLOT, 0, ((1, 1, before),)))
    assert recovery.welcomed_in(0) is None
    after = recovery.ask(STARTED_AT).nonce
    assert after != before
    assert recovery.on_welcome(Welcome(after, BALLOT, 0, ((1, 2, after),)))
    assert recovery.welcomed_in(0) == BALLOT


def test_a_clean_life_that_begins_anew_waits_for_a_welcome() -> None:
    """It has forgotten a life, so that the others have noted it is not enough, and old notes are none."""
    memory = remembered()
    memory.stopped_cleanly = True
    recovery = Recovery(CONFIG, founding(CONFIG), STARTED_AT, memory)
    before = recovery.ask(STARTED_AT).nonce
    recovery.begin_anew(STARTED_AT)
    for peer in (2, 3):
        recovery.on_life_noted(peer, LifeNoted(before, blank=False))
        recovery.on_life_noted(peer, LifeNoted(recovery.nonce, blank=False))
    assert not recovery.may_begin


def test_a_clean_life_begins_once_a_majority_of_the_others_has_noted_it() -> None:
    memory = remembered()
    memory.stopped_cleanly = True
    recovery = Recovery(CONFIG, founding(CONFIG), STARTED_AT, memory)
    began = []
    for peer in (2, 3):
        recovery.on_life_noted(peer, LifeNoted(STARTED_AT, blank=False))
        began.append(recovery.may_begin)
    assert began == [False, True]
    assert memory.lives == {2: Life(1, 7)}
