"""The driver's end, with small scripts in place of engines; then the real worker with ONNX Runtime."""

import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import benchmarks.engines.process
import cct
from benchmarks.engines.peer_model import NotConvertible, write_peer_model
from benchmarks.engines.process import EngineError, EngineProcess, one_line

SPINNING = """
import json, sys, threading
print(json.dumps({"version": "1"}), flush=True)
def spin():
    while True: pass
threading.Thread(target=spin, daemon=True).start()
for line in sys.stdin:
    print(json.dumps({"got": json.loads(line)}), flush=True)
"""
WORKER = Path(benchmarks.engines.process.__file__).parent / "worker.py"


def script(text):
    return EngineProcess([sys.executable, "-c", text])


def cpu_ticks(process):
    fields = Path(f"/proc/{process._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def test_no_cpu_between_questions():
    with script(SPINNING) as process:
        process.wait_until_started()
        assert process.greeting == {"version": "1"}
        assert process.ask("turn", 3) == {"got": ["turn", 3]}
        time.sleep(0.05)  # the signal has come
        before = cpu_ticks(process)
        time.sleep(0.3)
        assert cpu_ticks(process) - before <= 1
        assert process.ask("turn", 1) == {"got": ["turn", 1]}
    assert process._process.returncode is not None


def test_an_error_is_said_in_one_line():
    text = """print('{"error": "no such\\\\n   model"}', flush=True)"""
    with script(text) as process, pytest.raises(EngineError, match=r"^no such model$"):
        process.wait_until_started()


def test_last_words_of_one_that_dies():
    with script("import sys; sys.exit('no breath')") as process, pytest.raises(EngineError, match=r"^no breath$"):
        process.wait_until_started()


def test_no_answer(monkeypatch):
    monkeypatch.setattr(benchmarks.engines.process, "LIMIT_SECONDS", 0.2)
    with script("import time; time.sleep(60)") as process, pytest.raises(EngineError, match="no answer"):
        process.wait_until_started()


class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = torch.nn.Conv2d(3, 16, 3)

    def forward(self, x):
        return torch.relu(self.convolution(x)).mean((2, 3))


@pytest.mark.usefixtures("one_thread")
def test_peer_model_and_worker_agree_with_torch(tmp_path):
    module = Small().eval()
    cct.export(module, torch.zeros(1, 3, 8, 8), tmp_path / "dense.onnx", pack=False)
    write_peer_model(tmp_path / "dense.onnx", tmp_path / "peer.onnx", 2)
    model = onnx.load(tmp_path / "peer.onnx")
    assert [opset.version for opset in model.opset_import] == [13]
    assert [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == [2, 3, 8, 8]
    with EngineProcess([sys.executable, WORKER, "onnxruntime", "1", "0"]) as process:
        process.wait_until_started()
        with pytest.raises(EngineError, match=r"Load model from none.onnx failed"):
            process.ask("load", str(tmp_path / "none.onnx"), 2)
        process.ask("load", str(tmp_path / "peer.onnx"), 2)
        process.ask("answer", str(tmp_path / "y.npy"))
        assert len(process.ask("turn", 4)["seconds"]) == 4
    images = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
    with torch.no_grad():
        want = module(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), want, atol=1e-5)


def test_a_reason_has_no_paths():
    text = "Load model from /tmp/a/none.onnx\nfailed, see https://example.com/why"
    assert one_line(text) == "Load model from none.onnx failed, see why"


def test_peer_model_says_what_it_can_not_convert(tmp_path):
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.GELU()).eval()  # one operator since opset 20
    cct.export(module, torch.zeros(1, 3, 8, 8), tmp_path / "dense.onnx", pack=False)
    model = onnx.load(tmp_path / "dense.onnx")
    model.graph.node[-1].op_type = "Gelu"
    del model.graph.node[-1].input[1:]
    onnx.save(model, tmp_path / "dense.onnx")
    with pytest.raises(NotConvertible, match="Gelu"):
        write_peer_model(tmp_path / "dense.onnx", tmp_path / "peer.onnx", 1)
