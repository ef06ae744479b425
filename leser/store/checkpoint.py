"""Checkpoints: everything a run needs to go on as if it had never stopped, in one folder put in place by a rename.

All noise of a run comes from (seed, step, query, sample), so no generator's state is kept: the weights, AdamW's moments
and a few counters are the whole state. Tensors are safetensors, the rest JSON; nothing is pickled. A digest of every file
is stored, and a checkpoint that does not match it is passed over for the one before, loudly.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leser.errors import LeserError
from leser.files import write_folder

if TYPE_CHECKING:
    import torch

STATE = "state.json"


def save_checkpoint(
    folder: Path, name: str, state: dict[str, Any], model: torch.nn.Module, optimizer: torch.optim.Optimizer | None
) -> Path:
    """Write checkpoints/NAME: `state` (JSON), the model's weights and the optimiser's moments, atomically."""
    from safetensors.torch import save_file

    def fill(part: Path) -> None:
        save_file(_tensors(model), part / "model.safetensors")
        if optimizer is not None:
            save_file(_moments(optimizer), part / "optimizer.safetensors")
        content = {"state": state, "digests": digests_of(part)}
        (part / STATE).write_text(json.dumps(content, indent=1), encoding="utf-8")

    write_folder(folder / name, fill)
    return folder / name


def digests_of(folder: Path) -> dict[str, str]:
    """The digest of each file in a folder."""
    return {path.name: _digest(path) for path in sorted(folder.iterdir())}


def read_state(checkpoint: Path) -> dict[str, Any]:
    """A checkpoint's state after its files were held against their digests; raises LeserError when one differs."""
    try:
        written = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
        wrong = [n for n, d in written["digests"].items() if _digest(checkpoint / n) != d]
    except (OSError, ValueError, KeyError) as error:
        raise LeserError(f"The checkpoint {checkpoint} cannot be read: {error}.") from error
    if wrong:
        raise LeserError(f"The checkpoint {checkpoint} is damaged: {', '.join(wrong)} differs from its digest.")
    state: dict[str, Any] = written["state"]
    return state


def latest_checkpoint(folder: Path, warn: Callable[[str], None]) -> tuple[Path, dict[str, Any]] | None:
    """The newest whole checkpoint and its state; damaged ones are passed over with a warning; None where there is none."""
    names = [p for p in folder.glob("step-*") if p.name.removeprefix("step-").isdigit()]
    for checkpoint in sorted(names, key=lambda p: -int(p.name.removeprefix("step-"))):
        try:
            return checkpoint, read_state(checkpoint)
        except LeserError as error:
            warn(f"{error} Going back to the one before.")
    return None


def load_weights(checkpoint: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer | None = None) -> None:
    """Put a checkpoint's weights, and moments where an optimiser is given, in place."""
    import torch
    from safetensors.torch import load_file

    stored = load_file(checkpoint / "model.safetensors")
    held = _kept(model)
    if strange := sorted(stored.keys() - held.keys()):
        raise LeserError(
            f"The checkpoint {checkpoint} holds weights that this policy does not train ({strange[0]}): another version of LESER "
            "or another policy wrote it. Resume with that version, or start a new run with another --out."
        )
    with torch.no_grad():
        for name, parameter in held.items():
            if name in stored:
                parameter.copy_(stored[name])
    if optimizer is not None:
        _restore_moments(optimizer, moments_in(checkpoint))


def moments_in(checkpoint: Path) -> dict[str, torch.Tensor]:
    """The moments that a checkpoint holds, by the weight's number and their name; none where no step had been taken."""
    from safetensors.torch import load_file

    file = checkpoint / "optimizer.safetensors"
    return load_file(file) if file.exists() else {}


def prune(folder: Path, keep: int, best: str | None) -> None:
    """Keep the last `keep` checkpoints and the best on dev."""
    names = sorted((p for p in folder.glob("step-*")), key=lambda p: int(p.name.removeprefix("step-")))
    for checkpoint in names[:-keep]:
        if checkpoint.name != best:
            shutil.rmtree(checkpoint)


def _tensors(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The weights, a tied one once (safetensors refuses two names for one storage); of a frozen model the trained ones."""
    seen: dict[int, str] = {}
    out = {}
    for name, tensor in _kept(model).items():
        if tensor.data_ptr() in seen:
            continue
        seen[tensor.data_ptr()] = name
        out[name] = tensor.detach().cpu().contiguous()
    return out


def _kept(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """What a checkpoint holds of a model: all of it, or what is trained where the rest is frozen and never changes."""
    whole: dict[str, torch.Tensor] = model.state_dict(keep_vars=True)
    trained = {name: tensor for name, tensor in whole.items() if tensor.requires_grad}
    return trained if any(not p.requires_grad for p in model.parameters()) else whole


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """The optimiser's state as flat names: parameter index, then the moment's name; what is nested has both names."""
    import torch

    out: dict[str, torch.Tensor] = {}
    seen: set[int] = set()
    for index, state in optimizer.state_dict()["state"].items():
        for key, value in _flat(state, f"{index}"):
            tensor = value.detach().cpu().contiguous() if torch.is_tensor(value) else torch.tensor(value)
            # the map of a quantised state is one tensor for all, and safetensors refuses two names for one storage
            out[key] = tensor.clone() if tensor.data_ptr() in seen else tensor
            seen.add(tensor.data_ptr())
    return out


def _flat(state: Mapping[str, Any], at: str) -> Iterator[tuple[str, Any]]:
    for key, value in state.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{at}.{key}")
        else:
            yield f"{at}.{key}", value


def _restore_moments(optimizer: torch.optim.Optimizer, stored: dict[str, torch.Tensor]) -> None:
    import torch

    if not stored:
        return
    whole = optimizer.state_dict()
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in stored.items():
        index, *tables, key = name.split(".")
        place = state.setdefault(int(index), {})
        for table in tables:
            place = place.setdefault(table, {})
        counts = tensor.dtype == torch.int64 and not tensor.dim()  # a number that no tensor held
        place[key] = int(tensor) if counts else tensor
    whole["state"] = state
    optimizer.load_state_dict(whole)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()
