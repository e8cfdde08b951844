import os

import pytest

from rlcore.errors import ConfigError
from rlcore.trajectories.memory import available_bytes, check_memory


def test_available_memory_is_below_that_of_the_machine():
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 2**20 < available_bytes() <= total


def test_what_fits_passes_and_what_does_not_is_named():
    check_memory(2**20, "things")
    with pytest.raises(ConfigError, match=r"3 things take 4,611,686,018,427,387,904 bytes, but only [0-9,]+ bytes"):
        check_memory(2**62, "3 things")
