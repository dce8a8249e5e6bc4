"""Output that is no UTF-8, or is cut in the middle of a character, against Python's decoder.

Programs write lines and records, clean and dirty, in chunks of every size; every byte of what must come of it is known.
"""
import random
from functools import cache

import pytest
from gateway import Gateway
from wsraw import BINARY, CLOSE, CONTINUATION, TEXT

# Writes a file in chunks of every size.
CHUNKS = """#!/usr/bin/python3
import os, random
data, choice, at = open("{}", "rb").read(), random.Random(26), 0
while at < len(data):
    at += os.write(1, data[at : at + choice.choice((1, 2, 3, 5, 100, 4096, 65535, 65536, 65537))])
"""
PARTS = [part.encode() for part in ("a", "ab\r", "\r", "ä", "€", "𝄞", "\U0010ffff", "\ud7ff", "\ue000")]
DIRT = [bytes.fromhex(part) for part in "80 ff c0af c3 e282 f09d84 eda080 f4908080 f5 e080 f08f".split()]
FRAMINGS = ("lines", "records")
MODES = ("replace", "binary", "close")


def text_of(choice, n, dirt):
    """n parts of characters, and so often something that is none."""
    weights = [(1 - dirt) / len(PARTS)] * len(PARTS) + [dirt / len(DIRT)] * len(DIRT)
    return b"".join(choice.choices(PARTS + DIRT, weights, k=n))


@cache
def texts_of(mode):
    """What a program has to say. A text that is longer than what is held goes out in parts, which is for "replace"; what
    closes the session comes late."""
    choice = random.Random(mode)
    sizes = [choice.choice((0, 1, 2, 10, 100, 30000 if mode == "replace" else 10000)) for _ in range(60)]
    if mode == "replace":
        sizes.append(100000)
    dirty = [0 if mode == "close" and i < 40 or choice.random() < 0.4 else 0.02 for i in range(len(sizes))]
    return [text_of(choice, n, dirt) for n, dirt in zip(sizes, dirty)]


def wire_of(framing, texts):
    if framing == "lines":
        return b"\n".join(texts)
    return b"".join(b"t" + len(text).to_bytes(4, "big") + text for text in texts)


def sent_as(framing, texts):
    """The texts as they are messages: a line may lose its CR."""
    if framing == "records":
        return texts
    return [text.removesuffix(b"\r") for text in texts[:-1]] + texts[-1:]


def is_good(text):
    return good_part(text) == len(text)


def good_part(text):
    """How many bytes there are before the first that is wrong; of an unfinished character, none."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return error.start
    return len(text)


def replaced(text):
    """As Unicode would have it: U+FFFD for each longest beginning of a character."""
    return text.decode("utf-8", "replace").encode()


def GATEWAY(directory):
    directory.mkdir(parents=True, exist_ok=True)
    routes = {}

    def route(path, framing, mode, data):
        name = path.strip("/").replace("/", "-")
        (directory / name).write_bytes(data)
        program = directory / f"{name}.py"
        program.write_text(CHUNKS.format(directory / name))
        program.chmod(0o755)
        routes[f"route {path}"] = {"exec": program, "framing": framing, "invalid_utf8": mode}

    for mode in MODES:
        for framing in FRAMINGS:
            route(f"/{framing}/{mode}", framing, mode, wire_of(framing, texts_of(mode)))
    route("/text-stream", "text-stream", "replace", b"".join(texts_of("replace")))
    return Gateway(directory, routes)


def messages(ws):
    """All messages up to a close frame, [opcode, payload] each, the last one perhaps not ended; and the close frame."""
    found = []
    while (got := ws.recv()).opcode != CLOSE:
        if got.opcode != CONTINUATION:
            found.append([got.opcode, b""])
        found[-1][1] += got.payload
    ws.answer_close(got)
    return found, got


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("mode", ["replace", "binary"])
def test_what_is_no_utf8(gw, framing, mode):
    """Replaced, or a binary message as it is, wherever the writes, the reads and the fragments cut it; good text is text."""
    expected = sent_as(framing, texts_of(mode))
    with gw.ws(f"/{framing}/{mode}") as ws:
        found, end = messages(ws)
    assert end.code == 1000 and len(found) == len(expected)
    for got, text in zip(found, expected):
        if mode == "replace" or is_good(text):
            assert got == [TEXT, replaced(text)]
        else:
            assert got == [BINARY, text]


@pytest.mark.parametrize("framing", FRAMINGS)
def test_what_is_no_utf8_closes(gw, framing):
    """All that came before the first wrong byte arrives, and nothing else; then 1011."""
    texts = sent_as(framing, texts_of("close"))
    first = next(i for i, text in enumerate(texts) if not is_good(text))
    expected = texts[:first] + [texts[first][: good_part(texts[first])]]
    with gw.ws(f"/{framing}/close") as ws:
        found, end = messages(ws)
    assert (end.code, end.reason) == (1011, "invalid UTF-8 from the backend")
    assert {opcode for opcode, _ in found} == {TEXT}
    assert [text for _, text in found] == [text for i, text in enumerate(expected) if text or i < first]


def test_what_is_no_utf8_in_a_stream(gw):
    """Each message is text by itself."""
    with gw.ws("/text-stream") as ws:
        found, end = messages(ws)
    assert end.code == 1000 and all(opcode == TEXT and is_good(text) for opcode, text in found)
    assert b"".join(text for _, text in found) == replaced(b"".join(texts_of("replace")))
