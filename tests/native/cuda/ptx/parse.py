"""Text of a PTX file -> functions with instructions, labels, parameters and declared registers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.native.cuda.ptx.errors import UnknownPtx

# What a function body may declare without a meaning for us: debug lines and hints to the compiler.
IGNORED = re.compile(r"^[ \t]*\.(loc|file|section|pragma)\b.*$", re.MULTILINE)
REGISTERS = re.compile(r"\.reg\s+\.(\w+)\s+(.*)", re.DOTALL)
SHARED = re.compile(r"(\.extern\s+)?\.shared\s+(?:\.align\s+(\d+)\s+)?\.(\w)(\d+)\s+(\w+)(?:\[(\d*)\])?")
PARAMETER = re.compile(r"\.param\s+(?:\.align\s+\d+\s+)?\.\w(\d+)\s+(?:\.ptr\s+[^,]*?)?(\w+)(?:\[(\d+)\])?\s*(?=,|$)")
ENTRY = re.compile(r"\.entry\s+(\w+)\s*\((.*?)\)[^{]*\{", re.DOTALL)
GUARD = re.compile(r"@(!?)(%?\w+)\s+(.*)", re.DOTALL)
LABEL = re.compile(r"(\$?\w+):(?!:)\s*")


@dataclass(frozen=True)
class Instruction:
    """`@!p ld.global.v2.f32 {a, b}, [c];` has opcode ld, parts (global, v2, f32), arguments {a, b} and [c]."""

    text: str
    opcode: str
    parts: tuple[str, ...]
    arguments: tuple[str, ...]
    guard: str = ""
    negated: bool = False

    @property
    def type(self) -> str:
        """The last part, which is the type where there is one."""
        return self.parts[-1]


@dataclass
class Function:
    """One `.entry`.

    Attributes:
        parameters: bytes of each, in order.
        types: of registers by name; where many are declared at once (`%r<8>`), by their prefix.
        shared: first byte of each variable in shared memory.
        static_bytes: of shared memory that is declared with its size; what is not follows it.
    """

    name: str
    parameters: dict[str, int]
    types: dict[str, str] = field(default_factory=dict)
    shared: dict[str, int] = field(default_factory=dict)
    static_bytes: int = 0
    instructions: list[Instruction] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)

    def parameter_starts(self) -> dict[str, int]:
        """First byte of each parameter in the memory of all."""
        starts, end = {}, 0
        for name, size in self.parameters.items():
            starts[name] = end
            end += -(-size // 8) * 8
        return starts

    def type_of(self, register: str) -> str:
        """Declared type of a register."""
        found = self.types.get(register) or self.types.get(register.rstrip("0123456789"))
        if not found:
            raise UnknownPtx(f"{register} is no register of {self.name}")
        return found


def parse(text: str) -> dict[str, Function]:
    """The functions of a PTX file that a launch can name."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    text = IGNORED.sub("", re.sub(r"//[^\n]*", "", text))
    functions = {}
    for found in ENTRY.finditer(text):
        parameters = {name: int(bits) // 8 * int(count or 1) for bits, name, count in PARAMETER.findall(found[2])}
        if found[2].count(".param") != len(parameters):
            raise UnknownPtx(f"parameters of {found[1]}: {found[2]}")
        function = functions[found[1]] = Function(found[1], parameters)
        body = text[found.end() : _closing_brace(text, found.end())]
        for statement in (*_module_variables(text), *_statements(body)):
            _take_in(function, statement)
    return functions


def split(arguments: str) -> list[str]:
    """Splits at the commas that no bracket holds."""
    depth, parts = 0, [""]
    for letter in arguments:
        depth += (letter in "{[(") - (letter in "}])")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def _closing_brace(text: str, start: int) -> int:
    depth = 1
    for position in range(start, len(text)):
        depth += (text[position] == "{") - (text[position] == "}")
        if not depth:
            return position
    raise UnknownPtx("a function without end")


def _module_variables(text: str) -> Iterator[str]:
    """Shared memory that is declared outside of functions; other variables there fail where they are used."""
    outside = re.sub(r"\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}", ";", text)
    return (line.strip() for line in outside.split(";") if ".shared" in line)


def _statements(body: str) -> Iterator[str]:
    """Statements without their semicolons; braces that hold statements, not operands, are dropped."""
    current = ""
    for letter in body:
        between = not current.strip() or current.rstrip().endswith(":")
        if letter == ";":
            yield current.strip()
            current = ""
        elif not (between and letter in "{}"):
            current += letter
    if current.strip():
        yield current.strip()


def _take_in(function: Function, statement: str) -> None:
    while label := LABEL.match(statement):
        function.labels[label[1]] = len(function.instructions)
        statement = statement[label.end() :]
    if not statement:
        return
    if registers := REGISTERS.match(statement):
        for name in re.sub(r"<\d+>", "", registers[2]).split(","):
            if function.types.setdefault(name.strip(), registers[1]) != registers[1]:
                raise UnknownPtx(f"{name.strip()} has two types in {function.name}")
    elif variable := SHARED.search(statement):
        _, align, _, bits, name, count = variable.groups()
        start = -(-function.static_bytes // int(align or 1)) * int(align or 1)
        function.shared[name] = start
        function.static_bytes = start + (int(bits) // 8 * int(count or 1) if not variable[1] else 0)
    elif statement.startswith("."):
        raise UnknownPtx(f"{statement} in {function.name}")
    else:
        function.instructions.append(_instruction(statement))


def _instruction(text: str) -> Instruction:
    guard = GUARD.match(text)
    name, *arguments = (guard[3] if guard else text).split(None, 1)
    opcode, *parts = name.split(".")
    return Instruction(
        " ".join(text.split()),
        opcode,
        tuple(parts),
        tuple(split("".join(arguments))),
        guard[2] if guard else "",
        bool(guard and guard[1]),
    )
