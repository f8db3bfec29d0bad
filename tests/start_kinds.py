"""Every kind of function a program may have of its own, each as a task with what it must give."""
# `start_ways` starts this text in every way there is: as a script, as the cells of a notebook,
# typed into a terminal. An empty line ends what is typed at once, so there is none inside a block.
# ruff: noqa: RUF012, PYI024
# fmt: off

import abc
import asyncio
import collections
import dataclasses
import enum
import functools
import json
import multiprocessing
import os
import re
import typing
from pathlib import Path

import concurkit
from concurkit import Failure, ProcessExecutor, Task, run_concurrently

# How often this was run: once, in the program itself.
with open(os.environ["STARTS_RUNS"], "a") as runs:
    print(os.getpid(), file=runs)

LIMIT = 10
DIGITS = re.compile(r"\d+")
T = typing.TypeVar("T")

# ---- functions

def add(x, y=0, *, times=1):
    """Add, and multiply; by default do neither."""
    return (x + y) * times

def uses_globals(text):
    found = [int(number) for number in DIGITS.findall(text)]
    return json.dumps([add(number, LIMIT) for number in found])

def is_even(n):
    return n == 0 or is_odd(n - 1)

def is_odd(n):
    return n != 0 and is_even(n - 1)

def adder(y):
    return lambda x: x + y

def counter(upto):
    def count(n):
        return 0 if n == upto else 1 + count(n + 1)
    return count

def outer():
    def helper(x):
        return x + LIMIT
    def nested(x):
        return helper(x) * 2
    return nested

def doubled(fn):
    @functools.wraps(fn)
    def twice(*args, **kwargs):
        return fn(*args, **kwargs) * 2
    return twice

@doubled
def decorated(x):
    return x + LIMIT

@functools.lru_cache(maxsize=7)
def cached(x):
    return x + LIMIT

@functools.cache
def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

def up_to(limit):
    yield from range(limit)

async def add_later(x, y):
    await asyncio.sleep(0)
    return add(x, y)

async def collect_later(limit):
    async def numbers():
        for number in range(limit):
            await asyncio.sleep(0)
            yield number
    return [number async for number in numbers()]

def name_and_doc(fn):
    return [fn.__name__, fn.__module__, fn.__doc__, getattr(fn, "mark", None)]

add.mark = "marked"

# ---- classes

class Account:
    """Something with methods of every sort."""
    interest = 2
    def __init__(self, balance):
        self.balance = balance
    def add(self, amount):
        return self.balance + amount + LIMIT
    @classmethod
    def opened(cls, balance):
        return cls(balance * cls.interest)
    @staticmethod
    def fee(amount):
        return amount + LIMIT
    @property
    def doubled(self):
        return self.balance * 2
    def __call__(self, amount):
        return self.balance - amount
    async def add_later(self, amount):
        await asyncio.sleep(0)
        return self.add(amount)
    class Holder:
        """A class in a class."""

class Savings(Account):
    plugins = []
    def __init_subclass__(cls):
        Savings.plugins.append(cls.__name__)
    def add(self, amount):
        return super().add(amount) * 2

class Junior(Savings):
    pass

@dataclasses.dataclass
class Point:
    x: int
    y: int = 0

@dataclasses.dataclass(frozen=True, slots=True)
class Pixel:
    x: int
    colour: str = "red"

class Colour(enum.Enum):
    RED = 1
    BLUE = "blue"
    def shout(self):
        return self.name + "!"

class Access(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()

class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self):
        ...

class Square(Shape):
    def __init__(self, side):
        self.side = side
    def area(self):
        return self.side ** 2

class Box(typing.Generic[T]):
    def __init__(self, held: T):
        self.held = held

Pair = collections.namedtuple("Pair", "left right")

class Typed(typing.NamedTuple):
    left: int
    right: str = "right"

class OddError(Exception):
    pass

class CodeError(OddError):
    """An exception that can't be made from its args alone."""
    def __init__(self, code, *, hint):
        super().__init__(f"code {code}")
        self.code = code
        self.hint = hint

def fail(error):
    raise error

def fail_with_code(code):
    raise CodeError(code, hint="none")

def fail_from(number):
    try:
        fail(OddError(number))
    except OddError as error:
        raise ExceptionGroup("odd", [error]) from None

def is_of(value, *classes):
    return [type(value) is cls and isinstance(value, cls) for cls in classes]

def is_red(colour):
    return [colour is Colour.RED, colour == Colour.RED, colour in {Colour.RED: 1}]

# ---- what is run, and what the caller makes of its result

def caught(error):
    try:
        raise error
    except CodeError as found:
        return [type(found) is CodeError, found.code, found.hint, str(found)]
    except OddError as found:
        return [type(found) is OddError, found.args]
    except ExceptionGroup as found:
        return [caught(one) for one in found.exceptions]

def is_square(value):
    return [type(value) is Square, isinstance(value, Shape), value.area()]

KINDS = {
    "lambda": Task(lambda x: x + LIMIT, 1),
    "async lambda": Task(lambda x: add_later(x, LIMIT), 1),
    "closure": Task(adder(3), 4),
    "closure that calls itself": Task(counter(5), 0),
    "nested function": Task(outer(), 1),
    "function with defaults": Task(add, 1, times=3),
    "function that uses globals": Task(uses_globals, "1 and 22"),
    "functions that call each other": Task(is_even, 10),
    "decorated function": Task(decorated, 1),
    "cached function": Task(cached, 1),
    "cached function that calls itself": Task(fibonacci, 30),
    "generator in a task": Task(lambda: sum(up_to(5))),
    "async function": Task(add_later, 1, 2),
    "async generator in a task": Task(collect_later, 3),
    "function as argument": Task(name_and_doc, add),
    "function as result": Task(adder, 5),
    "partial": Task(functools.partial(add, 1, times=5), y=1),
    "builtin": Task(max, 3, 4),
    "bound method": Task(Account(5).add, 1),
    "inherited method": Task(Junior(5).add, 1),
    "classmethod": Task(Account.opened, 4),
    "staticmethod": Task(Account.fee, 4),
    "async method": Task(Account(5).add_later, 1),
    "callable instance": Task(Account(5), 1),
    "class": Task(Account, 3),
    "class in a class": Task(Account.Holder),
    "class with a registry": Task(Junior, 3),
    "class as argument": Task(is_of, Account(5), Account),
    "subclass as argument": Task(is_of, Junior(5), Junior, Savings),
    "dataclass": Task(Point, 1, y=2),
    "dataclass as argument": Task(is_of, Point(1), Point),
    "dataclass with slots": Task(Pixel, 1),
    "dataclasses in a list": Task(lambda: [Point(n) for n in range(2)]),
    "enum as argument": Task(is_red, Colour.RED),
    "enum as result": Task(lambda: [Colour.RED, Colour("blue"), Colour.BLUE.shout()]),
    "flag": Task(lambda: Access.READ | Access.WRITE),
    "abstract class": Task(Square, 3),
    "generic class": Task(lambda: Box[int](3)),
    "namedtuple": Task(Pair, 1, 2),
    "typed namedtuple": Task(Typed, 1),
    "exception": Task(fail, OddError(3)),
    "exception with a signature": Task(fail_with_code, 4),
    "exceptions in a group": Task(fail_from, 5),
}

LOOKS = {
    "function as argument": lambda value: value == name_and_doc(add),
    "function as result": lambda value: value(2),
    "classmethod": lambda value: [type(value) is Account, value.balance],
    "class": lambda value: [type(value) is Account, value.doubled],
    "class in a class": lambda value: type(value) is Account.Holder,
    "class with a registry": lambda value: [type(value) is Junior, Savings.plugins],
    "dataclass": lambda value: [type(value) is Point, value == Point(1, 2), repr(value)],
    "dataclass with slots": lambda value: [type(value) is Pixel, value == Pixel(1)],
    "dataclasses in a list": lambda value: value == [Point(0), Point(1)],
    "enum as result": lambda value: [value[0] is Colour.RED, value[1] is Colour.BLUE, value[2]],
    "flag": lambda value: value is Access.READ | Access.WRITE,
    "abstract class": is_square,
    "generic class": lambda value: [type(value) is Box, value.held],
    "namedtuple": lambda value: [type(value) is Pair, value == Pair(1, 2), value.right],
    "typed namedtuple": lambda value: [type(value) is Typed, value],
}

def look(kind, outcome):
    if isinstance(outcome, Failure) and kind.startswith("exception"):
        return caught(outcome.error)
    if isinstance(outcome, Failure):
        return repr(outcome.error)
    return LOOKS.get(kind, lambda value: value)(outcome.value)

def contents():
    classes = [Account, Junior, Point, Colour, Square]
    return [
        {name: value for name, value in vars(cls).items() if name != "__slotnames__"}
        for cls in classes
    ]

def changes(old, new):
    return [name for name in {**old, **new} if old.get(name) is not new.get(name)]

def table(mode):
    """What became of all kinds, sent as tasks of one run; and a function sent once for all."""
    before = contents()
    outcomes = run_concurrently(KINDS, mode=mode, on_error="collect")
    found = {kind: look(kind, outcome) for kind, outcome in outcomes.items()}
    tasks = Task.map(lambda x: x + LIMIT, range(3))
    found["function of many tasks"] = run_concurrently(tasks, mode=mode)
    found["changes of the caller's classes"] = list(map(changes, before, contents()))
    return found

def report(method):
    """Write down what every kind gave with this start method."""
    if method == "default":
        found = table("process")
    else:
        with ProcessExecutor(2, start_method=method) as processes:
            found = table(processes)
    found["start method of the program"] = multiprocessing.get_start_method(allow_none=True)
    found["concurkit"] = concurkit.__file__
    Path(os.environ["STARTS_TABLES"], method).write_text(json.dumps(found))

# ---- the program
for start_method in os.environ["STARTS_METHODS"].split():
    report(start_method)
