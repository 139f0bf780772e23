"""Recipes of students: YAML files of `recipes/`, which say more than a training recipe does."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from train.recipe import Recipe

RECIPES = Path(__file__).parent / "recipes"


class StudentRecipe(Recipe):
    """A training recipe with what the teacher says.

    Attributes:
        temperature: T, by which the logits of both sides are divided.
        teacher_weight: share of the teacher's term in the loss; the labels have the rest.
        feature_weight: weight of one minus the cosine between embeddings, the student's projected linearly; 0 leaves it out.
        turned_teachers: each teacher sees the view in one of the square's eight orientations, drawn per batch, so that the
            student learns their mean over orientations, which is better than any one, at the price of a single one.
        teacher_size: pixels a side of the teachers' views where the student looks at smaller ones; None: they share theirs.
        mixup: here the teachers answer the mixture itself (Beyer et al. 2022, "Knowledge distillation: a good teacher is
            patient and consistent", section 3.1). They know the training images by heart, but not what lies between them.
        damage: share of the student's pictures that are damaged by haze, pale colours, odd light or distance, while its
            teachers see them whole (see `compress.damage`).
    """

    temperature: float = Field(2.0, gt=0, le=20)
    teacher_weight: float = Field(0.7, ge=0, le=1)
    feature_weight: float = Field(0.0, ge=0)
    turned_teachers: bool = False
    teacher_size: int | None = Field(None, ge=32, le=1024)
    damage: float = Field(0.0, ge=0, le=1)

    @property
    def view_size(self) -> int:
        return self.teacher_size or self.input_size

    @model_validator(mode="after")
    def _possible(self) -> StudentRecipe:
        if self.max_class_size:
            raise ValueError("max_class_size is for training on labels alone; leave it out")
        if self.turned_teachers and (self.fixed_views or self.feature_weight):
            raise ValueError("turned_teachers answer anew for every view: leave fixed_views and feature_weight out")
        if self.mixup and self.fixed_views:
            raise ValueError("mixtures of fixed_views are not fixed: leave mixup or fixed_views out")
        if self.view_size < self.input_size:
            raise ValueError("teacher_size is smaller than input_size: the student cannot see more than its teachers")
        return self
