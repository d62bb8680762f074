from benchmarks.speed.table import as_markdown, with_batch_1, with_stride_1


def row(name, group="chains", ours=2.0, **changed):
    times = {"cct": ours, "onnxruntime": 12.0, "deepsparse": 5.0}
    return {
        "group": group,
        "name": name,
        "block": "4x1",
        "asked": 0.125,
        "density": 0.125,
        "batch": 1,
        "threads": 1,
        "convolutions": 6,
        "gflop": 0.15,
        "packed": "6 of 6",
        "bytes": {"dense": 8e6, "packed": 1e6},
        "ms": {
            engine: {"median": time, "low": time * 0.9, "high": time * 1.1, "runs": 9} for engine, time in times.items()
        },
        "load_ms": {"cct": 10.0, "onnxruntime": 20.0},
        "peak": {"avx2": 100.0},
        "missing": {"openvino": "no Python"},
        "library": "abc",
        **changed,
    }


def test_chains_with_means_and_what_is_missing():
    rows = [row("64@56"), row("128@28", ours=0.5)]
    text = as_markdown({"machine": "a machine", "versions": {"onnxruntime": "1.31"}, "rows": rows})
    assert "Peak, measured between the runs: 100 GFLOP/s with 1 thread." in text
    assert (
        "| 64@56 | 4x1 | 0.125 | 1 | 2.000 ±10% | 0.333 ±10% | 6.00x |  | 0.833 ±10% | 2.50x DeepSparse | 75% | 8.0x |"
        in text
    )
    assert "| 4x1 | 0.125 | 1 | 12.00x | 6.00x | 150.0% | 5.00x | 2.50x |" in text
    assert "- OpenVINO: no Python (64@56, 128@28)" in text


def test_every_group_has_a_table():
    rows = [
        row("a", "sweep"),
        row("b", "widths"),
        row("c stride 1", "strides"),
        row("d@32", "networks", convolutions=0),
    ]
    text = as_markdown({"machine": "a machine", "versions": {}, "rows": rows})
    for heading in ("Other densities", "Widths", "Stride 2", "Networks"):
        assert f"\n## {heading}" in text
    assert "| d@32 | 0.125 | 6 of 6 | 1 | 1 | 12.00 ±10% | 2.00 ±10% | 6.00x |" in text


def test_stride_2_beside_stride_1():
    rows = with_stride_1([row("a stride 1"), row("a stride 2", ours=4.0), row("b stride 2")])
    assert [r["beside"] for r in rows] == [None, 0.5, None]


def test_batch_16_beside_batch_1():
    rows = with_batch_1([row("a"), row("a", batch=16, ours=4.0), row("b", batch=16)])
    assert [r["beside"] for r in rows] == [None, 0.5, None]
