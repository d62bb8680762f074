from cct.messages import first_line, message, printable, some


def test_names_stay_on_one_line() -> None:
    assert printable("layer1.0.conv") == "layer1.0.conv"
    assert printable("größe\n\x1b[31m\u2028") == "größe\\n\\x1b[31m\\u2028"
    assert printable("x" * 101) == "x" * 100 + "..."
    assert printable(10**5000) == "a number too long to write"


def test_the_first_of_many() -> None:
    assert some([]) == ""
    assert some("abc") == "a, b, c"
    assert some("abcde") == "a, b, c and 2 more"
    assert some({"a\n": 1, 5: 2}, 1) == "a\\n and 1 more"


def test_what_an_exception_says() -> None:
    assert first_line(ValueError("\n  one\ntwo")) == "one"
    assert first_line(ValueError("\x1b[2J")) == "\\x1b[2J"
    assert first_line(ValueError()) == "ValueError"
    assert first_line(SystemExit(0)) == "sys.exit(0)"


def test_messages_hold_long_paths_on_one_line() -> None:
    assert message("a\nb" + "x" * 1000) == "a\\nb" + "x" * 1000
    assert len(message("x" * 10**6)) < 3000
