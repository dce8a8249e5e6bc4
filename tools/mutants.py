"""mutants: the small changes that mutate.py makes to a C source, found among its tokens.

Knows as much of C as the style of this tree needs: no typedef, so what begins with two names is a declaration. What it
takes for code and is none does not compile, and so does no harm.
"""
import dataclasses
import re

TOKEN = re.compile(r"""
    (?P<skip>   /\*.*?\*/ | //[^\n]* | \\\n
              | (?<![^\n]) [ \t]* \# [ \t]* (?!define) (?:\\\n|[^\n])*
              | (?<![^\n]) [ \t]* \# [ \t]* define [ ]+ \w+ (?:\([^)]*\))? )
  | (?P<text>   "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' )
  | (?P<number> \b(?:0[xX][0-9a-fA-F]+|[0-9]+)[uUlL]*\b )
  | (?P<name>   [A-Za-z_]\w* )
  | (?P<sign>   \.\.\. | <<= | >>= | -> | \+\+ | -- | << | >> | <= | >= | == | != | && | \|\| | [-+*/%&|^]= | [^\s\w] )
""", re.VERBOSE | re.DOTALL)

# What an operator between two operands becomes.
BINARY = {
    "<": ["<=", ">="], "<=": ["<", ">"], ">": [">=", "<="], ">=": [">", "<"], "==": ["!="], "!=": ["=="],
    "+": ["-"], "-": ["+"], "*": ["/"], "/": ["*"], "%": ["/"],
    "&": ["|"], "|": ["&"], "^": ["|"], "<<": [">>"], ">>": ["<<"], "&&": ["||"], "||": ["&&"],
    "+=": ["-="], "-=": ["+="], "*=": ["/="], "&=": ["|="], "|=": ["&="], "^=": ["|="], "<<=": [">>="], ">>=": ["<<="],
}
OPENING, CLOSING = "([{", ")]}"
TYPES = {"unsigned", "signed", "char", "short", "int", "long", "bool", "void", "float", "double"}
NO_OPERAND = {"return", "case", "sizeof", "else", "do"} | TYPES
NO_STATEMENT = {"if", "for", "while", "switch", "do", "else", "case", "default", "goto", "static", "const", "struct",
                "enum", "union"} | TYPES


@dataclasses.dataclass
class Mutant:
    path: str
    start: int  # this part of the text ...
    end: int
    new: str  # ... becomes this
    line: int
    key: tuple  # "path function", and the lines before and after; the same wherever the function moves
    number: int = 0
    fate: str = ""


@dataclasses.dataclass
class Token:
    kind: str
    text: str
    start: int
    end: int
    partner: int = -1  # of a bracket, the other one


def tokenize(source):
    """The tokens that matter, brackets with their partners."""
    tokens = [Token(match.lastgroup, match.group(), match.start(), match.end())
              for match in TOKEN.finditer(source) if match.lastgroup != "skip"]
    stack = []
    for i, token in enumerate(tokens):
        if token.kind == "sign" and token.text in OPENING:
            stack.append(i)
        elif token.kind == "sign" and token.text in CLOSING and stack:
            token.partner = stack.pop()
            tokens[token.partner].partner = i
    return tokens


def operand_before(tokens, i):
    """What is at i stands between two operands."""
    before = tokens[i - 1]
    if before.kind == "name":
        return not (before.text in NO_OPERAND or before.text.endswith("_t") or tokens[i - 2].text in ("struct", "enum"))
    return before.kind == "number" or before.text in (")", "]")


def declares_array(tokens, i):
    """The number at i is how long an array is made; one longer would do no harm, one shorter may."""
    return (tokens[i - 1].text == "[" and tokens[i + 1].text == "]" and tokens[i - 2].kind == "name" and
            tokens[i - 3].kind == "name" and tokens[i - 3].text not in NO_OPERAND - TYPES)


def other_numbers(tokens, i):
    text = tokens[i].text
    digits = text.rstrip("uUlL")
    value = int(digits, 0)
    others = [value - 1] if declares_array(tokens, i) else [0, 2] if value == 1 else [value + 1]
    form = "0x%x%s" if digits[:2] in ("0x", "0X") else "%d%s"
    return [form % (other, text[len(digits):]) for other in others]


def statement_begins(tokens, i):
    """A statement may begin at i, in the body of a function."""
    before = tokens[i - 1] if i > 0 else None
    if before is None or tokens[i].kind not in ("name", "sign") or tokens[i].text in NO_STATEMENT:
        return False
    if before.text == ")":
        return tokens[before.partner - 1].text in ("if", "for", "while", "switch")
    if before.text == ":":
        return ends_label(tokens, i - 1)
    return before.text in ("{", "}", ";", "else", "do")


def ends_label(tokens, i):
    """The colon at i is that of a case, not of a conditional."""
    while i > 0 and tokens[i].text not in ("?", ";", "{", "}"):
        if tokens[i].text in ("case", "default"):
            return True
        i -= 1
    return False


def statement_end(tokens, i):
    """The index of the semicolon that ends the statement that begins at i, or None when none does."""
    while i < len(tokens):
        token = tokens[i]
        if token.text == ";":
            return i
        if token.kind == "sign" and token.text in OPENING and token.partner > i:
            i = token.partner
        elif token.text in CLOSING:
            return None
        i += 1
    return None


def drop_statements(tokens):
    """Assignments, calls, return, break: gone."""
    for i, token in enumerate(tokens):
        if not statement_begins(tokens, i) or inside_parentheses(tokens, i):
            continue
        after = tokens[i + 1] if i + 1 < len(tokens) else token
        if token.text not in ("return", "break", "continue") and (
                after.kind == "name" or token.text.endswith("_t") or (token.kind == "sign" and token.text not in "*(")):
            continue
        end = statement_end(tokens, i)
        if token.text == "continue" and tokens[i - 1].text == ")" and tokens[tokens[i - 1].partner - 1].text != "if":
            continue  # the whole of a loop that does its work in its head
        if end is not None and end > i:
            yield token.start, tokens[end].start, ""


def inside_parentheses(tokens, i):
    """The nearest bracket that is open at i is a round one, as in the head of a for."""
    i -= 1
    while i >= 0:
        token = tokens[i]
        if token.kind == "sign" and token.text in CLOSING and 0 <= token.partner < i:
            i = token.partner
        elif token.kind == "sign" and token.text in OPENING:
            return token.text != "{"
        i -= 1
    return True


def turn_conditions(source, tokens):
    """if and while: the other way round. a ? b : c becomes a ? c : b."""
    for i, token in enumerate(tokens):
        if token.text in ("if", "while") and token.kind == "name" and tokens[i + 1].partner > 0:
            start, end = tokens[i + 1].end, tokens[tokens[i + 1].partner].start
            yield start, end, "!(" + source[start:end] + ")"
        elif token.text == "?":
            colon = alternative(tokens, i + 1, (":",))
            end = colon and alternative(tokens, colon + 1, (";", ",", ":"))
            if end:
                yes = source[token.end:tokens[colon].start].strip()
                no = source[tokens[colon].end:tokens[end].start].strip()
                yield token.end, tokens[end].start, " (%s) : (%s)" % (no, yes)


def alternative(tokens, i, ends):
    """The index of the first of `ends` at this depth, past whole conditionals, or of the bracket that closes it."""
    open_ones = 0
    while i < len(tokens):
        token = tokens[i]
        if token.kind == "sign" and token.text in OPENING and token.partner > i:
            i = token.partner
        elif token.text == "?":
            open_ones += 1
        elif token.text == ":" and open_ones > 0:
            open_ones -= 1
        elif token.text in ends or token.text in CLOSING:
            return i
        i += 1
    return None


def change_tokens(tokens):
    """Operators, numbers, true and false, and the ! that goes."""
    for i, token in enumerate(tokens):
        if token.kind == "number":
            for text in other_numbers(tokens, i):
                yield token.start, token.end, text
        elif token.text in ("true", "false"):
            yield token.start, token.end, "false" if token.text == "true" else "true"
        elif token.text == "!":
            yield token.start, token.end, ""
        elif token.kind == "sign" and token.text in BINARY and operand_before(tokens, i):
            for text in BINARY[token.text]:
                yield token.start, token.end, text


def shown(source, start, end, new):
    """The lines that hold the change, before and after, on one line each."""
    first = source.rfind("\n", 0, start) + 1
    last = source.find("\n", end)
    old, changed = source[first:last], source[first:start] + (new or "/* nothing */") + source[end:last]
    return " ".join(old.split()), " ".join(changed.split())


def place(path, source, start):
    """The path, and the function if it is in one."""
    head = None
    for head in re.finditer(r"^(?:__attribute__\(\(.*\)\) )?\w[^;={}()\n]*?(\w+)\(", source[:start], re.MULTILINE):
        pass
    return path if head is None or "\n}" in source[head.start():start] else path + " " + head[1]


def make(path, source):
    """All mutants of a source, in the order of its lines."""
    tokens = tokenize(source)
    changes = {*change_tokens(tokens), *drop_statements(tokens), *turn_conditions(source, tokens)}
    return [Mutant(path, start, end, new, source.count("\n", 0, start) + 1, (place(path, source, start), *shown(source, start, end, new)))
            for start, end, new in sorted(changes)]
