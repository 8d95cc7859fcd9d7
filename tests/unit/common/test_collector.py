"""What the start has made is not looked at again."""

import gc

from posta.collector import settle


def test_what_lives_at_the_end_of_the_start_is_collected_no_more():
    threshold = gc.get_threshold()
    try:
        gc.set_threshold(700)
        settle()
        assert gc.get_freeze_count() > 1000
        assert gc.get_threshold()[0] > 700
    finally:
        gc.unfreeze()
        gc.set_threshold(*threshold)
