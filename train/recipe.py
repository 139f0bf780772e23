"""Training recipes: one YAML file each, checked key by key before any work starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mobile_runtime.errors import DataError
from mobile_runtime.taxonomy import HAM10000_CLASSES, NODE_LABELS, default_taxonomy
from train.yaml_files import read_yaml

RECIPES = Path(__file__).parent / "recipes"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


_Share = Annotated[float, Field(ge=0, lt=1)]


class Augmentation(_Strict):
    """Strengths of the random views; a probability of 0 switches a step off. See `train.augmentation`.

    The defaults are mild: with strong views a short run never learns that colour and scale are evidence.
    """

    crop_scale: tuple[Annotated[float, Field(gt=0, le=1)], Annotated[float, Field(gt=0, le=1)]] = (0.8, 1.0)
    shift: float = Field(0.1, ge=0, le=0.5)
    rotation_probability: float = Field(0.5, ge=0, le=1)
    squash_probability: float = Field(0.15, ge=0, le=1)
    squash: float = Field(1.2, ge=1)
    resolution_cap: int = Field(150, ge=16, description="no training view is sharper than this many pixels a side")
    soften_probability: float = Field(0.1, ge=0, le=1)
    soften_to: int = Field(56, ge=16)
    colour_probability: float = Field(0.5, ge=0, le=1)
    brightness: _Share = 0.12
    contrast: _Share = 0.12
    white_balance: _Share = 0.05
    saturation: _Share = 0.12
    gamma: _Share = 0.1
    blur_probability: float = Field(0.05, ge=0, le=1)
    noise_probability: float = Field(0.05, ge=0, le=1)
    jpeg_probability: float = Field(0.1, ge=0, le=1)
    hair_probability: float = Field(0.05, ge=0, le=1)
    erase_probability: float = Field(0.1, ge=0, le=1)
    inscribed_rotation: bool = Field(
        False, description="turn the centre square by any angle and keep the largest upright rectangle; no random crop"
    )
    random_operations: int = Field(0, ge=0, le=8, description="so many operations after RandAugment on top")
    operation_strength: float = Field(0.3, ge=0, le=1)

    @model_validator(mode="after")
    def _ordered(self) -> Augmentation:
        if self.crop_scale[0] > self.crop_scale[1]:
            raise ValueError("crop_scale goes from the smaller to the larger share")
        if self.soften_probability > 0 and self.soften_to > self.resolution_cap:
            raise ValueError("soften_to is above resolution_cap")
        return self


class SplitPlan(_Strict):
    """Shares of the lesions, in folds of `folds`; the rest trains."""

    folds: int = Field(20, ge=3)
    test_folds: int = Field(3, ge=1)
    val_folds: int = Field(2, ge=1)
    seed: int = Field(2017, ge=0, lt=2**32)


class Recipe(_Strict):
    """Everything that decides a training run besides the data.

    Attributes:
        backbone: a timm model name.
        classes: taxonomy nodes, in the order of the outputs.
        input_size: S, pixels a side.
        batch_size: images in a step, over all processes together; each takes an equal share.
        max_class_size: where given, the disease partition with this limit takes the place of `classes` (see `train.partition`).
        optimizer: `rmsprop` is TensorFlow's, with epsilon under the root.
        rms_decay, momentum, epsilon: of `rmsprop`.
        learning_rate: the highest of the schedule.
        schedule: `one_cycle`; `cosine` after a linear warm-up; `steps`, divided by `step_factor` every `step_epochs`.
        warmup: share of the steps over which `one_cycle` and `cosine` rise.
        gradient_clip: largest norm of the gradient; 0 does not clip.
        mixup: alpha of Zhang et al. 2018 (mixup: beyond empirical risk minimization); 0 mixes nothing.
        ema_decay: decay of the moving average of the weights that is kept; 0 keeps the last weights.
        logit_adjustment: tau of Menon et al. 2021 (Long-tail learning via logit adjustment, eq. 10); 0 is plain likelihood.
        repeats: data set -> how often each of its training images is seen per epoch, 1 if not named; 0 trains without them.
        orientations: how many orientations of a picture the network averages, on the phone, too: 2 doubles its time.
        fixed_views: how many different random views of each image there are; 0 draws fresh ones in every epoch.
    """

    name: str
    backbone: str = "mobilenetv2_100"
    classes: tuple[str, ...] = Field(HAM10000_CLASSES, min_length=2)
    max_class_size: int | None = Field(None, ge=1)
    input_size: int = Field(144, ge=32, le=1024)
    epochs: int = Field(12, ge=1)
    batch_size: int = Field(32, ge=2)
    optimizer: Literal["adamw", "rmsprop"] = "adamw"
    rms_decay: float = Field(0.9, gt=0, lt=1)
    momentum: float = Field(0.9, ge=0, lt=1)
    epsilon: float = Field(0.1, gt=0)
    schedule: Literal["one_cycle", "cosine", "steps"] = "one_cycle"
    step_epochs: int = Field(30, ge=1)
    step_factor: float = Field(16.0, gt=1)
    gradient_clip: float = Field(1.0, ge=0)
    mixup: float = Field(0.0, ge=0)
    learning_rate: float = Field(5e-4, gt=0)
    warmup: float = Field(0.15, gt=0, lt=1)
    weight_decay: float = Field(0.02, ge=0)
    ema_decay: float = Field(0.998, ge=0, lt=1)
    label_smoothing: float = Field(0.05, ge=0, lt=1)
    logit_adjustment: float = Field(0.5, ge=0)
    drop_rate: float = Field(0.2, ge=0, lt=1)
    repeats: dict[str, Annotated[int, Field(ge=0, le=64)]] = {}
    orientations: Literal[1, 2, 4, 8] = 1
    fixed_views: int = Field(0, ge=0, le=64)
    augmentation: Augmentation = Augmentation()
    split: SplitPlan = SplitPlan()
    seed: int = Field(0, ge=0, lt=2**32)

    @property
    def view_size(self) -> int:
        """Pixels a side of the random views that the objective is given."""
        return self.input_size


_R = TypeVar("_R", bound=Recipe)


def read_stored(text: str, schema: type[_R]) -> _R:
    """The recipe that a checkpoint carries, written by this version, an older or a newer one.

    Keys that it lacks take their defaults, and keys that this version does not know are left out: neither says how weights
    are to be read.

    Raises:
        ValidationError: what is left is not a recipe.
    """

    parts: dict[str, type[BaseModel]] = {"augmentation": Augmentation, "split": SplitPlan}

    def known(document: Any, model: type[BaseModel]) -> Any:
        if not isinstance(document, dict):
            return document
        kept = {name: value for name, value in document.items() if name in model.model_fields}
        return {name: known(value, parts[name]) if name in parts else value for name, value in kept.items()}

    return schema.model_validate_json(json.dumps(known(json.loads(text), schema)))


def load_recipe(name_or_path: str) -> Recipe:
    """Load a recipe by the name of a file in `train/recipes` or by path; errors as `read_recipe`."""
    return read_recipe(name_or_path, Recipe, RECIPES)


def overridden(recipe: _R, seed: int | None, epochs: int | None) -> _R:
    """A recipe with another seed or number of epochs; None keeps its own."""
    changes = {name: value for name, value in (("seed", seed), ("epochs", epochs)) if value is not None}
    return recipe.model_copy(update=changes)


def read_recipe(name_or_path: str, schema: type[_R], folder: Path) -> _R:
    """Load a recipe of any kind.

    Args:
        name_or_path: a name, or the path of a .yaml file.
        schema: what the recipe has to be.
        folder: where names are looked up.

    Raises:
        DataError: no such recipe, a key that is misspelt or out of range, or classes that are no nodes (each one is named).
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = folder / f"{name_or_path}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.yaml")))
        raise DataError(f"no recipe {name_or_path!r}; there are {known}, or give the path of a .yaml file")
    recipe = read_yaml(path, schema, name=path.stem)
    taxonomy = default_taxonomy()
    if unknown := [node for node in recipe.classes if node not in taxonomy.parents]:
        labels = [label for node in unknown for label in taxonomy.near_labels(NODE_LABELS, node)]
        near = dict.fromkeys(node for label in labels for node in taxonomy.datasets[NODE_LABELS][label])
        raise DataError(
            f"{path}: classes not in the taxonomy: {', '.join(unknown)}"
            + (f"; near are {', '.join(near)}" if near else "")
            + "; `python -m train taxonomy` shows the ids"
        )
    return recipe
