"""Loading weights from files, never by unpickling objects."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from labelaudit.errors import InputError
from labelaudit.runtime.regular_files import require_regular


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of a state dict that `torch.load(weights_only=True)` accepts.

    Raises:
        InputError: The file is missing or holds something else.
    """
    require_regular(path, "weights")
    import timm  # as in timm_models

    try:
        state: dict[str, Tensor] = timm.models.load_state_dict(str(path), weights_only=True)
    # Whatever a broken or hostile file makes the readers raise, the answer is the same.
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(
            f"cannot read {path} as safetensors or as a plain state dict: {reason}", option="weights"
        ) from error
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path} holds no state dict (names to tensors)", option="weights")
    broken = next((name for name, value in state.items() if not value.isfinite().all()), None)
    if broken is not None:
        raise InputError(f"{path} is damaged: {broken!r} is not all finite numbers", option="weights")
    return state


def check_names(module: nn.Module, state: dict[str, Tensor], path: Path, name: str, head: tuple[str, ...]) -> None:
    """Refuse weights that leave parameters of the network, other than its classification head, unfilled.

    Raises:
        InputError: Some are not in the file.
    """
    wanted = [key for key, _ in module.named_parameters() if key.rpartition(".")[0] not in head]
    missing = [key for key in wanted if key not in state]
    if missing:
        raise InputError(
            f"{path} is of another architecture than {name}: {len(missing)} of its {len(wanted)} parameters "
            f"are not in the file, for example {missing[0]!r} (the file has {next(iter(state))!r})",
            option="weights",
        )


def load_whole(module: nn.Module, path: Path, name: str) -> None:
    """Fill a network from a file, every parameter by name.

    Raises:
        InputError: A name or shape does not fit.
    """
    state = read_weights(path)
    check_names(module, state, path, name, head=())
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(
            f"{path} does not fit {name}: {str(error).splitlines()[-1].strip()}", option="weights"
        ) from error
