"""Random messages, the same for the same seed: every kind of content and size, and how each is to be sent."""
import json
import random
from dataclasses import dataclass

SMALL, MEDIUM, LARGE, HUGE = 125, 4096, 262144, 1048576
EACH = 2500  # of so many messages one is huge
BLOCK = 4096  # what is drawn at random; longer content repeats and mixes such blocks
WORDS = [
    word.encode()
    for word in 'the gateway takes a message and gives it back, größe température 温度 температура 🎈 {"id": 0}'.split(" ")
]
CODE_POINTS = {  # by how many bytes UTF-8 makes of it: both ends of each range, and between
    1: ((0x00, 0x7F),),
    2: ((0x80, 0x7FF),),
    3: ((0x800, 0xD7FF), (0xE000, 0xFFFF)),
    4: ((0x10000, 0x10FFFF),),
}


@dataclass
class Message:
    """One message, how many others may be under way before it is sent, and how it is sent."""

    data: str | bytes
    window: int
    ping: bool  # a ping goes after it
    cuts: list  # where it is cut into fragments, as fractions of its length; empty for one frame


class Messages:
    """The messages of a seed: iterate over it."""

    def __init__(self, n, seed):
        self.n = n
        self.random = random.Random(seed)
        self.makers = (self.words, self.objects, self.code_points, self.noise, self.run, self.words, self.mixture)

    def __iter__(self):
        for i in range(self.n):
            # With the first one compression saves more than TLS adds, whatever the others are.
            size = self.size(i) if i else LARGE
            maker = self.random.choice(self.makers) if i else self.run
            content = maker(size)
            text = maker in (self.words, self.objects, self.code_points) and self.random.random() < 0.9
            yield Message(
                data=content.decode() if text else content,
                window=self.random.randint(1, 48),
                ping=self.random.random() < 0.02,
                cuts=sorted(self.random.random() for _ in range(self.random.randint(1, 5)))
                if self.random.random() < 0.15
                else [],
            )

    def size(self, i):
        """How many bytes message i has."""
        if i % EACH == min(self.n, EACH) // 2:
            return HUGE + self.random.randint(-1, 1)
        kind = self.random.random()
        if kind < 0.6:
            return self.random.randint(0, SMALL)
        if kind < 0.8:
            return self.random.randint(0, MEDIUM)
        if kind < 0.95:
            return max(0, 2 ** self.random.randint(0, 16) + self.random.randint(-1, 1))
        if kind < 0.99:
            return self.random.randint(0, LARGE // 4)
        return self.random.choice((self.random.randint(0, LARGE), LARGE // 2 + 1, LARGE - 1, LARGE))

    def fill(self, size, piece):
        """Whole pieces while they fit, then ASCII; what is long repeats its first block."""
        block = bytearray()
        while len(block) < min(size, BLOCK):
            one = piece()
            block += one if len(block) + len(one) <= size else b"~" * (size - len(block))
        times = size // max(1, len(block))
        return bytes(block * times + b"~" * (size - len(block) * times))

    def words(self, size):
        return self.fill(size, lambda: self.random.choice(WORDS) + b" ")

    def objects(self, size):
        """As programs send them."""
        return self.fill(
            size,
            lambda: json.dumps(
                {"id": self.random.getrandbits(32), "temperature": self.random.random(), "name": "sensor"}
            ).encode(),
        )

    def code_points(self, size):
        """Characters of every length, surrogates left out."""

        def one():
            first, last = self.random.choice(CODE_POINTS[self.random.randint(1, 4)])
            return chr(self.random.choice((first, last, self.random.randint(first, last)))).encode()

        return self.fill(size, one)

    def noise(self, size):
        """What no compression makes shorter."""
        return self.random.randbytes(size)

    def run(self, size):
        """What compression makes a few bytes of."""
        return bytes([self.random.randrange(256)]) * size

    def mixture(self, size):
        return (self.noise(size // 2) + self.run(size))[:size]
