"""What LESER calls of vLLM: methods with their parameters, fields and routes; and whether an installed vLLM has them.

vLLM's sources are parsed, not imported: an import takes long, and needs a GPU's libraries. `USED` is written against vLLM 0.33.0.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from leser.errors import LeserError

SINCE = "0.33"
"""The version whose calls these are."""
COLOCATED: Mapping[str, tuple[str, ...]] = {
    "entrypoints/llm.py:LLM.__init__": (
        "model", "skip_tokenizer_init", "dtype", "seed", "gpu_memory_utilization", "enforce_eager",
    ),
    "engine/arg_utils.py:EngineArgs": (
        "max_model_len", "max_num_seqs", "enable_prefix_caching", "enable_sleep_mode", "logprobs_mode",
    ),
    "entrypoints/llm.py:LLM.generate": ("prompts", "sampling_params", "use_tqdm"),
    "entrypoints/llm.py:LLM.collective_rpc": ("method", "kwargs"),
    "entrypoints/llm.py:LLM.reset_prefix_cache": (),
    "entrypoints/llm.py:LLM.sleep": ("level",),
    "entrypoints/llm.py:LLM.wake_up": ("tags",),
    "v1/worker/gpu_worker.py:Worker.reload_weights": (),
    "v1/worker/gpu_model_runner.py:GPUModelRunner.reload_weights": ("weights_iterator",),
    "v1/engine/core_client.py:InprocClient.shutdown": (),
    "inputs/llm.py:TokensPrompt": ("prompt_token_ids",),
    "sampling_params.py:SamplingParams": (
        "n", "temperature", "seed", "stop_token_ids", "max_tokens", "logprobs", "detokenize",
    ),
    "outputs.py:CompletionOutput": ("index", "token_ids", "logprobs", "finish_reason"),
    "logprobs.py:Logprob": ("logprob",),
}  # fmt: skip
"""By file and name: parameters of a function or method, fields of a class."""
SERVER: Mapping[str, tuple[str, ...]] = {
    "entrypoints/scale_out/token_in_token_out/api_router.py:POST /inference/v1/generate": (),
    "entrypoints/scale_out/token_in_token_out/protocol.py:GenerateRequest": ("token_ids", "sampling_params", "stream"),
    "entrypoints/scale_out/token_in_token_out/protocol.py:GenerateChoiceBase": (
        "index", "finish_reason", "token_ids", "weight_versions",
    ),
    "entrypoints/scale_out/token_in_token_out/protocol.py:GenerateLogProbs": ("content",),
    "entrypoints/scale_out/token_in_token_out/protocol.py:GenerateLogProb": ("token_id", "logprob"),
    "outputs.py:WeightVersionSpan": ("version",),
    "sampling_params.py:SamplingParams": (
        "n", "temperature", "seed", "stop_token_ids", "max_tokens", "logprobs", "detokenize",
    ),
    "entrypoints/serve/dev/server_info/api_router.py:GET /server_info": (),
    "entrypoints/serve/dev/rpc/api_router.py:POST /collective_rpc": (),
    "entrypoints/serve/dev/cache/api_router.py:POST /reset_prefix_cache": (),
    "entrypoints/rl/online/api_router.py:POST /pause": ("mode",),
    "entrypoints/rl/online/api_router.py:POST /resume": (),
    "entrypoints/rl/online/api_router.py:POST /update_weight_version": ("new_version",),
    "entrypoints/rl/online/api_router.py:GET /get_world_size": (),
    "v1/worker/gpu_model_runner.py:GPUModelRunner.reload_weights": ("weights_path",),
    "config/model.py:ModelConfig": ("logprobs_mode", "max_model_len"),
}  # fmt: skip
"""The same for a server: its routes ("POST /path") with their parameters, fields of what is sent and of what comes back."""
TRANSFER: Mapping[str, tuple[str, ...]] = {
    "distributed/weight_transfer/factory.py:WeightTransferTrainerFactory.trainer_init": ("init_info", "client", "source"),
    "distributed/weight_transfer/nccl_engine.py:NCCLTrainerInitInfo": ("master_address", "master_port", "world_size"),
    "distributed/weight_transfer/base.py:TrainerInitInfo": ("rank",),
    "distributed/weight_transfer/base.py:ParamMeta": ("name", "dtype", "shape"),
    "distributed/weight_transfer/base.py:WeightSource.metadata": (),
    "distributed/weight_transfer/base.py:WeightSource.iter_full": (),
    "distributed/weight_transfer/base.py:TrainerWeightTransferEngine.send_weights": (),
    "distributed/weight_transfer/base.py:TrainerWeightTransferEngine.shutdown": (),
    "distributed/weight_transfer/base.py:VLLMWeightSyncClient.init_weight_transfer_engine": ("init_info",),
    "distributed/weight_transfer/base.py:VLLMWeightSyncClient.start_weight_update": (),
    "distributed/weight_transfer/base.py:VLLMWeightSyncClient.update_weights": ("update_info",),
    "distributed/weight_transfer/base.py:VLLMWeightSyncClient.finish_weight_update": ("weight_version",),
    "entrypoints/rl/online/api_router.py:POST /init_weight_transfer_engine": ("init_info",),
    "entrypoints/rl/online/api_router.py:POST /start_weight_update": (),
    "entrypoints/rl/online/api_router.py:POST /update_weights": ("update_info",),
    "entrypoints/rl/online/api_router.py:POST /finish_weight_update": (),
}  # fmt: skip
"""The same for weights that go from GPU to GPU."""


def check_installed(used: Mapping[str, tuple[str, ...]], engine: str, advice: str) -> str:
    """The installed vLLM in words; raises LeserError where there is none, or where it lacks something that is used."""
    spec = find_spec("vllm")
    if spec is None or not spec.submodule_search_locations:
        raise LeserError(
            f"The rollout engine '{engine}' needs the package vllm, which is not installed. Run: pip install 'vllm>={SINCE}' "
            f"(it brings its own torch), or {advice}."
        )
    try:
        installed = version("vllm")
    except PackageNotFoundError:
        installed = "of an unknown version"
    lacking = missing(used, signatures(Path(spec.submodule_search_locations[0]), used))
    if lacking:
        raise LeserError(
            f"The installed vllm {installed} lacks what the rollout engine '{engine}' calls: {', '.join(lacking[:4])}. "
            f"Install one that has it (pip install 'vllm=={SINCE}.*'), or {advice}."
        )
    return f"vllm {installed}"


def missing(used: Mapping[str, tuple[str, ...]], known: Mapping[str, tuple[str, ...]]) -> list[str]:
    """What is used and not known, in words: a whole name, or one of its parameters."""
    lacking = []
    for name, parameters in used.items():
        shown = name.rpartition(":")[2]
        if name not in known:
            lacking.append(shown)
        lacking += [f"{shown}({p})" for p in parameters if name in known and p not in known[name]]
    return lacking


def signatures(package: Path, names: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """Parameters and fields of these names in a package's sources; a name that is not there is left out."""
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        file, _, inner = name.rpartition(":")
        path = package / file
        if path.is_file() and (known := _definitions(path).get(inner)) is not None:
            found[name] = known
    return found


@cache
def _definitions(path: Path) -> dict[str, tuple[str, ...]]:
    return dict(_walk(ast.parse(path.read_text(encoding="utf-8")), ""))


def _walk(node: ast.AST, prefix: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            fields = (
                f.target.id for f in child.body if isinstance(f, ast.AnnAssign) and isinstance(f.target, ast.Name)
            )
            yield f"{prefix}{child.name}", tuple(fields)
            yield from _walk(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            given = child.args
            parameters = tuple(a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs) if a.arg != "self")
            yield f"{prefix}{child.name}", parameters
            yield from ((route, parameters) for route in map(_route, child.decorator_list) if route)


def _route(decorator: ast.expr) -> str:
    """ "POST /path" of @router.post("/path"); an empty text for another decorator."""
    if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute) and decorator.args:
        verb, path = decorator.func.attr, decorator.args[0]
        if verb in ("get", "post") and isinstance(path, ast.Constant) and isinstance(path.value, str):
            return f"{verb.upper()} {path.value}"
    return ""
