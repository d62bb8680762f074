"""What instructions of the interpreter compute, by PTX's own description of them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.native.cuda.ptx.arithmetic import ARITHMETIC
from tests.native.cuda.ptx.bits import BITS
from tests.native.cuda.ptx.errors import PtxError, UnknownPtx
from tests.native.cuda.ptx.parse import parse, split
from tests.native.cuda.ptx.run import INSTRUCTIONS
from tests.native.cuda.ptx.snippets import function, run

LOAD = "ld.global.v4.u32 {%r4, %r5, %r6, %r7}, [%in];"
STORE = "st.global.u32 [%out], %r8;"


def result(instruction: str, operands: tuple[int, ...]) -> int:
    """%r8, with these in %r4 to %r7."""
    x = np.zeros((32, 4), np.uint32)
    x[:, : len(operands)] = [value % (1 << 32) for value in operands]
    (value,) = set(run(f"{LOAD} {instruction} {STORE}", x)[:, 0].tolist())
    return value


def bits(value: float) -> int:
    return int(np.float32(value).view(np.uint32))


@pytest.mark.parametrize(
    ("instruction", "operands", "expected"),
    [
        ("add.s32 %r8, %r4, %r5;", (0xFFFFFFFF, 3), 2),
        ("sub.s32 %r8, %r4, -7;", (1,), 8),
        ("mul.lo.s32 %r8, %r4, %r5;", (0x10001, 0x10001), 0x20001),
        ("mul.hi.s32 %r8, %r4, %r5;", (-2, 3), 0xFFFFFFFF),
        ("mul.hi.u32 %r8, %r4, %r5;", (-2, 3), 2),
        ("mad.lo.s32 %r8, %r4, %r5, %r6;", (5, -3, 1), -14),
        ("div.s32 %r8, %r4, %r5;", (-7, 2), -3),
        ("rem.s32 %r8, %r4, %r5;", (-7, 2), -1),
        ("div.u32 %r8, %r4, %r5;", (-7, 2), 0x7FFFFFFC),
        ("min.s32 %r8, %r4, %r5;", (-1, 1), -1),
        ("min.u32 %r8, %r4, %r5;", (-1, 1), 1),
        ("shl.b32 %r8, %r4, %r5;", (1, 32), 0),
        ("shr.s32 %r8, %r4, %r5;", (-8, 99), -1),
        ("shr.u32 %r8, %r4, %r5;", (-8, 28), 15),
        ("shf.l.wrap.b32 %r8, %r4, %r5, 8;", (0x11223344, 0xAABBCCDD), 0xBBCCDD11),
        ("shf.r.wrap.b32 %r8, %r4, %r5, 8;", (0x11223344, 0xAABBCCDD), 0xDD112233),
        ("bfe.u32 %r8, %r4, 4, 8;", (0x12345678,), 0x67),
        ("bfe.s32 %r8, %r4, 4, 4;", (0x1234F678,), 7),
        ("bfe.s32 %r8, %r4, 8, 4;", (0x12345F78,), -1),
        ("bfi.b32 %r8, %r4, %r5, 8, 4;", (0xFF, 0x11111111), 0x11111F11),
        ("prmt.b32 %r8, %r4, %r5, 0x5410;", (0x33221100, 0x77665544), 0x55441100),
        ("prmt.b32 %r8, %r4, %r5, 0x7632;", (0x33221100, 0x77665544), 0x77663322),
        ("prmt.b32 %r8, %r4, %r5, 0x0009;", (0x11228000, 0), 0x000000FF),
        ("lop3.b32 %r8, %r4, %r5, %r6, 0x96;", (0b1100, 0b1010, 0b1111), 0b1001),  # a ^ b ^ c
        ("lop3.b32 %r8, %r4, %r5, %r6, 0xE2;", (0b1100, 0b1010, 0b0101), 0b1101),  # (a & b) | (c & ~b)
        ("popc.b32 %r8, %r4;", (0xF0F0,), 8),
        ("and.b32 %r8, %r4, %r5;", (0b1100, 0b1010), 0b1000),
        ("or.b32 %r8, %r4, %r5;", (0b1100, 0b1010), 0b1110),
        ("xor.b32 %r8, %r4, %r5;", (0b1100, 0b1010), 0b0110),
        ("neg.s32 %r8, %r4;", (5,), -5),
        ("not.b32 %r8, %r4;", (0,), -1),
        ("setp.lt.s32 %p1, %r4, %r5; selp.b32 %r8, 1, 2, %p1;", (-1, 0), 1),
        ("setp.lt.u32 %p1, %r4, %r5; selp.b32 %r8, 1, 2, %p1;", (-1, 0), 2),
        ("setp.eq.s32 %p0, %r4, 1; setp.ne.and.s32 %p1, %r5, 0, %p0; selp.b32 %r8, 1, 2, %p1;", (1, 0), 2),
        ("cvt.u16.u32 %h1, %r4; cvt.s32.s16 %r8, %h1;", (0x18000,), -32768),
        ("cvt.u16.u32 %h1, %r4; cvt.u32.u16 %r8, %h1;", (0x18000,), 32768),
        ("mov.b64 %d4, {%r4, %r5}; shr.u64 %d4, %d4, 16; cvt.u32.u64 %r8, %d4;", (0x11223344, 0x55667788), 0x77881122),
        ("mov.b32 {%h1, %h2}, %r4; mov.b32 %r8, {%h2, %h1};", (0x11223344,), 0x33441122),
        ("mul.wide.s32 %d4, %r4, %r5; shr.s64 %d4, %d4, 32; cvt.u32.u64 %r8, %d4;", (-1, 1), -1),
        ("cvt.s64.s32 %d4, %r4; mul.hi.s64 %d4, %d4, %d4; cvt.u32.u64 %r8, %d4;", (-1,), 0),
        ("mov.u32 %r8, 5; setp.gt.s32 %p1, %r4, 0; @%p1 mov.u32 %r8, 6;", (0,), 5),
        ("mov.u32 %r8, 5; setp.gt.s32 %p1, %r4, 0; @!%p1 mov.u32 %r8, 6;", (0,), 6),
    ],
)
def test_integers(instruction, operands, expected):
    assert result(instruction, operands) == expected % (1 << 32)


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("instruction", "operands", "expected"),
    [
        ("add.rn.f32 %f3, %f0, %f1;", (1e8, 1), 1e8),
        ("sub.f32 %f3, %f0, %f1;", (1, 3), -2),
        ("mul.f32 %f3, %f0, 0f40000000;", (1.5,), 3),
        ("fma.rn.f32 %f3, %f0, %f0, %f1;", (1 + 2**-12, -1 - 2**-11), 2**-24),  # the product is not rounded
        ("max.f32 %f3, %f0, %f1;", (NAN, 1), 1),
        ("max.NaN.f32 %f3, %f0, %f1;", (NAN, 1), NAN),
        ("min.f32 %f3, %f0, %f1;", (-INF, 1), -INF),
        ("abs.f32 %f3, %f0;", (-2,), 2),
        ("setp.ltu.f32 %p1, %f0, %f1; selp.f32 %f3, %f0, %f1, %p1;", (NAN, 1), NAN),
        ("setp.lt.f32 %p1, %f0, %f1; selp.f32 %f3, %f0, %f1, %p1;", (NAN, 1), 1),
        ("setp.ne.f32 %p1, %f0, %f1; selp.f32 %f3, 0f40000000, 0f00000000, %p1;", (NAN, 1), 0),
        ("setp.nan.f32 %p1, %f0, %f0; selp.f32 %f3, %f1, %f0, %p1;", (NAN, 1), 1),
        ("cvt.rn.f16.f32 %h1, %f0; cvt.f32.f16 %f3, %h1;", (1 + 2**-11,), 1),  # a tie goes to even
        ("cvt.rn.f16.f32 %h1, %f0; cvt.f32.f16 %f3, %h1;", (65520,), INF),
        ("cvt.rn.f16x2.f32 %r8, %f0, %f1; mov.b32 {%h1, %h2}, %r8; cvt.f32.f16 %f3, %h2;", (3, 4), 3),
        ("cvt.rna.tf32.f32 %f3, %f0;", (1 + 2**-11,), 1 + 2**-10),  # a tie goes away from zero
        ("cvt.rna.tf32.f32 %f3, %f0;", (-1 - 2**-11 + 2**-23,), -1),
        ("cvt.rna.tf32.f32 %f3, %f0;", (2 - 2**-12,), 2),
        ("cvt.rna.tf32.f32 %f3, %f0;", (-INF,), -INF),
        ("cvt.rna.tf32.f32 %f3, %f0;", (NAN,), NAN),
        ("cvt.rzi.s32.f32 %r8, %f0; cvt.rn.f32.s32 %f3, %r8;", (-2.7,), -2),
        ("cvt.rni.s32.f32 %r8, %f0; cvt.rn.f32.s32 %f3, %r8;", (2.5,), 2),
        ("cvt.rzi.u32.f32 %r8, %f0; cvt.rn.f32.u32 %f3, %r8;", (-3,), 0),
        ("mov.b32 %r8, 0x40003C00; add.f16x2 %r8, %r8, %r8; mov.b32 {%h1, %h2}, %r8; cvt.f32.f16 %f3, %h2;", (), 4),
        (
            "mov.b32 %r8, 0x40003C00; fma.rn.f16x2 %r8, %r8, %r8, %r8; mov.b32 {%h1, _}, %r8; cvt.f32.f16 %f3, %h1;",
            (),
            2,
        ),
    ],
)
def test_floats(instruction, operands, expected):
    move = "mov.b32 %f0, %r4; mov.b32 %f1, %r5;"
    got = result(f"{move} {instruction} mov.b32 %r8, %f3;", tuple(map(bits, operands)))
    np.testing.assert_equal(np.uint32(got).view(np.float32), np.float32(expected))


def test_matrices():
    """Rows of A and columns of B by ldmatrix, their product by mma, as NumPy's."""
    rng = np.random.default_rng(0)
    A = rng.integers(-8, 8, (16, 16)).astype(np.float16)
    B = rng.integers(-8, 8, (16, 8)).astype(np.float16)
    # 32 rows of 16 bytes: the quarters of A as mma wants them; then the halves of B, by columns.
    quarters = [A[:8, :8], A[8:, :8], A[:8, 8:], A[8:, 8:]]
    halves = [B[:8], B[8:]]  # rows of B, which .trans turns into columns
    x = np.concatenate([*quarters, *halves, *[np.zeros((8, 8), np.float16)] * 2])
    body = """
        mov.u32 %r9, pool;
        shl.b32 %r10, %i, 4; add.s32 %r10, %r9, %r10;
        ld.global.v4.u32 {%r4, %r5, %r6, %r7}, [%in];
        st.shared.v4.u32 [%r10], {%r4, %r5, %r6, %r7};
        bar.sync 0;
        setp.ge.u32 %p1, %i, 32;
        @%p1 bra DONE;
        ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r4, %r5, %r6, %r7}, [%r10];
        ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%r11, %r12}, [%r10+512];
        mov.f32 %f0, 0f3F800000;
        mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
            {%f4, %f5, %f6, %f7}, {%r4, %r5, %r6, %r7}, {%r11, %r12}, {%f0, %f0, %f0, %f0};
        st.global.v4.f32 [%out], {%f4, %f5, %f6, %f7};
        DONE:
    """
    y = run(body, x, threads=64)[:32].view(np.float32)
    expected = A.astype(np.float32) @ B.astype(np.float32) + 1
    got = np.empty((16, 8), np.float32)
    for lane in range(32):
        row, column = lane // 4, lane % 4 * 2
        got[row, column : column + 2], got[row + 8, column : column + 2] = y[lane, :2], y[lane, 2:]
    np.testing.assert_array_equal(got, expected)


def test_matrices_of_tf32():
    """Rows of A and columns of B by ldmatrix, their product by mma, as NumPy's of what tf32 keeps of them."""
    rng = np.random.default_rng(0)
    A, B = (rng.integers(-8, 8, shape).astype(np.float32) for shape in ((16, 8), (8, 8)))
    # 16 bytes a row: the quarters of A as mma wants them, the halves of B by columns.
    quarters = [A[:8, :4], A[8:, :4], A[:8, 4:], A[8:, 4:]]
    x = np.concatenate([*quarters, B.T[:, :4], B.T[:, 4:], *[np.zeros((8, 4), np.float32)] * 2])
    body = """
        mov.u32 %r9, pool;
        shl.b32 %r10, %i, 4; add.s32 %r10, %r9, %r10;
        ld.global.v4.u32 {%r4, %r5, %r6, %r7}, [%in];
        st.shared.v4.u32 [%r10], {%r4, %r5, %r6, %r7};
        bar.sync 0;
        setp.ge.u32 %p1, %i, 32;
        @%p1 bra DONE;
        ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r4, %r5, %r6, %r7}, [%r10];
        ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r11, %r12}, [%r10+512];
        mov.f32 %f0, 0f3F800000;
        mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32
            {%f4, %f5, %f6, %f7}, {%r4, %r5, %r6, %r7}, {%r11, %r12}, {%f0, %f0, %f0, %f0};
        st.global.v4.f32 [%out], {%f4, %f5, %f6, %f7};
        DONE:
    """
    unread = np.float32(1 + 2.0**-11)  # of a number in tf32: it takes the last bits off
    y = run(body, x * unread, threads=64)[:32].view(np.float32)
    got = np.empty((16, 8), np.float32)
    for lane in range(32):
        row, column = lane // 4, lane % 4 * 2
        got[row, column : column + 2], got[row + 8, column : column + 2] = y[lane, :2], y[lane, 2:]
    np.testing.assert_array_equal(got, A @ B + 1)


def test_loops_of_different_length():
    body = """
        mov.u32 %r8, 0;
        mov.u32 %r9, 0;
        LOOP:
        setp.ge.u32 %p1, %r9, %i;
        @%p1 bra END;
        add.s32 %r8, %r8, %r9;
        add.s32 %r9, %r9, 1;
        bra.uni LOOP;
        END:
        bar.sync 0;
        st.global.u32 [%out], %r8;
    """
    assert run(body, threads=64, blocks=3)[:, 0].tolist() == [i * (i - 1) // 2 for i in range(192)]


@pytest.mark.parametrize(
    "statement",
    [
        "frobnicate.b32 %r4, %r5;",
        "add.cc.s32 %r4, %r4, %r4;",
        "cvt.rz.f16.f32 %h1, %f1;",
        "atom.global.add.u32 %r4, [%in], %r5;",
        ".local .align 8 .b8 stack[8];",
        "ld.u32 %r4, [%in];",
        "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%f4, %f5}, {%r4, %r5}, {%r6}, {%f4, %f5};",
    ],
)
def test_what_is_not_known_stops_the_run(statement):
    with pytest.raises(UnknownPtx):
        run(f"bra SKIP; {statement} SKIP:" if not statement.startswith(("ld", "mma", ".")) else statement)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("add.s32 %r8, %r9, 1;", "%r9 is read before it is set"),
        ("mov.u32 %r8, %clock;", "%clock is no register"),
        ("mov.u32 %r8, elsewhere;", "operand elsewhere"),
        ("ld.param.u64 %d5, [snippet_1+8];", "parameters have 16 bytes, byte 16 is read"),
        ("mov.u32 %r8, 0; div.u32 %r8, %r8, %r8;", "division by zero"),
        ("HERE: bra.uni HERE;", "does not end"),
    ],
)
def test_errors(body, message, monkeypatch):
    monkeypatch.setattr("tests.native.cuda.ptx.run.STEPS", 1000)
    with pytest.raises(PtxError, match=message):
        run(body)


def test_scopes_and_labels_are_read():
    made = function("HERE: { .reg .pred q; setp.eq.s32 q, %i, 0; @q bra THERE; } { .reg .pred q; } THERE:")
    assert made.labels == {"HERE": 10, "THERE": 12}
    assert (made.instructions[11].guard, made.instructions[11].negated) == ("q", False)
    assert made.type_of("q") == "pred"
    with pytest.raises(UnknownPtx, match="two types"):
        function("{ .reg .pred q; } { .reg .b32 q; }")


def test_shared_variables_come_before_the_pool():
    made = function(".shared .align 4 .b8 small[6]; .shared .align 16 .f32 wide[3];")
    assert (made.shared["small"], made.shared["wide"], made.static_bytes) == (0, 16, 28)


def test_comments_and_brackets():
    (made,) = parse("/* .entry x() { */ .entry f() // none\n { ret; } ").values()
    assert (made.name, made.parameters, len(made.instructions)) == ("f", {}, 1)
    assert split("{a, b}, [c+4], d") == ["{a, b}", "[c+4]", "d"]


def test_every_instruction_has_a_test():
    """Those that need nothing but registers; the rest is in test_checks.py and on the compiler's own output."""
    with open(__file__) as file:
        text = file.read()
    assert not [name for name in (*ARITHMETIC, *BITS) if f"{name}." not in text]
    assert {*ARITHMETIC, *BITS} < set(INSTRUCTIONS)
