"""`load_model`: a network from a file that is not trusted."""

from __future__ import annotations

from torch import nn

from cct.checkpoint.build_network import build_network
from cct.checkpoint.find_weights import find_weights
from cct.checkpoint.fit_weights import check_module, fit_weights
from cct.checkpoint.loaded_model import LoadedModel
from cct.checkpoint.own_format import is_own, load_own
from cct.checkpoint.read_file import read_file
from cct.errors import CheckpointError
from cct.model_source import ModelSource


def load_model(source: ModelSource) -> LoadedModel:
    """Read a network from a file that is not trusted: weights only, no code, unless the user says otherwise.

    Raises:
        CheckpointError: the file is no model that we can read, or does not fit the network.
    """
    path = source.path
    if source.arch_args and source.arch is None:
        raise CheckpointError("--arch-arg is an argument of the factory: name that with --arch package.module:factory")
    raw, sha256 = read_file(path, source.trust_pickle)
    if is_own(raw):
        return load_own(source, raw, sha256)
    found = find_weights(path, raw, source.key)
    if source.arch is None:
        if not isinstance(found, nn.Module):
            raise CheckpointError(f"{path} holds weights alone: name its network with --arch package.module:factory")
        return LoadedModel(check_module(path, found), arch=None, sha256=sha256)
    network = build_network(source.arch, source.arch_args)
    fit_weights(path, network, found.state_dict() if isinstance(found, nn.Module) else found)
    return LoadedModel(network.module.eval(), network.key, network.arguments, sha256)
