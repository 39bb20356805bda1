"""The checks of ``distil doctor``, each with one finding."""

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ... import __version__
from ...children.engine_trial import Trial, try_engine
from ...errors import DistilError
from ...machine import graphics, processor
from ...machine.builds import source_command
from ...machine.installation import short_path
from ...models import (
    ModelFile,
    ModelReference,
    cached_files,
    demo,
    find,
    hub_settings,
    is_intact,
)
from ...models.catalog import REPOSITORY
from ...models.choice import choose_model
from ...units import format_bytes
from ..shared.offload import GPU_LAYERS, remedy_without_device
from .finding import Finding, State, failed
from .surroundings import cache, limits

_SECONDS = 2.0  # of generation


def examine() -> Iterator[Finding]:
    """Run all checks, the quick ones first."""
    yield _versions()
    trial = try_engine(_SECONDS, str(demo().path), os.environ.get(GPU_LAYERS) or "auto")
    if trial.facts:
        yield _build(trial.facts)
        yield _devices(trial.facts)
        yield _processor(trial.facts)
        yield _threads(trial)
    yield limits()
    wanted = _wanted_model()
    needed: State = "note" if wanted.facts.get("downloaded", True) else "problem"
    yield cache(needed)
    yield _downloads()
    yield wanted
    yield _hub(needed)
    yield _generation(trial)


def _versions() -> Finding:
    from importlib import metadata

    facts = {
        "distil": __version__,
        "llama_cpp_python": metadata.version("llama-cpp-python"),
        "huggingface_hub": metadata.version("huggingface-hub"),
        "python": platform.python_version(),
        "system": platform.platform(),
    }
    text = (
        f"distil {facts['distil']}, llama-cpp-python {facts['llama_cpp_python']}, huggingface-hub"
        f" {facts['huggingface_hub']}, Python {facts['python']}, {facts['system']}"
    )
    return Finding("versions", "ok", text, facts=facts)


def _build(facts: Mapping[str, Any]) -> Finding:
    text = f"llama.cpp {facts['versions']['llama_cpp']} for {' and '.join(facts['backends'])}"
    found = {key: facts[key] for key in ("versions", "backends")}
    return Finding("build", "ok", text, facts=found)


def _devices(facts: Mapping[str, Any]) -> Finding:
    adapters = graphics.adapters()
    devices: Sequence[Mapping[str, Any]] = facts["devices"]
    found = {"devices": devices, "adapters": [str(adapter) for adapter in adapters]}
    if devices:
        listing = "; ".join(map(_device, devices))
        return Finding("devices", "ok", listing, facts=found)
    if adapters:
        names = ", ".join(map(str, adapters))
        text = f"{names} in this machine, but not used by this build"
        return Finding("devices", "note", text, remedy_without_device(), found)
    if facts["backends"] != ["CPU"]:
        return Finding("devices", "note", "no GPU found", remedy_without_device(), found)
    return Finding("devices", "ok", "no GPU: everything runs on the processor", facts=found)


def _device(device: Mapping[str, Any]) -> str:
    return (
        f"{device['name']}: {device['description']}, {format_bytes(device['free_bytes'])} of"
        f" {format_bytes(device['total_bytes'])} free"
    )


def _processor(facts: Mapping[str, Any]) -> Finding:
    used, known = facts["features"], processor.features()
    missed = sorted(known - set(used))
    text = f"{processor.name()}; used: {', '.join(used) or 'nothing special'}"
    found = {"name": processor.name(), "used": used, "missed": missed}
    if not missed:
        return Finding("processor", "ok", text, facts=found)
    text += f"; not used by this build, which makes it slower: {', '.join(missed)}"
    remedy = f"Compile for this processor: {source_command('-DGGML_NATIVE=on')}"
    return Finding("processor", "note", text, remedy, found)


def _threads(trial: Trial) -> Finding:
    cores = trial.facts["cores"] if trial.facts else None
    chosen = trial.generation["threads"] if trial.generation else None
    text = f"{cores} usable cores"
    if chosen:
        text += f"; auto chose {chosen}"
    found = {"cores": cores, "threads": chosen}
    return Finding("threads", "ok", text, facts=found)


def _downloads() -> Finding:
    states = {True: "intact", False: "damaged", None: "unknown"}
    try:
        found = {
            reference.quantization: states[is_intact(reference, file, lambda _count: None)]
            for reference, file in cached_files(REPOSITORY, None)
        }
    except DistilError as error:
        return failed("downloads", "note", error)
    text = ", ".join(f"{name} {state}" for name, state in found.items()) or "none yet"
    facts = {"downloads": found}
    if "damaged" in found.values():
        remedy = "Run `distil verify --all --repair`."
        return Finding("downloads", "note", text, remedy, facts)
    return Finding("downloads", "ok", text, facts=facts)


def _wanted_model() -> Finding:
    """Check the model that generate uses without options."""
    try:
        wanted = choose_model(os.environ)
        file = wanted if isinstance(wanted, ModelFile) else find(wanted)
        return _chosen_model(wanted, file)
    except DistilError as error:
        return failed("model", "problem", error)


def _chosen_model(wanted: ModelFile | ModelReference, file: ModelFile | None) -> Finding:
    if file is None:
        assert isinstance(wanted, ModelReference)
        size = f" ({format_bytes(wanted.pinned.size)})" if wanted.pinned else ""
        text = f"{wanted.quantization} is not downloaded yet{size}"
        remedy = f"Run `{wanted.download_command}`, or let generate download it."
        return Finding("model", "note", text, remedy, {"downloaded": False})
    facts = {"downloaded": True, "name": file.name, "path": short_path(file.path)}
    if isinstance(wanted, ModelReference) and (
        is_intact(wanted, file, lambda _count: None) is False
    ):
        remedy = f"Run `{wanted.download_command}`."
        return Finding("model", "problem", f"{file.name} is damaged", remedy, facts)
    return Finding("model", "ok", f"{file.name}, {format_bytes(file.size)}", facts=facts)


def _hub(state: State) -> Finding:
    """Check what a download depends on; ``state`` is that of a failure."""
    faults = list(hub_settings.faults(os.environ))
    if faults:
        return failed("hub", state, *faults)
    from ...models.hub import answer_seconds
    from ...models.hub_errors import endpoint, proxy_in_use

    try:
        seconds = answer_seconds()
    except DistilError as error:
        return failed("hub", state, error, endpoint=endpoint())
    proxy = proxy_in_use()
    facts = {"endpoint": endpoint(), "seconds": round(seconds, 3), "proxy": proxy and str(proxy)}
    through = f" through the proxy {proxy}" if proxy else ""
    return Finding("hub", "ok", f"{endpoint()} answers in {seconds:.2f} s{through}", facts=facts)


def _generation(trial: Trial) -> Finding:
    if trial.failure:
        return failed("generation", "problem", trial.failure)
    assert trial.generation
    facts = trial.generation
    layers = ", ".join(f"{count} layers on {device}" for device, count in facts["layers"].items())
    text = f"{facts['tokens_per_second']:.0f} tokens/s with the demo model, {layers}"
    if facts["refusal"]:
        text += f"; could not be loaded on the GPU: {facts['refusal']}"
        return Finding(
            "generation", "note", text, "Use --gpu-layers all to see how many layers fit.", facts
        )
    return Finding("generation", "ok", text, facts=facts)
