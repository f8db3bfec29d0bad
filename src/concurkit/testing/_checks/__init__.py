"""The checks, a module for each group of laws."""

from . import contexts_and_tasks as contexts_and_tasks
from . import crashes as crashes
from . import failures as failures
from . import input_and_hangs as input_and_hangs
from . import leftovers as leftovers
from . import outcomes as outcomes
from . import results as results
from . import stopping as stopping
